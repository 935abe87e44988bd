"""The line of progress says what the engines do and how long it will take."""

import time

from selfplay.allocation import Allocation
from selfplay.driver.stats import PassStats
from selfplay.rounds.pass_progress import progress_line, share_done
from verifiers import Outcome


def stats(**figures):
    started = time.monotonic() - 100.0
    return PassStats(started=started, ended=started + 100.0, num_engines=4, num_engines_wanted=4, **figures)


def running(**figures):
    made = stats(**figures)
    made.ended = 0.0
    return made


def test_the_line_tells_speed_correct_solved_idle_queue_and_time_left():
    made = running(
        num_samples=1000, num_tokens=50_000, num_solved_tasks=120, engine_idle_seconds=4.0, num_unverified=17
    )
    made.outcomes[Outcome.CORRECT] = 400
    text = progress_line(made, Allocation(samples_per_task=4), 500)
    assert text == (
        "1000 of 2000 samples, 400 correct, 120 of 500 tasks solved, 500 tokens/s, engines idle 1.0%, 17 to check, 1 min 40 s left"
    )


def test_resumed_samples_count_as_done_but_not_as_speed():
    made = running(num_resumed=900, num_samples=100)
    assert "18 min 20 s left" not in progress_line(made, Allocation(samples_per_task=2), 1000)
    assert "16 min 40 s left" in progress_line(made, Allocation(samples_per_task=2), 1000)


def test_time_left_goes_by_tasks_where_the_rule_decides_and_by_tokens_under_a_budget():
    until = Allocation(rule="until")
    assert share_done(running(num_complete_tasks=30, num_samples=1), until, 120) == 0.25
    assert share_done(running(num_complete_tasks=30, num_samples=1), until, 0) == 0.0
    budget = Allocation(rule="budget", token_budget=1000)
    assert share_done(running(num_resumed_tokens=100, num_tokens=400), budget, 0) == 0.5


def test_engines_that_are_not_there_yet_and_troubles_are_said():
    made = running(trouble="a sample failed: no answer")
    made.num_engines = 1
    text = progress_line(made, Allocation())
    assert "1 of 4 engines at work" in text and text.endswith("a sample failed: no answer")


def test_a_pass_that_has_ended_tells_no_time_left():
    assert "left" not in progress_line(stats(num_samples=10, trouble="old"), Allocation(), 100)


def test_engines_that_are_asked_and_give_nothing_are_said_to_be_silent():
    figures = {"num_samples": 1, "last_result": time.monotonic() - 65.0}
    assert "nothing from the engines for 1 min" in progress_line(running(**figures, num_in_flight=8), Allocation())
    assert "nothing from" not in progress_line(running(**figures), Allocation())


def test_a_goal_of_correct_traces_is_shown_and_counts_as_progress():
    made = running(num_samples=100, num_resumed_correct=20)
    made.outcomes[Outcome.CORRECT] = 30
    goal = Allocation(samples_per_task=4, total_accepted=200)
    assert share_done(made, goal, 1000) == 0.25
    assert "100 samples, 50 of 200 correct" in progress_line(made, goal, 1000)
