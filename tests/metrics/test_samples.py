"""Figures of a pass, under each rule of allocation."""

import json
from io import StringIO

import pytest
from rich.console import Console

from selfplay.estimators.passk import best_of_k, majority_at_k, right_at_k
from selfplay.journal import Journal
from selfplay.journal.samples import read_samples
from selfplay.metrics.pass_table import Wanted, in_table, pass_table
from selfplay.metrics.samples import SAMPLING_COLUMNS, sampling_metrics
from selfplay.records import Sample
from selfplay.storage import write_json
from tasks import UserError
from verifiers import Reason, Verdict


def round_of(folder, outcomes, allocation, wanted=Wanted((1, 2)), verifier="math@1"):
    """The figures of a round with these outcomes of each task, in index order; answers and scores differ by outcome."""
    journal = Journal(folder / "round_000" / "journal")
    for task, letters in enumerate(outcomes):
        for index, letter in enumerate(letters):
            reason = {"c": Reason.MATCH, "w": Reason.MISMATCH, "u": Reason.CHECKER_TIMEOUT}[letter]
            answer = {"c": "7", "w": f"{index % 2}", "u": ""}[letter]
            sample = Sample(str(task), index, '"token_ids":[9]', "stop", 1, 0, 1, (1, 2), -float(index), 0, "")
            journal.append(sample, Verdict.of(reason, answer, 0.5, verifier))
    journal.close()
    write_json(folder / "round_000" / "metrics.json", {"allocation": allocation})
    (row,) = pass_table(folder, wanted)
    return row


def values(row):
    return {k: figures["pass"].value for k, figures in row.by_k.items() if "pass" in figures}


def test_samples_of_a_fixed_number_get_the_plain_estimate(tmp_path):
    row = round_of(tmp_path, ["cwww", "ccww"], {"rule": "fixed", "samples_per_task": 4})
    assert (row.num_tasks, row.num_samples) == (2, 8)
    assert values(row)[1] == pytest.approx(3 / 8)
    assert values(row)[2] == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_samples_until_a_success_do_not_count_that_success_against_the_failures(tmp_path):
    """Until 2 are correct, stopped at n = 4: pass@1 = 1 - C(2, 1) / C(3, 1) = 1/3, and not 2/4."""
    rule = {"rule": "until", "accepted_per_task": 2, "cap": 100, "give_up": [100, 100]}
    row = round_of(tmp_path, ["wcwc"], rule)
    assert values(row)[1] == pytest.approx(1 / 3)
    assert row.rule == "until"


def test_a_budget_has_no_estimate_and_says_so(tmp_path):
    row = round_of(tmp_path, ["cwww"], {"rule": "budget"})
    assert (values(row), row.rule) == ({}, "budget")


def test_undecided_samples_are_counted_apart(tmp_path):
    row = round_of(tmp_path, ["cuw"], {"rule": "fixed"})
    assert row.num_undecided == 1
    assert values(row)[1] == pytest.approx(1 / 2)
    figure = row.by_k[1]["pass"]
    assert (figure.least, figure.most) == pytest.approx((1 / 3, 2 / 3))
    assert figure.low < figure.value < figure.high


def test_undecided_samples_bound_the_estimate_of_a_rule_too(tmp_path):
    rule = {"rule": "until", "accepted_per_task": 2, "cap": 4, "give_up": [4, 4]}
    figure = round_of(tmp_path, ["wucw", "wwcc"], rule).by_k[1]["pass"]
    assert figure.least < figure.value < figure.most


def test_votes_and_scores_and_an_erring_verifier_have_their_figures(tmp_path):
    wanted = Wanted((1, 3), majority=True, best_of=True, false_accept=0.1, false_reject=0.05)
    row = round_of(tmp_path, ["cwwcw", "ccwuw"], {"rule": "fixed"}, wanted)
    answers, right = ["7", "1", "0", "7", "0"], [1, 0, 0, 1, 0]
    other, correct = ["7", "7", "0", "0"], [1, 1, 0, 0]  # without the undecided one
    for k in (1, 3):
        figures = {name: figure.value for name, figure in row.by_k[k].items()}
        assert figures["majority"] == pytest.approx(
            (majority_at_k(answers, right, k) + majority_at_k(other, correct, k)) / 2
        )
        assert figures["best-of"] == pytest.approx(
            (best_of_k(right, [0, -1, -2, -3, -4], k) + best_of_k(correct, [0, -1, -2, -4], k)) / 2
        )
        assert figures["right"] == pytest.approx(right_at_k([5, 4], [2, 2], k, 0.1, 0.05).mean())
    assert 0 < row.cap < 1
    assert all(figure.value <= row.cap + 0.02 for figure in (row.by_k[k]["right"] for k in (1, 3)))


def test_what_happened_in_a_program_is_no_vote(tmp_path):
    row = round_of(tmp_path, ["cwww"], {"rule": "fixed"}, Wanted((1,), majority=True), verifier="programs@1")
    assert set(row.by_k[1]) == {"pass"}


def test_k_beyond_the_samples_is_forecast_where_asked_for(tmp_path):
    row = round_of(tmp_path, ["cwww", "wwww", "ccww"] * 8, {"rule": "fixed"}, Wanted((2, 64), forecast=True))
    assert not row.by_k[2]["pass"].is_forecast
    ahead = row.by_k[64]["pass"]
    assert ahead.is_forecast and row.by_k[2]["pass"].value < ahead.value <= ahead.high


def test_a_table_shows_every_figure_that_was_asked_for(tmp_path):
    wanted = Wanted((1, 9), majority=True, false_accept=0.1)
    row = round_of(tmp_path, ["cwwc", "ccuw"], {"rule": "fixed"}, wanted)
    console = Console(width=200, record=True, file=StringIO())
    console.print(in_table([row], wanted))
    text = console.export_text()
    for shown in (
        "majority@k",
        "right@k",
        f"{row.by_k[1]['pass'].value:.4f} [",
        "undecided wrong, correct",
        f"cannot pass {row.cap:.4f}",
    ):
        assert shown in text
    assert "│ 9 │ - " in text


def test_rates_of_a_verifier_that_cannot_be_are_named():
    with pytest.raises(UserError, match="accept rate of 0.9"):
        Wanted(false_accept=0.9, false_reject=0.2)


def test_best_of_k_needs_log_probabilities_and_says_so(tmp_path):
    (tmp_path / "graded.jsonl").write_text(json.dumps({"task_id": "a", "outcome": "correct"}))
    with pytest.raises(UserError, match="line 1: best-of-k needs"):
        list(pass_table(tmp_path / "graded.jsonl", Wanted(best_of=True)))


def test_counts_by_the_fast_reader_are_those_of_the_whole_rows(tmp_path):
    round_of(tmp_path, ["cuw", "ccc"], {"rule": "fixed"})
    journal = tmp_path / "round_000" / "journal"
    fast, whole = read_samples(journal), read_samples(journal, SAMPLING_COLUMNS)
    for table in (fast, whole):
        assert table.task_ids == ["0", "1"]
        assert table.num_decided.tolist() == [2, 3] and table.num_undecided.tolist() == [1, 0]
        assert table.num_correct.tolist() == [1, 3] and table.completion_tokens.tolist() == [1] * 6
    metrics = sampling_metrics(whole, {})
    assert (
        metrics["num_correct"],
        metrics["num_undecided"],
        metrics["completion_tokens"],
        metrics["verifier_seconds"],
    ) == (4, 1, 6, 3.0)
