"""Allocation: what each rule draws, in any order of verdicts, through losses and restarts."""

import random
from dataclasses import replace

import numpy as np
import pytest

from selfplay import allocation as rules
from selfplay.allocation import Allocation, Extent, make_allocator
from selfplay.allocation.until import PILOT_TASKS, PROBATION, Until
from selfplay.estimators.solve_rates import SolveRates
from selfplay.estimators.stopping import StoppingRule, stopping_point
from verifiers import Outcome

FIXED = Allocation(rule="fixed", samples_per_task=5)
UNTIL = Allocation(rule="until", accepted_per_task=3, cap=12, give_up_failures=7)
FRUGAL = Allocation(rule="until", accepted_per_task=3, cap=60, give_up_cost=12.0)
BUDGET = Allocation(rule="budget", accepted_per_task=3, cap=40, token_budget=150_000)
RULES = {"fixed": FIXED, "until": UNTIL, "give up": FRUGAL, "budget": BUDGET}


def outcome(task: str, index: int) -> Outcome:
    """What sample `index` of a task turns out to be, whenever it is drawn: the tasks' rates spread widely."""
    rate = random.Random(f"rate {task}").betavariate(0.4, 1.34)
    draw = random.Random(f"{task} {index}").random()
    return Outcome.UNDECIDED if draw > 0.98 else Outcome.CORRECT if draw < rate else Outcome.WRONG


class Round:
    """Drives an allocator as the pipeline does: tasks read lazily, verdicts in random order, some samples lost."""

    def __init__(self, rule, num_tasks=400, in_flight=40, seed=0, journal=(), losses=0.0):
        self.allocator, self.random, self.losses = make_allocator(rule), random.Random(seed), losses
        self.stream = iter(f"t{i}" for i in range(num_tasks))
        self.in_flight, self.flying, self.rows, self.most_open = in_flight, [], list(journal), 0
        self.open = set()
        self.old = {}
        for task, index in self.rows:
            self.old.setdefault(task, []).append(index)
        while self.old:  # a resumed run adds what the journal knows before it asks for more
            self.read_task()

    def read_task(self):
        task = next(self.stream, None)
        if task is None:
            self.open.difference_update(self.allocator.end())
            return
        self.allocator.add(task)
        self.open.add(task)
        for index in self.old.pop(task, ()):
            self.observe(task, index)

    def observe(self, task, index):
        for complete in self.allocator.observe(task, index, outcome(task, index), 100):
            self.open.remove(complete)

    def fill(self):
        while (free := self.in_flight - len(self.flying)) > 0:
            grants = self.allocator.next(free)
            assert sum(len(indices) for _, indices in grants) <= free
            for task, indices in grants:
                assert indices
                self.flying += [(task, index) for index in indices]
            if not grants:
                if not self.allocator.wants_task:
                    return
                self.read_task()
            self.most_open = max(self.most_open, len(self.open))

    def play(self, most_verdicts=10**9):
        """Until the allocator is done, or killed after so many verdicts; every (task, index) with a verdict."""
        self.fill()
        while self.flying and most_verdicts > 0:
            self.flying[-1], pick = self.flying[(at := self.random.randrange(len(self.flying)))], self.flying[-1]
            self.flying[at] = pick
            task, index = self.flying.pop()
            if self.random.random() < self.losses:
                self.allocator.lost(task, index)
            else:
                self.rows.append((task, index))
                self.observe(task, index)
                most_verdicts -= 1
            self.fill()
        assert self.flying != self.allocator.done or most_verdicts == 0
        return self.rows


def one_by_one(rule: StoppingRule, num_tasks=400):
    """What drawing one sample at a time would draw."""
    rows = set()
    for task in (f"t{i}" for i in range(num_tasks)):
        outcomes = []
        while not stopping_point(rule, outcomes)[2]:
            rows.add((task, len(outcomes)))
            outcomes.append(outcome(task, len(outcomes)))
    return rows


