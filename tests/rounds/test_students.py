"""Whole runs in which one model is sampled and another learns; they stop when rounds no longer pay."""

import json

import pytest
from rich.console import Console

from selfplay.estimators.intervals import Interval
from selfplay.journal import read_journal
from selfplay.layout import round_folder
from selfplay.metrics.early_stopping import improvement_of
from selfplay.models.files import model_digest
from selfplay.models.flops import decoder_of
from selfplay.models.tiny_llama import create_model
from selfplay.progress import Progress
from selfplay.recipe.sections import Fitting
from selfplay.recipe.toml import read_recipe
from selfplay.rounds.run import run
from selfplay.shards.files import read_rows
from selfplay.storage import read_json, write_json
from selfplay.training.rows import TrainingExample
from selfplay.training.sft import FineTuning
from tasks import UserError, load
from tasks.sources.arithmetic import organic_corpus
from tests.factories import SMALL, small_recipe_file


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A model that has learnt sums of two digits."""
    folder = tmp_path_factory.mktemp("teacher")
    create_model(folder / "untrained", hidden_size=64, num_layers=1, max_length=32)
    corpus = [
        TrainingExample(({"role": "user", "content": prompt},), text)
        for prompt, text in organic_corpus(3000, 0, 0.0, operands=(2,))
    ]
    settings = Fitting(steps=90, batch_size=32, learning_rate=1e-2)
    FineTuning(str(folder / "untrained"), folder / "model", settings, 0).run(corpus, lambda *step: None)
    return str(folder / "model")


def written(folder, teacher, **training):
    """The recipe of a student that sees its teacher's traces and does not change: its learning rate is next to nothing."""
    return small_recipe_file(
        folder,
        name="student",
        rounds=4,
        tasks={"num_tasks": 40, "operands": [2]},
        model={"create": None, "path": teacher, "student": {"create": SMALL["model"]["create"]}},
        pretraining=None,
        sampling={"max_tokens": 12, "batch_size": 256},
        selection={"drop_duplicates": False, "mix": {"earlier_rounds": 0.25}},
        training={"steps": 12, "learning_rate": 1e-9} | training,
        evaluation={"tasks": {"operands": [2], "num_tasks": 12}, "samples_per_task": 2, "k": [1]},
        stop={"patience": 2},
    )


def played(folder, teacher, *overrides):
    """The run's folder and what it said."""
    path = written(folder, teacher)
    with (folder / "said").open("w") as said:
        run(read_recipe(path, list(overrides)), Progress(Console(file=said, width=400)))
    return folder / "student", (folder / "said").read_text()


@pytest.fixture(scope="module")
def taught(teacher, tmp_path_factory):
    """A student that cannot learn, so that no round pays; its run's folder and what it said."""
    return played(tmp_path_factory.mktemp("taught"), teacher)


def manifest_of(folder, index):
    return read_json(round_folder(folder, index) / "manifest.json")


def test_each_round_samples_the_teacher_and_trains_and_evaluates_the_student(taught, teacher):
    folder, _ = taught
    first = str(folder / "base" / "student")
    assert {sample.model for sample, _ in read_journal(folder / "base" / "evaluation")} == {first}
    for index in (0, 1):
        manifest, made = manifest_of(folder, index), str(round_folder(folder, index) / "model")
        assert (manifest["model"], manifest["next_model"], manifest["student"]) == (teacher, teacher, made)
        assert manifest["parents"] == [] and manifest["model_digest"] == model_digest(teacher)
        assert {row["model_digest"] for row in read_rows(round_folder(folder, index) / "shards")} == {
            model_digest(teacher)
        }
        assert {sample.model for sample, _ in read_journal(round_folder(folder, index) / "evaluation")} == {made}
        assert decoder_of(made) == decoder_of(first) != decoder_of(teacher)
        start = str(round_folder(folder, index - 1) / "model") if index else first
        assert read_json(round_folder(folder, index) / "metrics.json")["training"]["start"] == start


def test_operations_are_the_teachers_where_it_samples_and_the_students_where_it_learns(taught, teacher):
    folder, _ = taught
    metrics = read_json(round_folder(folder, 0) / "metrics.json")
    rows = [sample for sample, _ in read_journal(round_folder(folder, 0) / "journal")]
    columns = ([getattr(row, name) for row in rows] for name in ("prompt_tokens", "cached_tokens", "completion_tokens"))
    assert metrics["ledger"]["flops"]["sampling"] == pytest.approx(decoder_of(teacher).sampling(*columns).sum())
    fitted = metrics["training"]
    student = decoder_of(str(folder / "base" / "student"))
    assert metrics["ledger"]["flops"]["training"] == pytest.approx(
        student.training(fitted["num_tokens"], fitted["mean_context"])
    )


def test_what_is_mixed_in_is_trained_on_and_counted(taught):
    folder, said = taught
    for index in (0, 1):
        metrics = read_json(round_folder(folder, index) / "metrics.json")
        own, earlier = metrics["selection"]["accepted"], metrics["mix"]["earlier_rounds"]["num_rows"]
        assert metrics["training"]["num_rows"] == own + earlier
        assert earlier == (round(own / 3) if index else 0)
        assert f"trained on {own} rows of its own" + (f", {earlier} of earlier rounds" if index else "") + "\n" in said


