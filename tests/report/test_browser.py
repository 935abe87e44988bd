"""The report as a person meets it: in a headless Chromium, without a network."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfplay.report import write_report
from selfplay.shards.files import read_rows
from tasks import AssertTests, FunctionTests, MathReference, Task
from tests.chromium import BINARY, Page
from tests.factories import HOSTILE, Row, sums, write_run
from verifiers import Reason, Verdict, verify

pytestmark = pytest.mark.skipif(BINARY is None, reason="no chromium here (apt-get install chromium)")

OPEN_SECONDS = 2.0
HOSTILE_TEXTS = [
    HOSTILE,
    "<!-- <script> --> <svg onload='window.hacked = 1'> <a href='javascript:window.hacked = 1'>x</a>",
    "$\\href{javascript:window.hacked=1}{x}$ \\[\\includegraphics{http://127.0.0.1:9/a.png}\\] \\boxed{<img src=x onerror='window.hacked=1'>}",
    "$\\htmlStyle{background:url(http://127.0.0.1:9/)}{x}$ $\\def\\a{\\a\\a}\\a$ \\(\\rule{99999em}{99999em}\\)",
    "```html\n<script>window.hacked = 1</script>\n```\nand an open fence\n```python\nprint('</script>')",
    "{{index}} \u2028\u2029 \x00 \x1b[31m ]]> &lt;b&gt; \u202e",
    "$" * 20_000 + "\\(" * 20_000 + "\\boxed{" * 20_000 + "'''" * 5_000 + "```\n" * 5_000 + "\\begin{align}" * 5_000,
]


def hostile_rows() -> list[Row]:
    rows = []
    for text in HOSTILE_TEXTS:
        task = Task.make(HOSTILE[:40], text, MathReference(text), difficulty=HOSTILE, note=text)
        rows.append((task, text, Verdict.of(Reason.MISMATCH, text, 0.001, HOSTILE)))
        program = Task.make("files", [{"role": HOSTILE, "content": text}], AssertTests(text))
        rows.append((program, text, Verdict.of(Reason.EXCEPTION, text, 0.001, "programs@1")))
    return rows


def written_rows() -> list[Row]:
    """Formulas, prose about money, and programs."""
    half = Task.make(
        "made", "What is $\\frac{1}{2} + \\frac{1}{2}$ in dollars, if I had $5 and spent $4?", MathReference("1")
    )
    double = Task.make("made", "Write double(x).", FunctionTests("double", ({"args": [2], "expected": 4},)))
    text = "We have $$\\sum_{i=1}^{2} \\frac{1}{2} = 1$$ and so \\(1\\), I keep $1 of the $5. The answer is \\boxed{1}."
    code = "```python\ndef double(x):\n    return x * 2  # twice\n```"
    huge = Task.make(
        "made", [], FunctionTests("huge", ({"args": [float("nan")], "expected": 2**70},)), limit=float("inf")
    )
    return [
        (huge, "no code", Verdict.of(Reason.NO_ANSWER, "", 0.01, "programs@1")),
        (half, text, verify(half, text)),
        (double, code, Verdict.of(Reason.MATCH, "", 0.01, "programs@1")),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_run(
        folder,
        [sums(20, 4, 2) + hostile_rows(), sums(20, 4, 3, 20) + written_rows()],
        lambda position: sums(20, 8, 2 + position, 100),
    )
    write_run(folder / "control", [sums(20, 4, 2)], lambda position: sums(20, 8, 2, 100), verified=False)
    return folder


@pytest.fixture(scope="module")
def report(run: Path) -> Path:
    write_report([run], run / "report.html")
    return run / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with Page() as page:
        yield page


@pytest.fixture
def page(browser: Page, report: Path) -> Iterator[Page]:
    """The report freshly opened; whatever a test did, it may have caused no error and no request."""
    browser.events.clear()
    browser.open(report)
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == []


def stored(run: Path) -> list[dict]:
    return [row for folder in sorted(run.glob("**/shards")) for row in read_rows(folder)]


def test_every_plot_is_drawn(page: Page):
    figures = page.run(
        "[...document.querySelectorAll('figure')].map(f => ({title: f.querySelector('figcaption').textContent,"
        " box: f.querySelector('svg').getBoundingClientRect().toJSON(), marks: f.querySelectorAll('svg path, svg use').length}))"
    )
    titles = " ".join(figure["title"] for figure in figures)
    for wanted in (
        "pass@1 by round",
        "pass@4 by round",
        "against sampled tokens",
        "against k: verified",
        "against k: control",
        "Acceptance by difficulty",
        "Cost by difficulty",
        "Reasons of the verdicts",
        "Tasks by share",
        "Tokens a sample",
        "Allocation",
    ):
        assert wanted in titles
    assert page.run("document.querySelector('#on-passk .note').textContent.includes('Dotted: forecast')")
    assert all(
        figure["box"]["width"] > 200 and figure["box"]["height"] > 100 and figure["marks"] > 5 for figure in figures
    )


def test_held_out_samples_have_a_filter_and_say_which_model_made_them(page: Page):
    page.run("at('set').value = '1'; at('round').value = '-1'; applyFilters().then(() => open(0))")
    assert page.run("shown.length") == 20 * 8
    assert "held out, first model" in page.run("document.querySelector('#trace .head').textContent")
    page.run("at('round').value = '1'; applyFilters().then(() => open(0))")
    assert page.run("shown.length") == 20 * 8
    assert "held out, after round 1" in page.run("document.querySelector('#trace .head').textContent")
    assert page.run("document.querySelectorAll('#trace .siblings button').length") == 4 * 8


def test_a_filter_shows_the_rows_of_the_shards_that_match_it(page: Page, run: Path):
    page.run("at('set').value = '0'")
    for column, value in (("outcome", "wrong"), ("reason", "exception"), ("selection", "duplicate")):
        page.run(f"at('{column}').value = String(index.names.{column}.indexOf('{value}')); applyFilters()")
        assert page.run("shown.length") == sum(row[column] == value for row in stored(run)) > 0
        page.run(f"at('{column}').value = ''")
    task = stored(run)[0]["task_id"]
    page.run(f"at('task').value = '{task}'; applyFilters()")
    assert page.run("shown.length") == sum(row["task_id"] == task for row in stored(run))
    page.run("at('task').value = ''; at('round').value = '1'; at('arm').value = '0'; applyFilters()")
    assert page.run("shown.length") == sum(1 for _ in read_rows(run / "round_001" / "shards"))


def test_search_finds_what_the_texts_hold_and_nothing_else(page: Page, run: Path):
    page.run("at('set').value = '0'")
    for text in ("ADD ONE to 7.", "</script>", "what is 3 + 1", "nowhere to be found"):
        page.run(f"at('search').value = {json.dumps(text)}; applyFilters()")
        parts = [
            [row["completion"], row["answer"], *(message["content"] for message in row["prompt"])]
            for row in stored(run)
        ]
        assert page.run("shown.length") == sum(any(text.lower() in part.lower() for part in of_row) for of_row in parts)


def test_next_and_previous_stay_within_the_filter(page: Page):
    page.run("at('outcome').value = String(index.names.outcome.indexOf('wrong')); applyFilters().then(() => open(0))")
    seen = []
    for _ in range(12):
        seen.append(page.run("document.querySelector('#trace .head b').textContent"))
        before = page.run("position")
        page.press("n")
        page.wait(f"position === {before + 1} && location.hash.slice(1) === addressOf(shown[position])")
    assert set(seen) == {"wrong"}
    page.press("p")
    page.wait("position === 11 && location.hash.slice(1) === addressOf(shown[position])")


def test_keys_search_help_and_leave_typing_alone(page: Page):
    page.press("/")
    assert page.run("document.activeElement.id") == "search"
    before = page.run("position")
    page.press("n")
    assert page.run("[position, at('search').value]") == [before, "n"]
    page.run("document.activeElement.blur()")
    page.press("?")
    assert page.run("at('help').open")


def test_model_text_is_text(page: Page, run: Path):
    texts = {row["completion"] for row in stored(run) if row["reason"] == "exception" or row["verifier"] == HOSTILE}
    assert texts == set(HOSTILE_TEXTS)
    page.run(
        f"shown = shown.filter(row => named('reason', row) === 'exception' || named('verifier', row) === {json.dumps(HOSTILE)})"
    )
    for is_raw in ("false", "true"):
        page.run(f"raw = {is_raw}")
        shown = page.run(
            "(async () => { const texts = []; for (let i = 0; i < shown.length; i++) { await open(i);"
            " texts.push(document.querySelector('#trace .completion').lastChild.textContent); } return texts })()"
        )
        assert page.run("document.querySelectorAll('#trace :is(script, img, svg, iframe, object, a)').length") == 0
    assert texts == set(shown), "in raw view each hostile text stands as it was written"
    page.run("Promise.all([...document.querySelectorAll('#trace details')].map(d => d.open = true))")
    assert page.run("window.hacked === undefined")
    assert page.run("getComputedStyle(document.querySelector('#trace')).contain") == "content"


def test_saved_rows_are_those_of_the_filter_whole(page: Page, run: Path):
    page.run("at('reason').value = String(index.names.reason.indexOf('exception')); applyFilters()")
    text = page.run(
        "(async () => { let saved; const make = URL.createObjectURL; URL.createObjectURL = (blob) => { saved = blob; return make(blob); };"
        " await saveRows(); URL.createObjectURL = make; return saved.text() })()"
    )
    saved = [json.loads(line) for line in text.split("\n") if line]
    wanted = [row for row in stored(run) if row["reason"] == "exception"]
    assert len(saved) == len(wanted)
    for name in ("completion", "answer", "task_id", "prompt", "outcome", "selection", "sample_index"):
        assert sorted(json.dumps(row[name]) for row in saved) == sorted(json.dumps(row[name]) for row in wanted)
    assert sorted(int(row["seed"]) for row in saved) == sorted(row["seed"] for row in wanted)


def test_formulas_are_rendered_money_is_not_and_code_is_coloured(page: Page):
    page.run("at('search').value = 'I keep $1'; applyFilters().then(() => open(0))")
    assert page.run("document.querySelectorAll('#trace math').length") == 4  # the prompt's, and three of the completion
    assert page.run("document.querySelectorAll('#trace mfrac').length") == 3
    assert page.run("document.querySelector('#trace').textContent.includes('I keep $1 of the $5.')")
    page.run("at('search').value = 'def double'; applyFilters().then(() => open(0))")
    assert page.run("[...document.querySelectorAll('#trace pre .k')].map(n => n.textContent).join(' ')") == "def return"
    assert page.run("document.querySelector('#trace').textContent.includes('double(2) → 4')")


def test_numbers_that_javascript_lacks_are_shown_as_they_are(page: Page):
    page.run("at('reason').value = String(index.names.reason.indexOf('no_answer')); applyFilters().then(() => open(0))")
    text = page.run("document.querySelector('#trace').textContent")
    assert "NaN" in text and str(2**70) in text and "Infinity" in text


def test_suspicious_accepts_then_hard_tasks_stand_first(page: Page):
    ranks = page.run("shown.map(row => ranks[row])")
    assert ranks == sorted(ranks)
    page.run("at('show').value = 'hardest'; applyFilters()")
    assert page.run("shown.length > 0 && shown.every(row => named('outcome', row) === 'correct')")


def test_an_address_opens_its_trace(browser: Page, report: Path, page: Page):
    address = page.run("addressOf(index.task.length - 1)")
    browser.call("Page.navigate", url="about:blank")
    browser.open(report, "#" + address)
    assert browser.run("shown[position] === index.task.length - 1")


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "light"), (390, 844, "dark"), (1400, 1000, "dark")])
def test_nothing_is_cut_off_on_a_phone_and_the_dark_is_dark(
    browser: Page, report: Path, width: int, height: int, scheme: str
):
    browser.resize(width, height, scheme)
    try:
        browser.open(report)
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        red, green, blue = json.loads(
            browser.run("'[' + getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3) + ']'")
        )
        assert (red + green + blue < 200) == (scheme == "dark")
    finally:
        browser.resize(1400, 1000, "light")


def test_a_print_has_the_plots_and_the_trace_and_no_controls(page: Page):
    page.call("Emulation.setEmulatedMedia", media="print")
    try:
        heights = page.run(
            "['#filters', '#list', '#trace', 'figure svg'].map(s => document.querySelector(s).getBoundingClientRect().height)"
        )
        assert heights[:2] == [0, 0] and min(heights[2:]) > 50
    finally:
        page.call("Emulation.setEmulatedMedia", media="")


def test_runs_overlay_in_one_report(browser: Page, tmp_path: Path):
    for name, control in (("one", True), ("two", False)):
        write_run(tmp_path / name, [sums(20, 4, 1)], lambda position: sums(20, 4, 1 + position, 100), name=name)
        if control:
            write_run(
                tmp_path / name / "control", [sums(20, 4, 1)], lambda _: sums(20, 4, 1, 100), name=name, verified=False
            )
    write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "report.html")
    browser.open(tmp_path / "report.html")
    legend = browser.run("[...document.querySelector('figure .legend').children].map(n => n.textContent)")
    assert legend == ["one", "one, control", "two"]
    assert browser.run("document.querySelector('#on-learning').textContent.includes('one to two, at their ends')")


def test_fifty_thousand_traces_open_in_two_seconds(browser: Page, tmp_path: Path):
    rows = sums(3_125, 4, 2)
    run = write_run(tmp_path / "run", [rows, rows, rows, rows])
    write_report([run], tmp_path / "report.html")
    seconds = min(browser.open(tmp_path / "report.html") / 1e3 for _ in range(5))  # others may use the machine
    assert browser.run("index.task.length") == 50_000
    assert browser.run("document.querySelectorAll('#list .row').length") < 60, "only rows in view are drawn"
    assert seconds < OPEN_SECONDS