@pytest.mark.parametrize("name", RULES)
def test_no_sample_is_drawn_twice_and_none_is_skipped(name):
    rows = Round(RULES[name], losses=0.05).play()
    assert len(rows) == len(set(rows))
    for task in {task for task, _ in rows}:
        indices = sorted(index for owner, index in rows if owner == task)
        assert indices == list(range(len(indices)))


@pytest.mark.parametrize("name", sorted(set(RULES) - {"budget"}))
def test_each_task_is_told_to_be_complete_once(name):
    """By its own last verdict, or by the verdict or the end of the stream that draws the boundary of give_up_cost."""
    for num_tasks in (3, 400):
        played = Round(RULES[name], num_tasks=num_tasks)  # which fails where one is told twice
        played.play()
        assert not played.open


def test_fixed_draws_the_same_number_of_each_task_in_one_grant():
    allocator = make_allocator(FIXED)
    allocator.add("a")
    assert allocator.next(100) == [("a", (0, 1, 2, 3, 4))]
    assert allocator.next(100) == [] and allocator.wants_task and not allocator.done
    assert set(Round(FIXED).play()) == {(f"t{i}", j) for i in range(400) for j in range(5)}


def test_a_grant_is_cut_at_the_limit_and_goes_on():
    allocator = make_allocator(FIXED)
    allocator.add("a")
    assert allocator.next(3) == [("a", (0, 1, 2))]
    assert allocator.next(3) == [("a", (3, 4))]


@pytest.mark.parametrize("in_flight, seed, losses", [(1, 0, 0.0), (40, 1, 0.0), (400, 2, 0.1)])
def test_until_draws_exactly_what_one_sample_at_a_time_would(in_flight, seed, losses):
    rows = Round(UNTIL, in_flight=in_flight, seed=seed, losses=losses).play()
    assert set(rows) == one_by_one(StoppingRule.until(3, 12, 7))


def test_until_asks_for_the_samples_that_are_sure_in_one_grant():
    allocator = make_allocator(UNTIL)
    allocator.add("a")
    assert allocator.next(100) == [("a", (0, 1, 2))]
    allocator.observe("a", 1, Outcome.CORRECT, 10)
    assert allocator.next(100) == []  # the two in flight may both be correct
    allocator.observe("a", 0, Outcome.WRONG, 10)
    assert allocator.next(100) == [("a", (3,))]


@pytest.mark.parametrize("name", ["fixed", "until", "give up"])
@pytest.mark.parametrize("killed_after", [0, 1, 150, 700, 1100])
def test_a_killed_round_ends_with_the_samples_of_an_unbroken_one(name, killed_after):
    whole = Round(RULES[name], seed=1)
    unbroken = set(whole.play())
    journal = Round(RULES[name], seed=2).play(most_verdicts=killed_after)
    resumed = Round(RULES[name], seed=3, journal=journal)
    assert set(resumed.play()) == unbroken
    assert resumed.allocator.rule == whole.allocator.rule


def test_a_killed_budget_goes_on_with_what_is_left_of_it():
    journal = Round(BUDGET, seed=2).play(most_verdicts=700)
    rows = Round(BUDGET, seed=3, journal=journal).play()
    assert set(journal) < set(rows) and len(rows) * 100 == BUDGET.token_budget


def test_the_boundary_to_give_up_does_not_depend_on_the_order_of_verdicts():
    rounds = [Round(FRUGAL, seed=seed, in_flight=in_flight) for seed, in_flight in ((1, 20), (2, 400))]
    drawn = [set(each.play()) for each in rounds]
    assert drawn[0] == drawn[1]
    assert rounds[0].allocator.rule == rounds[1].allocator.rule
    assert drawn[0] == one_by_one(Until.stopping_rule(rounds[0].allocator.rule))


def test_a_task_gives_up_where_an_accepted_trace_is_expected_to_cost_more():
    played = Round(FRUGAL, num_tasks=2000)
    played.play()
    give_up = played.allocator.rule["give_up"]
    chances = SolveRates.fit(*_all_counts(played.rows)).success_chances(2, 60)
    for successes, failures in enumerate(give_up):
        if PROBATION < failures < 60:
            cost = 1 / chances[successes, failures]
            assert 12.0 * 0.7 < cost < 12.0 * 1.4  # fitted to the pilot there, to all tasks here
    assert PROBATION <= give_up[0] < give_up[1]


