"""The health of a pass, from journals with real verdicts."""

import math

import pytest

from selfplay.journal import Journal
from selfplay.journal.samples import read_samples
from selfplay.metrics.health import COLUMNS, health_of, summary
from selfplay.recipe.sections import Sampling
from selfplay.records import Sample
from tasks import AssertTests, MathReference, Task
from verifiers import Reason, Verdict, verify


def look(folder, tasks, texts, finish="stop", verdict=None):
    """The health of samples with these texts of each task, and its line."""
    journal = Journal(folder)
    for task in tasks:
        for index, text in enumerate(texts(task)):
            sample = Sample(task.id, index, text, finish, 9, 0, 5, (), None, index, "m")
            journal.append(sample, verdict or verify(task, text))
    journal.close()
    health = health_of(read_samples(folder, COLUMNS), tasks).to_dict()
    return health, summary(health, Sampling(max_tokens=100))


def sums(num, answer=None):
    return [
        Task.make("made", f"What is {number} + {number + 7}?", MathReference(answer or str(2 * number + 7)))
        for number in range(10, 10 + num)
    ]


def test_samples_that_were_cut_are_told_with_their_limit(tmp_path):
    health, line = look(
        tmp_path, sums(5), lambda task: ["First we add the tens, and then", "<think>Well"], finish="length"
    )
    assert (health["num_samples"], health["num_cut"], health["num_without_answer"]) == (10, 10, 5)
    assert "100% cut at max_tokens = 100" in line and "50% without an answer" in line


def test_empty_completions_are_counted_and_failed_samples_are_none(tmp_path):
    health, line = look(tmp_path / "a", sums(4), lambda task: ["", " \n", "#### 1"])
    assert health["num_empty"] == 8 and "67% empty" in line
    failed = Verdict.of(Reason.SAMPLE_FAILURE, "the engine died", 0.0, "none@0")
    health, line = look(tmp_path / "b", sums(4), lambda task: [""], finish="failed", verdict=failed)
    assert health["num_empty"] == 0 and health["undecided"] == {"sample_failure": 4}
    assert "undecided: 4 sample failure" in line


def test_equal_texts_of_a_task_cast_doubt_on_the_seeds(tmp_path):
    health, line = look(tmp_path / "a", sums(10), lambda task: [f"#### {task.id}"] * 8)
    assert (health["num_repeated"], health["num_tasks_of_one_text"]) == (70, 10)
    assert "88% repeat a text of their task (all samples of 10 of 10 tasks are one text: does the engine heed" in line
    assert "as temperature = 0 lets expect" in summary(health, Sampling(temperature=0.0))
    health, line = look(tmp_path / "b", sums(10), lambda task: [f"#### {task.id} {n}" for n in range(8)])
    assert health["num_repeated"] == 0 and "seeds" not in line
    health, line = look(tmp_path / "c", sums(10), lambda task: ["#### 5"])  # one sample a task; others write the same
    assert health["num_repeated"] == 0 and "seeds" not in line


def test_wrong_answers_that_repeat_the_prompt_are_told(tmp_path):
    def texts(task):
        first = task.prompt[0]["content"].split()[2]
        return [f"#### {first}", "#### 1000001", f"#### {task.reference.answer}"]

    health, line = look(tmp_path, sums(20), texts)
    assert (health["num_wrong_answers"], health["num_wrong_from_prompt"]) == (40, 20)
    assert "50% of the wrong answers are a number of the prompt" in line


def test_the_chance_of_one_fixed_answer_is_told(tmp_path):
    health, line = look(tmp_path / "a", sums(30, answer="yes"), lambda task: ["#### no"])
    assert (health["chance"], health["chance_answer"]) == (1.0, "yes")
    assert "always answering 'yes' would be right for 100%" in line
    health, line = look(tmp_path / "b", sums(30), lambda task: ["#### no"])
    assert health["chance"] == pytest.approx(1 / 30) and "always" not in line
    health, _ = look(tmp_path / "c", sums(3, answer="yes"), lambda task: ["#### no"])
    assert health["chance"] is None, "three tasks say nothing"


def test_programs_have_no_answers_to_look_at(tmp_path):
    tasks = [Task.make("made", f"Write f{n}, with 3 cases", AssertTests(f"assert f{n}() == 3")) for n in range(25)]
    verdict = Verdict.of(Reason.MISMATCH, "3", 0.1, "programs@1")
    health, line = look(tmp_path, tasks, lambda task: ["def f(): return 4"], verdict=verdict)
    assert health["num_wrong_answers"] == 0 and health["chance"] is None and "number of the prompt" not in line


def test_a_journal_without_rows_has_a_health(tmp_path):
    health = health_of(read_samples(tmp_path, COLUMNS), [])
    assert health.num_samples == 0 and math.isnan(health.chance)
    assert "0% cut" in summary(health.to_dict(), Sampling())


def test_tasks_that_repeat_or_contradict_an_earlier_one_are_told(tmp_path):
    tasks = sums(4)
    journaled = [*tasks, *sums(2, answer="1")]
    look(tmp_path, journaled, lambda task: ["#### 1"])
    health = health_of(read_samples(tmp_path, COLUMNS), [*journaled, *tasks[:3]]).to_dict()
    assert (health["num_repeated_tasks"], health["num_contradicting_tasks"]) == (3, 2)
    line = summary(health, Sampling())
    assert "3 tasks repeat an earlier one" in line
    assert "2 tasks have the prompt of an earlier one and another answer" in line
