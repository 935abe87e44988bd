"""The table of samples holds what the rows say, whatever their order, in a few bytes each."""

import random
from collections import Counter

import numpy as np
import pytest

from selfplay.journal import Journal
from selfplay.journal.samples import NO_VOTE, SampleTable, hash_of, read_samples
from selfplay.records import OUTCOME_CODES, OUTCOMES, Sample
from verifiers import Outcome, Reason, Verdict

ALL = (
    "prompt_tokens",
    "cached_tokens",
    "text",
    "answer",
    "logprob",
    "seconds",
    "reason",
    "verifier",
    "model",
    "finish_reason",
)
REASONS = (Reason.MATCH, Reason.MISMATCH, Reason.NO_ANSWER, Reason.CHECKER_TIMEOUT)


@pytest.fixture(scope="module")
def rows():
    """400 samples of 50 tasks by three models, in no order."""
    rng = random.Random(0)
    made = []
    for number in range(400):
        task_id, index = f"task{number % 50}", number // 50
        logprob = None if number % 7 == 0 else -rng.random()
        text = f"text {rng.randrange(9)}" + " " * rng.randrange(3)
        tokens = (rng.randrange(50), rng.randrange(5), rng.randrange(300))
        sample = Sample(
            task_id, index, text, rng.choice(["stop", "length"]), *tokens, (1, 2), logprob, 1, f"m{number % 3}"
        )
        verifier = rng.choice(["math@1", "programs@1+bubblewrap"])
        made.append((sample, Verdict.of(rng.choice(REASONS), rng.choice(["", "7", "8"]), 0.5, verifier)))
    rng.shuffle(made)
    return made


@pytest.fixture(scope="module")
def journal(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("journal")
    writer = Journal(folder)
    for sample, verdict in rows:
        writer.append(sample, verdict)
    writer.close()
    return folder


def test_every_column_holds_what_the_rows_say_by_task_and_index(rows, journal):
    table = read_samples(journal, ALL)
    order = list(dict.fromkeys(sample.task_id for sample, _ in rows))
    ordered = sorted(rows, key=lambda row: (order.index(row[0].task_id), row[0].index))
    assert table.task_ids == order and len(table) == 400 and table.num_tasks == 50
    assert [order[place] for place in table.task] == [sample.task_id for sample, _ in ordered]
    assert [OUTCOMES[code] for code in table.outcome] == [verdict.outcome for _, verdict in ordered]
    for name in ("prompt_tokens", "cached_tokens", "completion_tokens"):
        assert getattr(table, name).tolist() == [getattr(sample, name) for sample, _ in ordered]
    assert table.text.tolist() == [hash_of(sample.text) for sample, _ in ordered]
    assert [None if np.isnan(nats) else nats for nats in table.logprob] == [s.cumulative_logprob for s, _ in ordered]
    for name, of in (("model", 0), ("finish_reason", 0), ("reason", 1), ("verifier", 1)):
        column = getattr(table, name)
        assert [column.names[code] for code in column.codes] == [getattr(row[of], name) for row in ordered]
        assert column.counts() == dict(Counter(getattr(row[of], name) for row in ordered))
    votes = [(verdict.answer and hash(verdict.answer)) or 0 for _, verdict in ordered]
    is_program = [verdict.verifier.startswith("programs") for _, verdict in ordered]
    assert table.answer.tolist() == [NO_VOTE if of else vote for of, vote in zip(is_program, votes, strict=True)]


def test_counts_of_tasks_add_up(rows, journal):
    table = read_samples(journal)
    counts = Counter((sample.task_id, verdict.outcome) for sample, verdict in rows)
    for column, outcome in ((table.num_correct, Outcome.CORRECT), (table.num_undecided, Outcome.UNDECIDED)):
        assert column.tolist() == [counts[task_id, outcome] for task_id in table.task_ids]
    assert (table.num_decided + table.num_undecided == 8).all()
    assert [len(run) for run in table.runs()] == [8] * 50


def test_a_column_that_was_not_asked_for_is_no_column_of_zeros(journal):
    with pytest.raises(IndexError):
        read_samples(journal).text[3]
    with pytest.raises(IndexError):
        read_samples(journal, ("text",)).answer[read_samples(journal).correct]


def test_a_sample_takes_a_few_bytes(journal):
    def size(table: SampleTable) -> float:
        columns = [getattr(value, "codes", value) for value in vars(table).values()]
        return sum(column.nbytes for column in columns if isinstance(column, np.ndarray)) / len(table)

    assert size(read_samples(journal)) == 9
    assert size(read_samples(journal, ALL)) == 9 + 4 * 2 + 8 * 3 + 4 + 4 * 1


def test_each_outcome_has_one_code():
    assert [OUTCOME_CODES[outcome] for outcome in OUTCOMES] == [0, 1, 2] and set(OUTCOMES) == set(Outcome)


def test_an_empty_journal_is_an_empty_table(tmp_path):
    table = read_samples(tmp_path, ALL)
    assert len(table) == table.num_tasks == 0 and table.num_correct.tolist() == [] == table.runs()
