"""The failure policy alone: what is tried again, how a killer is found, when a pass stops. No engine, no event loop."""

import pytest

from selfplay.driver.recovery import MAX_FAILED, MAX_TRIES, Bisection, CircuitBreaker, Recovery, Suspects
from selfplay.records import Sample
from tasks import UserError
from verifiers import Reason, Verdict


def keys(number, task="task"):
    return [(task, index) for index in range(number)]


def failed(key=("task", 0), reason=Reason.SAMPLE_FAILURE, error="it fell over."):
    sample = Sample(*key, "", "failed", 0, 0, 0, (), None, 1, "model")
    return sample, Verdict.of(reason, error, 0.0, "none@0")


def test_a_sample_is_tried_a_few_times_and_so_is_its_verification():
    recovery, key = Recovery(), ("task", 0)
    assert [recovery.may_retry(key) for _ in range(MAX_TRIES)] == [True] * (MAX_TRIES - 1) + [False]
    recovery.sampled(key)
    assert [recovery.may_retry(key) for _ in range(MAX_TRIES)] == [True] * (MAX_TRIES - 1) + [False]
    assert recovery.may_retry(("task", 1))


def test_a_sample_that_has_its_verdict_leaves_nothing_behind():
    recovery = Recovery()
    for _ in range(1000):
        recovery.engine_died(recovery.bisection.next() or keys(3))
        recovery.may_retry(("task", 1))
        for key in keys(3):
            recovery.sampled(key)
            recovery.finished(key)
    assert not recovery._tries and not recovery._engine_deaths


# -- engines that die


def test_all_that_an_engine_held_is_drawn_again_at_once():
    bisection = Bisection()
    bisection.add(keys(100))
    assert bisection.next() == keys(100)
    assert bisection.next() == []  # until they are back


@pytest.mark.parametrize("number", [1, 2, 7, 64, 1000, 4096])
def test_the_one_that_kills_is_found_with_few_deaths_and_the_others_come_back_once(number):
    for killer in {0, number // 3, number - 1}:
        bisection, deaths, back = Bisection(), 1, []
        bisection.add(keys(number))
        while group := bisection.next():
            if ("task", killer) not in group:
                back += group
                for key in group:
                    bisection.returned(key)
                continue
            deaths += 1
            if culprit := bisection.add(group):
                assert culprit == ("task", killer)
                bisection.drop(culprit)
        assert sorted(back) == [key for key in keys(number) if key[1] != killer]
        assert deaths <= 5


def test_two_that_kill_are_both_found_and_nothing_else_is_lost():
    killers = {("task", 100), ("task", 101)}
    recovery, back, found = Recovery(), set(), set()
    assert recovery.engine_died(keys(500)) is None
    deaths = 1
    while group := recovery.bisection.next():
        for place, key in enumerate(group):
            if key in killers:  # those before it were answered
                deaths += 1
                if culprit := recovery.engine_died(group[place:]):
                    found.add(culprit)
                break
            recovery.sampled(key)
            back.add(key)
    assert found == killers and back == set(keys(500)) - killers
    assert deaths <= 12


def test_new_samples_that_die_with_a_group_join_the_survivors():
    bisection = Bisection()
    bisection.add(keys(32))
    bisection.next()
    assert bisection.add(keys(32) + keys(5, "new")) is None
    back = []
    while group := bisection.next():
        back += group
        for key in group:
            bisection.returned(key)
    assert sorted(back) == sorted(keys(32) + keys(5, "new"))


def test_a_sample_is_the_culprit_only_after_as_many_deaths_as_tries():
    recovery, key = Recovery(), ("task", 0)
    for _ in range(MAX_TRIES - 1):
        assert recovery.engine_died([key]) is None
        assert recovery.bisection.next() == [key]
    assert recovery.engine_died([key]) == key
    assert recovery.bisection.next() == []


# -- verifiers that die


def test_what_a_verifier_held_is_verified_again_and_after_two_deaths_alone():
    recovery = Recovery()
    assert recovery.verifier_died(keys(3)) == (keys(3), None)
    assert recovery.verifier_died(keys(3)) == ([], None)
    assert recovery.suspects.next() == ("task", 0) and recovery.suspects.next() is None
    recovery.suspects.returned(("task", 0))
    assert recovery.suspects.next() == ("task", 1)
    assert recovery.verifier_died([("other", 7), ("task", 1)]) == ([("other", 7)], ("task", 1))
    assert recovery.suspects.next() == ("task", 2)


def test_only_the_suspect_that_is_out_counts_as_alone():
    suspects = Suspects()
    for key in keys(2):
        suspects.add(key)
    assert not suspects.is_alone(("task", 0))
    suspects.next()
    assert suspects.is_alone(("task", 0)) and not suspects.is_alone(("task", 1))
    suspects.returned(("task", 1))  # of no concern to the one that is out
    assert suspects.next() is None


# -- samples that fail for good


def test_failed_samples_wait_for_a_success_and_are_given_out_once():
    breaker = CircuitBreaker()
    held = [failed(key) for key in keys(MAX_FAILED - 1)]
    for one in held:
        breaker.add(*one)
    assert breaker and breaker.release() == held
    assert not breaker and breaker.release() == []


@pytest.mark.parametrize(("reason", "part"), [(Reason.SAMPLE_FAILURE, "engine"), (Reason.CHECKER_FAILURE, "verifier")])
def test_too_many_failures_in_a_row_stop_the_pass_and_name_the_broken_part(reason, part):
    breaker = CircuitBreaker()
    with pytest.raises(UserError, match=f"the {part} failed again and again on each of {MAX_FAILED} samples") as caught:
        for key in keys(MAX_FAILED):
            breaker.add(*failed(key, reason))
    assert "error: it fell over. Everything" in str(caught.value)


def test_a_success_between_failures_starts_the_count_again():
    breaker = CircuitBreaker()
    for key in keys(10 * MAX_FAILED):
        breaker.add(*failed(key))
        if key[1] % (MAX_FAILED - 1) == 0:
            breaker.release()


def test_failures_that_are_explained_say_nothing_about_the_engine():
    breaker = CircuitBreaker()
    for key in keys(3 * MAX_FAILED):
        breaker.add(*failed(key), is_explained=True)
    for key in keys(MAX_FAILED - 1, "another"):
        breaker.add(*failed(key))
    assert len(breaker.release()) == 4 * MAX_FAILED - 1
