"""Rounds whose tasks the model writes: provenance, the window, lessons, and kills."""

import json

import pytest

from selfplay.journal import read_journal
from selfplay.proposals.figures import summary
from selfplay.proposals.lessons import worth_learning
from selfplay.proposals.pool import Tried, read_jsonl, weighted_parents
from selfplay.proposals.window import TOO_EASY, TOO_HARD, outside_window
from selfplay.recipe.sections import Proposer, Recipe
from selfplay.rounds.run import run
from selfplay.rounds.task_set import propose_tasks
from selfplay.samplers import SAMPLERS
from selfplay.shards.files import read_rows
from selfplay.storage import read_json
from tasks import Task, UserError, load
from tasks.sources.procedures import procedure_of
from tests.engines import WritingSampler
from tests.factories import quietly


def recipe_of(folder, **sections):
    keep = "mkdir -p {out} && cp -r {model}/. {out}"
    model = folder / "a-model"
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text("{}")
    return Recipe.model_validate(
        {
            "name": "made", "output": str(folder / "run"), "rounds": 2, "model": {"path": str(model)},
            "tasks": {"source": "operators", "num_tasks": 60}, "training": {"command": keep}, "ray": {"address": "none"},
            "allocation": {"rule": "probe", "samples_per_task": 5},
            "proposer": {"kinds": {"begin": 0.5, "go_on": 0.5}, "tasks_per_round": 60, "learn": 0.25},
        }
        | sections
    )  # fmt: skip


@pytest.fixture
def writing(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "transformers", "tests.engines:WritingSampler")
    monkeypatch.setattr(WritingSampler, "num_samples", 0)
    monkeypatch.setattr(WritingSampler, "dies_after", 10**9)


def content(folder):
    """What decides the rows of a run: its tasks, its samples, what its shards hold."""
    found = {}
    for part in sorted(folder.glob("round_*")):
        for name in ("proposals.jsonl", "tasks.jsonl", "pool.jsonl"):
            found[part.name, name] = (part / name).read_text().replace(str(folder), "")
        for name in ("journal", "proposals"):
            rows = [(sample.task_id, sample.index, sample.text) for sample, _ in read_journal(part / name)]
            assert len(set(rows)) == len(rows)
            found[part.name, name] = sorted(rows)
        for kind in ("accepted", "mixed"):
            found[part.name, kind] = [(row["task_id"], row["completion"]) for row in read_rows(part / "shards", kind)]
    return found


def test_a_round_samples_seeds_and_its_own_tasks_with_their_provenance(writing, tmp_path):
    run(recipe_of(tmp_path), quietly())
    folder = tmp_path / "run" / "round_001"
    pool, proposals = read_jsonl(folder / "pool.jsonl"), read_jsonl(folder / "proposals.jsonl")
    assert len(pool) == 60
    assert sum(row["is_seed"] for row in pool) == 9  # 15%
    for row in pool:
        assert 0 <= row["solve_rate"] <= 1 and row["num_samples"] in (2, 5)
        if not row["is_seed"]:
            origin = row["proposal"]
            assert origin["reason"] == "admitted" and origin["trust"] == "procedure" and origin["round"] == 1
            assert procedure_of("operators").read(row["task"]["prompt"][0]["content"]) is not None
            assert len(origin["parents"]) == (origin["kind"] == "go_on")
            assert row["task"]["prompt"][0]["content"].startswith(origin["prompt"][0]["content"].lstrip("!?"))
    figures = read_json(folder / "metrics.json")["proposals"]
    assert sum(figures["reasons"].values()) == figures["num_proposals"] == len(proposals)
    assert figures["reasons"]["admitted"] == 51
    assert {"unreadable", "copy"} <= figures["reasons"].keys()
    assert summary(figures).startswith(f"51 of {len(proposals)} proposals admitted (refused: ")


def test_a_kill_anywhere_gives_the_same_tasks_and_the_same_rows(writing, tmp_path):
    run(recipe_of(tmp_path / "whole"), quietly())
    whole, num_samples = content(tmp_path / "whole" / "run"), WritingSampler.num_samples
    WritingSampler.dies_after = num_samples // 7
    for _ in range(5):
        WritingSampler.num_samples = 0
        with pytest.raises(UserError, match="killed"):
            run(recipe_of(tmp_path / "killed"), quietly())
    WritingSampler.dies_after = 10**9
    run(recipe_of(tmp_path / "killed"), quietly())
    killed = content(tmp_path / "killed" / "run")
    as_text = json.dumps([list(map(str, whole.items()))]).replace(str(tmp_path / "whole"), "")
    assert json.dumps([list(map(str, killed.items()))]).replace(str(tmp_path / "killed"), "") == as_text


