"""Figures of a pass, under each rule of allocation."""

import pytest

from selfplay.files_on_disk import write_json
from selfplay.journal import Journal
from selfplay.measuring import pass_table
from selfplay.records import Sample
from verifiers import Reason, Verdict


def round_of(folder, outcomes, allocation):
    """A run of one finished round with these outcomes of each task, in index order."""
    journal = Journal(folder / "round_000" / "journal")
    for task, letters in enumerate(outcomes):
        for index, letter in enumerate(letters):
            reason = {"c": Reason.MATCH, "w": Reason.MISMATCH, "u": Reason.CHECKER_TIMEOUT}[letter]
            journal.append(Sample(str(task), index, "", "stop", 1, 0, 1, (), None, 0, ""), Verdict.of(reason, "", 0.0, "t@1"))
    journal.close()
    write_json(folder / "round_000" / "metrics.json", {"allocation": allocation})
    (row,) = pass_table(folder, [1, 2])
    return row


def test_samples_of_a_fixed_number_get_the_plain_estimate(tmp_path):
    row = round_of(tmp_path, ["cwww", "ccww"], {"rule": "fixed", "samples_per_task": 4})
    assert (row.num_tasks, row.num_samples) == (2, 8)
    assert row.pass_at_k["1"] == pytest.approx(3 / 8)
    assert row.pass_at_k["2"] == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_samples_until_a_success_do_not_count_that_success_against_the_failures(tmp_path):
    """Until 2 are correct, stopped at n = 4: pass@1 = 1 - C(2, 1) / C(3, 1) = 1/3, and not 2/4."""
    rule = {"rule": "until", "accepted_per_task": 2, "cap": 100, "give_up": [100, 100]}
    row = round_of(tmp_path, ["wcwc"], rule)
    assert row.pass_at_k["1"] == pytest.approx(1 / 3)
    assert row.rule == "until"


def test_a_budget_has_no_estimate_and_says_so(tmp_path):
    row = round_of(tmp_path, ["cwww"], {"rule": "budget"})
    assert (row.pass_at_k, row.rule) == ({}, "budget")


def test_undecided_samples_are_counted_apart(tmp_path):
    row = round_of(tmp_path, ["cuw"], {"rule": "fixed"})
    assert row.num_undecided == 1
    assert row.pass_at_k["1"] == pytest.approx(1 / 2)