def _all_counts(rows):
    counts = {}
    for task, index in rows:
        n, c = counts.get(task, (0, 0))
        verdict = outcome(task, index)
        if verdict is not Outcome.UNDECIDED:
            counts[task] = n + 1, c + (verdict is Outcome.CORRECT)
    return zip(*counts.values(), strict=False)


def test_fewer_tasks_than_a_pilot_still_come_to_an_end():
    few = Round(FRUGAL, num_tasks=PILOT_TASKS // 8)
    few.play()
    assert few.allocator.done
    none = make_allocator(FRUGAL)
    none.end()
    assert none.done


def test_undecided_samples_are_neither_success_nor_failure_but_use_up_the_cap():
    allocator = make_allocator(Allocation(rule="until", accepted_per_task=1, cap=3))
    allocator.add("a")
    for index in range(3):
        assert allocator.next(9) == [("a", (index,))]
        done = allocator.observe("a", index, Outcome.UNDECIDED, 10)
    assert done


def test_tasks_are_read_only_when_there_is_room_for_them():
    for name, at_once in (("fixed", 45), ("until", 60)):
        played = Round(RULES[name], num_tasks=2000)
        played.play()
        assert played.most_open <= at_once


def test_a_budget_reads_a_task_only_when_it_would_sample_it():
    played = Round(BUDGET, num_tasks=2000)
    played.play(most_verdicts=50)
    assert len(played.open) <= len(played.rows) + played.in_flight


def test_a_lost_sample_is_owed_again_before_anything_else():
    for rule in (FIXED, UNTIL, BUDGET):
        allocator = make_allocator(rule)
        allocator.add("a")
        allocator.add("b")
        granted = allocator.next(3)
        allocator.lost(granted[0][0], granted[0][1][0])
        assert allocator.next(1) == [(granted[0][0], granted[0][1][:1])]


def test_what_cannot_be_is_refused():
    allocator = make_allocator(FIXED)
    allocator.add("a")
    allocator.observe("a", 0, Outcome.WRONG, 1)
    with pytest.raises(ValueError, match="two verdicts"):
        allocator.observe("a", 0, Outcome.WRONG, 1)
    with pytest.raises(ValueError, match="added already"):
        allocator.add("a")
    with pytest.raises(ValueError, match="unknown or complete"):
        allocator.observe("b", 0, Outcome.WRONG, 1)
    with pytest.raises(ValueError, match="'fixed', 'until', 'budget' or 'probe'"):
        make_allocator(Allocation(rule="greedy"))
    with pytest.raises(ValueError, match="token_budget"):
        make_allocator(Allocation(rule="budget"))
    with pytest.raises(ValueError, match="never rise"):
        make_allocator(Allocation(rule="budget", token_budget=9, gains=[1.0, 2.0]))


def test_the_stopping_rule_is_read_back_from_its_record():
    assert Until.stopping_rule(make_allocator(UNTIL).rule) == StoppingRule.until(3, 12, 7)
    assert rules.RULES["fixed"].stopping_rule(make_allocator(FIXED).rule) is None  # verdicts stop no task


def test_each_rule_reads_keys_that_the_section_has():
    keys = set(Allocation.model_fields) - {"rule", "total_accepted"}
    assert set().union(*(rule.keys for rule in rules.RULES.values())) == keys


def test_a_rule_says_how_far_a_pass_has_come():
    extent = Extent(num_tasks=100, num_complete_tasks=30, num_samples=125, num_tokens=60_000)
    shares = {name: rules.RULES[settings.rule].progress(settings, extent) for name, settings in RULES.items()}
    assert shares == {"fixed": 0.25, "until": 0.3, "give up": 0.3, "budget": 0.4}
    assert rules.RULES["until"].progress(UNTIL, replace(extent, num_tasks=0)) == 0.0


def test_a_trial_with_few_tasks_gets_its_share_of_the_budget():
    few = rules.RULES["budget"].for_share(BUDGET, 5, 1500)
    assert few.token_budget == 500 and few.cap == BUDGET.cap
    assert rules.RULES["budget"].most_samples(BUDGET, 100.0) == 1500
    assert rules.RULES["fixed"].for_share(FIXED, 5, 1500) == FIXED


def test_budget_is_spent_and_not_passed():
    played = Round(BUDGET, num_tasks=2000)
    rows = played.play()
    assert len(rows) * 100 == BUDGET.token_budget == played.allocator.rule["tokens"]


def test_budget_beats_a_cap_at_equal_tokens():
    tasks = 1500
    cap = Round(Allocation(rule="until", accepted_per_task=4, cap=32), num_tasks=tasks).play()
    rule = Allocation(rule="budget", accepted_per_task=4, cap=256, token_budget=100 * len(cap))
    linear = Round(rule, num_tasks=tasks, in_flight=256).play()
    complete, accepted = zip(*(_harvest(rows) for rows in (cap, linear)), strict=False)
    assert complete[1] > 1.12 * complete[0] and accepted[1] > 1.02 * accepted[0]


def test_a_gain_for_first_solutions_solves_more_tasks():
    solved = []
    for gains in ([1.0, 1.0, 1.0], [8.0, 1.0, 1.0]):
        rows = Round(Allocation(rule="budget", cap=100, token_budget=400_000, gains=gains), num_tasks=500).play()
        solved.append(len({task for task, index in rows if outcome(task, index) is Outcome.CORRECT}))
    assert solved[1] > solved[0]


def _harvest(rows):
    correct = {}
    for task, index in rows:
        correct[task] = correct.get(task, 0) + (outcome(task, index) is Outcome.CORRECT)
    wanted = np.minimum(list(correct.values()), 4)
    return int((wanted == 4).sum()), int(wanted.sum())


def test_success_chances_are_the_posterior_means_of_a_beta():
    rates = SolveRates((np.log(0.4), np.log(1.34), 0.0))
    s, f = np.ogrid[:5, :40]
    assert np.abs(rates.success_chances(4, 39) / ((0.4 + s) / (1.74 + s + f)) - 1).max() < 1e-3


def test_solve_rates_are_found_again_from_counts():
    rng = np.random.default_rng(0)
    rates = SolveRates.fit(np.full(3000, 16), rng.binomial(16, rng.beta(0.4, 1.34, 3000)))
    assert rates.success_chances(0, 20)[0, [0, 8, 20]] == pytest.approx([0.4 / 1.74, 0.4 / 9.74, 0.4 / 21.74], rel=0.12)


def test_a_probe_asks_for_more_only_where_one_of_the_first_fails():
    rule = Allocation(rule="probe", probe=2, samples_per_task=5)
    allocator = make_allocator(rule)
    allocator.add("easy")
    assert allocator.next(9) == [("easy", (0, 1))]
    assert allocator.observe("easy", 1, Outcome.CORRECT, 5) == []
    assert allocator.observe("easy", 0, Outcome.CORRECT, 5) == ["easy"]
    allocator.add("hard")
    assert allocator.next(1) == [("hard", (0,))]
    assert allocator.observe("hard", 0, Outcome.WRONG, 5) == []
    assert allocator.next(9) == [("hard", (1, 2, 3, 4))]
    results = [allocator.observe("hard", index, Outcome.CORRECT, 5) for index in (4, 2, 3, 1)]
    assert results == [[], [], [], ["hard"]]


def test_a_probe_begins_no_task_when_its_tokens_are_spent():
    allocator = make_allocator(Allocation(rule="probe", probe=1, token_budget=10))
    allocator.add("first")
    allocator.next(9)
    assert not allocator.is_satisfied
    allocator.observe("first", 0, Outcome.CORRECT, 10)
    assert allocator.is_satisfied


def test_a_probe_above_all_samples_is_a_mistake():
    with pytest.raises(ValueError, match="probe = 9 is above samples_per_task = 4"):
        make_allocator(Allocation(rule="probe", probe=9))