def test_lessons_are_the_share_that_the_recipe_says(writing, tmp_path):
    run(recipe_of(tmp_path, rounds=1), quietly())
    shards = tmp_path / "run" / "round_000" / "shards"
    accepted, mixed = list(read_rows(shards, "accepted")), list(read_rows(shards, "mixed"))
    assert len(mixed) == round(len(accepted) / 3)
    for row in mixed:
        prompt = row["prompt"][0]["content"]
        assert procedure_of("operators").read(prompt.lstrip("!?") + row["completion"] + "=") is not None


def test_answers_that_nobody_checked_become_references_and_are_counted(writing, tmp_path):
    run(recipe_of(tmp_path, rounds=1, proposer={"kind": "go_on", "tasks_per_round": 60, "unverified": 0.5}), quietly())
    figures = read_json(tmp_path / "run" / "round_000" / "metrics.json")["proposals"]
    assert 10 < figures["trust"]["own"] < 45
    assert 0 < figures["num_known_wrong"] < figures["trust"]["own"]


def test_a_program_that_no_solution_agrees_with_is_refused(writing, tmp_path, monkeypatch):
    problems = [f"Problem: Tim has {n} apples and eats 1. How many apples are left on day {n}?" for n in range(2, 30)]
    right, wrong = "return {n} - 1", "return {n} + 7"

    def text(self, prompt, rng):
        if "Invent" in prompt:
            place = rng.randrange(len(problems))
            body = (wrong if place % 3 == 0 else right).format(n=place + 2)
            return f"{problems[place]}\n```python\ndef solve():\n    {body}\n```"
        if " has " not in prompt:  # a seed
            return "\\boxed{12}"
        return f"\\boxed{{{int(prompt.split('has ')[1].split()[0]) - 1}}}"

    monkeypatch.setattr(WritingSampler, "_text", text)
    path = tmp_path / "seeds.jsonl"
    rows = [
        {"question": f"How many legs have {n} spiders and the dog that lives with them?", "answer": f"#### {8 * n + 4}"}
        for n in range(9)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    proposer = {"kind": "instruct", "tasks_per_round": 12, "agreement": 2, "seeds": 0.5, "most_of_family": 1.0}
    recipe = recipe_of(
        tmp_path, rounds=1, training=None, tasks={"source": "gsm8k", "path": str(path)}, proposer=proposer
    )
    run(recipe, quietly())
    rows = read_jsonl(tmp_path / "run" / "round_000" / "proposals.jsonl")
    kept = [row["task"] for row in rows if row["reason"] == "admitted"]
    assert kept and any(row["reason"] == "disagreement" for row in rows)
    for task in kept:
        assert int(task["reference"]["answer"]) == int(task["metadata"]["problem"].split("has ")[1].split()[0]) - 1


def tried(*rates):
    tasks = list(load("operators", num_tasks=len(rates)))
    row = {"kind": "go_on"}
    return [Tried(task, rate, 5, row) for task, rate in zip(tasks, rates, strict=True)]


def test_the_window_drops_what_is_never_and_most_of_what_is_always_solved():
    settings = Proposer(window=[0.1, 0.8], mastered=0.25)
    found = tried(*[0.0] * 5, 0.1, *[0.5] * 6, *[1.0] * 10)
    outside = outside_window(found, settings, seed=0)
    assert [outside.get(one.task.id, "") for one in found[:12]] == [TOO_HARD] * 6 + [""] * 6
    assert sum(reason == TOO_EASY for reason in outside.values()) == 8  # 2 stay beside 6: a quarter


def test_parents_are_tasks_that_are_solved_but_not_always():
    found = tried(*[0.0] * 10, *[0.5] * 60, *[1.0] * 10)
    weights = {task.id: weight for task, weight in weighted_parents(found, [], (0.0, 0.8))}
    assert [weights.get(one.task.id, 0) for one in (found[0], found[10], found[79])] == [0, 1.0, 0.03]
    assert {weight for _, weight in weighted_parents(found[:20], [], (0.0, 0.8))} == {
        1.0
    }  # too few: every task may be one


def test_only_the_hardest_of_the_solved_teach():
    found = tried(0.0, 0.2, 0.2, 0.6, 1.0)
    seed = Tried(Task.make("s", "1a=", found[0].task.reference), 0.2, 5, {})
    assert [one.rate for one in worth_learning([*found, seed], 0.4)] == [0.2, 0.2]


def test_a_source_that_reads_no_tasks_is_named(writing, tmp_path):
    recipe = recipe_of(tmp_path, tasks={"source": "arithmetic", "num_tasks": 20})
    with pytest.raises(UserError, match="reads no tasks"):
        run(recipe, quietly())


def test_tasks_can_be_had_alone_and_a_run_goes_on_with_them(writing, tmp_path):
    recipe, out = recipe_of(tmp_path, rounds=1), tmp_path / "tasks.jsonl"
    counts = propose_tasks(recipe, out, quietly())
    assert counts["tasks"] == 60 and counts["admitted"] == 51
    assert len(list(load("files", path=str(out)))) == 60
    run(recipe, quietly())
    assert (tmp_path / "run" / "round_000" / "tasks.jsonl").read_bytes() == out.read_bytes()
