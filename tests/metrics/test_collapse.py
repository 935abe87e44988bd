"""The collapse alarm on whole runs of a small model: one that learns, one that narrows."""

import numpy as np
import pytest
from rich.console import Console

from selfplay.estimators.intervals import paired_difference
from selfplay.journal.samples import SampleTable, unread
from selfplay.metrics.collapse import chance_of_signs, watch
from selfplay.models.tiny_llama import create_model
from selfplay.progress import Progress
from selfplay.recipe.sections import Fitting
from selfplay.recipe.toml import read_recipe
from selfplay.records import CORRECT, WRONG
from selfplay.report.page import write_report
from selfplay.rounds.run import run
from selfplay.storage import read_json
from selfplay.training.rows import TrainingExample
from selfplay.training.sft import FineTuning
from tasks.sources.arithmetic import organic_corpus
from tests.factories import small_recipe_file

STEPS = 400  # of the start's training


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A small model that has learnt sums of three digits from a corpus whose steps are often wrong."""
    folder = tmp_path_factory.mktemp("start")
    create_model(folder / "untrained", hidden_size=48, num_layers=2, max_length=32)
    corpus = organic_corpus(STEPS * 64, corruption=0.2, operands=(3,))
    lessons = (TrainingExample(({"role": "user", "content": prompt},), text) for prompt, text in corpus)
    settings = Fitting(steps=STEPS, batch_size=64, learning_rate=5e-3, warmup_steps=20)
    FineTuning(str(folder / "untrained"), folder / "model", settings, 0).run(lessons, lambda *step: None)
    return folder / "model"


def played(folder, model, *overrides):
    """The folder of the recipe's run and what it said."""
    recipe = small_recipe_file(
        folder,
        tasks={"num_tasks": 250, "operands": [3]},
        model={"create": None, "path": str(model)},
        pretraining=None,
        sampling={"max_tokens": 14, "batch_size": 512},
        selection={"drop_duplicates": False},
        training={"batch_size": 64, "steps": 60},
        evaluation={"tasks": {"operands": [3], "num_tasks": 60}, "samples_per_task": 16, "k": [1, 16]},
    )
    with (folder / "said").open("w") as said:
        run(read_recipe(recipe, list(overrides)), Progress(Console(file=said, width=400)))
    return folder / "small", (folder / "said").read_text()


@pytest.fixture(scope="module")
def healthy(start, tmp_path_factory):
    return played(tmp_path_factory.mktemp("healthy"), start, "rounds=2")


@pytest.fixture(scope="module")
def collapsed(start, tmp_path_factory):
    """The same start, trained over and over on three traces."""
    narrow = ("training.num_rows=3", "training.batch_size=3", "training.steps=120", "training.learning_rate=5e-3")
    return played(tmp_path_factory.mktemp("collapsed"), start, *narrow)


def metrics_of(folder, index=0):
    return read_json(folder / f"round_{index:03d}" / "metrics.json")


def test_a_run_that_learns_raises_no_alarm(healthy):
    folder, said = healthy
    before = read_json(folder / "base" / "metrics.json")["evaluation"]["pass_at_k"]["1"]
    for index in (0, 1):
        metrics = metrics_of(folder, index)
        assert metrics["alarms"] == []
        assert metrics["alarm"]["pass@16"]["num_tasks"] == 60
    assert metrics["evaluation"]["pass_at_k"]["1"] > before + 0.1  # it does learn
    assert "ALARM" not in said


def test_a_run_that_narrows_raises_the_alarm_everywhere(collapsed, tmp_path):
    folder, said = collapsed
    metrics = metrics_of(folder)
    raised = [name for name, watched in metrics["alarm"].items() if watched["raised"]]
    assert "pass@16" in raised and "pairs of samples with the same wrong text" in raised
    coverage = metrics["alarm"]["pass@16"]
    assert coverage["high"] < 0 and coverage["after"] < coverage["before"]
    assert len(metrics["alarms"]) == len(raised)
    assert said.count("COLLAPSE ALARM: pass@16 fell from") == 1
    write_report([folder], tmp_path / "report.html")
    assert "pass@16 fell from" in (tmp_path / "report.html").read_text()


def samples(texts, correct):
    """A pass of tasks 0, 1, ... with these texts (numbers), shape [tasks, samples], and whether each is correct."""
    texts, correct = np.asarray(texts), np.asarray(correct, dtype=bool)
    num_tasks, num = texts.shape
    task = np.repeat(np.arange(num_tasks), num)
    codes = np.where(correct.ravel(), CORRECT, WRONG)
    return SampleTable([str(n) for n in range(num_tasks)], task, codes, unread(), text=texts.ravel().astype(np.uint64))


def raised(before, after, k=16):
    return {watched.figure.split()[0] for watched in watch([("start", before)], after, k) if watched.raised}


def test_sharpening_onto_one_solution_is_seen_though_pass_at_1_rises():
    rng = np.random.default_rng(0)
    before = samples(rng.integers(0, 8, (60, 16)), rng.random((60, 16)) < 0.5)
    after = samples(rng.integers(0, 2, (60, 16)), rng.random((60, 16)) < 0.9)
    assert "distinct" in raised(before, after)


def test_more_copies_of_the_only_solution_are_no_alarm():
    rng = np.random.default_rng(0)
    right = rng.random((240, 16)) < 0.5
    before = samples(np.where(right, 0, rng.integers(1, 1000, (240, 16))), right)
    right = rng.random((240, 16)) < 0.97
    after = samples(np.where(right, 0, rng.integers(1, 1000, (240, 16))), right)
    assert raised(before, after) == set()


def test_one_task_lost_of_240_is_noise():
    before = samples(np.zeros((240, 16)), np.ones((240, 16)))
    correct = np.ones((240, 16))
    correct[0] = 0
    assert raised(before, samples(np.zeros((240, 16)), correct)) == set()


def test_a_few_tasks_lost_are_noise_to_the_signs_where_the_bootstrap_is_too_sure():
    lost = np.zeros(240)
    lost[:4] = -1
    assert paired_difference(np.zeros(240), lost).high < 0
    assert chance_of_signs(-lost) == 1 / 16


def test_the_signs_chance_is_the_same_counted_and_drawn():
    differences = np.array([0.5, 0.25, 1.0, -0.25, 0.5, 0.75, -0.5, 0.25, 1.0, -0.75, 0.5, 0.25])
    counted = chance_of_signs(differences)
    drawn = chance_of_signs(np.append(differences, 1e-13))  # 13 moved: drawn
    assert drawn == pytest.approx(counted, abs=0.01)


def test_models_of_the_same_skill_seldom_raise_it():
    """Pairs of evaluations by the same solve rates and texts: three figures, each falsely raised in 2.5% of the rounds at most."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        rates = rng.beta(0.4, 1.3, 100)[:, None]
        one, other = (samples(rng.geometric(0.3, (100, 16)), rng.random((100, 16)) < rates) for _ in range(2))
        alarms += bool(raised(one, other))
    assert alarms <= 5