def test_a_run_stops_when_rounds_no_longer_pay_and_stays_stopped_until_the_key_changes(taught, teacher):
    folder, said = taught
    assert "stopped after 2 of 4 rounds: the last 2 rounds brought held-out pass@1" in said
    assert [
        read_json(round_folder(folder, index) / "metrics.json").get("stop", {}).get("stops") for index in (0, 1)
    ] == [None, True]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert "stopped after 2 of 4 rounds" in played(folder.parent, teacher)[1]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    said = played(folder.parent, teacher, "stop.patience=3")[1]
    assert round_folder(folder, 2).exists() and "stopped after 3 of 4 rounds" in said


def test_a_student_that_teaches_is_sampled_from_the_second_round_on(teacher, tmp_path):
    overrides = [
        "rounds=2",
        "model.student.teaches=true",
        "training.start=base",
        "training.learning_rate=1e-2",
        "training.steps=90",
    ]
    folder, _ = played(tmp_path, teacher, *overrides)
    first, second = manifest_of(folder, 0), manifest_of(folder, 1)
    made = [str(round_folder(folder, index) / "model") for index in (0, 1)]
    assert (first["model"], first["next_model"], first["student"]) == (teacher, made[0], "")
    assert (second["model"], second["next_model"]) == (made[0], made[1])
    trained = [shard["sha256"] for shard in first["shards"] if shard["kind"] != "rejected"]
    assert second["parents"] == trained
    metrics = read_json(round_folder(folder, 1) / "metrics.json")
    assert metrics["training"]["start"] == str(folder / "base" / "student")  # anew, on what its predecessor taught
    sampling = metrics["sampling"]
    assert sampling["num_correct"] > 0.2 * sampling["num_samples"]  # it has learnt sums from its teacher


# -- the rule, on figures made by hand


def ledger(share, bits=10.0):
    return {"accepted": {"new_check_bits": bits}, "paying": {"bits_per_flop_of_first_round": share}}


@pytest.mark.parametrize(
    ("shares", "low", "least_bits", "stops"),
    [
        ([0.05, 0.05], -0.01, 0.1, True),
        ([0.05, 0.05], 0.01, 0.1, False),  # pass@1 still rises
        ([0.5, 0.05], -0.01, 0.1, False),  # one of the rounds brought bits
        ([0.5, 0.5], -0.01, 0.0, True),  # bits are not asked for
        ([None, None], -0.01, 0.1, True),  # operations of an unknown model
    ],
)
def test_a_run_stops_only_where_nothing_pays(tmp_path, monkeypatch, shares, low, least_bits, stops):
    path = written(tmp_path, "a/model")
    recipe = read_recipe(path, [f"stop.least_bits={least_bits}"])
    monkeypatch.setattr("selfplay.metrics.early_stopping.read_samples", lambda journal: journal)
    monkeypatch.setattr(
        "selfplay.metrics.early_stopping.gain_of", lambda before, after: Interval(0.0, low, 0.1, 10, "made")
    )
    round_folder(tmp_path, 2).mkdir()
    write_json(round_folder(tmp_path, 2) / "metrics.json", {"ledger": ledger(shares[0])})
    assert improvement_of(recipe, tmp_path, 3, ledger(shares[1])).should_stop == stops
    assert improvement_of(recipe, tmp_path, 0, ledger(1.0)) is None  # too few rounds


# -- other engines, and mistakes


STORED = """
[tasks]
source = "arithmetic"
num_tasks = 30
operands = [2]
seed = 0
[model.student.create]
hidden_size = 32
num_layers = 1
max_length = 32
[sampling]
engine = "replay"
[sampling.replay]
path = "{completions}"
completions = ["text"]
[allocation]
samples_per_task = 1
[training]
steps = 2
batch_size = 8
[ray]
address = "none"
"""


def test_stored_completions_train_a_student(tmp_path):
    """Completions that somebody else's model wrote are checked, and the right ones are learnt."""
    tasks = list(load("arithmetic", num_tasks=30, operands=[2]))
    with (tmp_path / "stored.jsonl").open("w") as file:
        for number, task in enumerate(tasks):
            right = task.reference.answer
            file.write(json.dumps({"task_id": task.id, "text": f"####{right if number % 3 else right + '0'}"}) + "\n")
    path = tmp_path / "stored.toml"
    path.write_text(STORED.format(completions=tmp_path / "stored.jsonl"))
    run(read_recipe(path), Progress(Console(quiet=True)))
    folder = tmp_path / "stored" / "round_000"
    assert read_json(folder / "metrics.json")["training"]["num_rows"] == 20
    assert decoder_of(str(folder / "model")) is not None


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("model.student.path=a/b", "exactly one of path and create"),
        ("selection.mix.corpus=0.2", "needs the path of a corpus"),
        ("selection.mix.earlier_rounds=1.0", "earlier_rounds = 1.0"),
        ("selection.mix={earlier_rounds=0.6, corpus=0.4, path='a/b'}", "leave nothing"),
        ("training.lora={rank=0}", "rank = 0"),
        ("training.command=cp -r", "a command trains as it likes"),
        ("stop.patience=0", "patience = 0"),
        ("sampling.engine=openai", "a server cannot sample the student"),
        ("model.student.taches=true", 'did you mean "teaches"'),
    ],
)
def test_impossible_settings_are_refused(tmp_path, override, named):
    path = written(tmp_path, "a/model", lora={})
    with pytest.raises(UserError) as caught:
        read_recipe(path, [override])
    assert named in str(caught.value)


def test_adapters_without_peft_say_what_to_install(tmp_path, monkeypatch):
    path = written(tmp_path, "a/model", lora={})
    read_recipe(path)
    monkeypatch.setattr("selfplay.recipe.consistency.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "selfplay\[lora\]"'):
        read_recipe(path)
