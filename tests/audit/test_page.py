"""The audit's page as a person meets it: in a headless Chromium, by keyboard alone, without a network."""

import json

import pytest

from selfplay.audit.drawing import draw_traces, write_draw
from selfplay.audit.page import write_page
from selfplay.layout import AUDIT
from tasks import AssertTests, MathReference, Task
from tests.chromium import BINARY, Page
from tests.factories import write_run
from verifiers import Reason, Verdict

pytestmark = pytest.mark.skipif(BINARY is None, reason="no chromium here (apt-get install chromium)")

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> {{script}} \u2028 $\\frac12$"
)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """The page of 1,000 traces, some of them hostile."""
    rows = []
    for number in range(1100):
        text = HOSTILE if number % 50 == 0 else f"Step {number}: $\\frac{{1}}{{2}}$ so \\boxed{{0.5}}"
        reason = Reason.MATCH if number % 3 else Reason.MISMATCH
        task = Task.make("made", text if number % 50 == 0 else f"task {number // 2}", MathReference("\\frac{1}{2}"))
        if number % 7 == 0:
            task = Task.make("made", f"program {number}", AssertTests("assert f(1) == 2"))
        rows.append((task, text, Verdict.of(reason, "0.5", 0.001, "programs@1" if number % 7 == 0 else "math@2")))
    run = write_run(tmp_path_factory.mktemp("audit") / "run", [rows])
    draw = draw_traces(run, 1000)
    write_draw(draw, run / AUDIT)
    return draw, write_page(draw, run)


def label_of(page, key):
    return page.run(f"labels[{json.dumps(key)}]")


def test_a_keyboard_is_enough_and_labels_survive_a_reload(audited):
    draw, path = audited
    with Page() as page:
        page.open(path)
        assert "trace 1 of 1000" in page.run("at('state').textContent")
        assert page.run("document.getElementById('verdict')") is None  # blind until it is judged
        page.press("2")
        assert label_of(page, draw.rows[0]["key"]) == "wrong"
        assert draw.rows[0]["outcome"] in page.run("at('verdict').textContent")
        page.press("g")
        page.press("1")
        page.press("n")
        page.press("3")
        page.press("z")
        assert label_of(page, draw.rows[2]["key"]) is None
        page.press("4")
        page.open(path)
        kept = page.run("labels")
        assert kept == {draw.rows[0]["key"]: "wrong", draw.rows[1]["key"]: "right", draw.rows[2]["key"]: "unsure"}
        assert "trace 4 of 1000" in page.run("at('state').textContent")
        assert page.complaints() == [] and page.requests() == []


def test_the_saved_file_holds_every_label(audited):
    draw, path = audited
    with Page() as page:
        page.open(path)
        page.run("window.saved = []; URL.createObjectURL = (blob) => { saved.push(blob); return 'blob:none'; }; 0")
        page.run("HTMLAnchorElement.prototype.click = () => {}; 0")
        for _ in range(3):
            page.press("1")
            page.press("g")
        page.press("s")
        lines = page.run("saved[0].text()").splitlines()
        assert [json.loads(line) for line in lines] == [
            {"draw": draw.id, "key": row["key"], "label": "right"} for row in draw.rows[:3]
        ]


def test_hostile_text_stays_text(audited):
    draw, path = audited
    places = [place for place, row in enumerate(draw.rows) if "hacked" in row["completion"]]
    with Page() as page:
        page.open(path)
        for place in places[:12]:
            page.run(f"move({place}); 0")
            assert "window.hacked" in page.run("at('trace').textContent")
            page.press("t")
        assert page.run("typeof window.hacked") == "undefined"
        assert page.complaints() == [] and page.requests() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(audited, scheme):
    _, path = audited
    with Page(width=390, height=800, scheme=scheme) as page:
        page.open(path)
        for place in (0, 1, 2, 3, 500, 999):
            page.run(f"move({place}); 0")
            assert page.run("document.documentElement.scrollWidth") <= 390
