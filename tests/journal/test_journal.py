"""The journal under cuts, flipped bits, kills and full disks."""

import json
import os
import random
import subprocess
import sys

import pytest

from selfplay.journal import Journal, read_journal
from selfplay.records import Sample
from tasks import UserError
from verifiers import Reason, Verdict

VERDICT = Verdict.of(Reason.MATCH, "12", 0.001, "math@1")


def sample(index, text="3+4=\n####7 ✓"):
    return Sample("task", index, text, "stop", 5, 0, 4, (1, 2, 3), -1.5, 2**62 + 1, "model")


def filled(folder, count):
    journal = Journal(folder)
    for index in range(count):
        journal.append(sample(index), VERDICT)
    journal.close()
    return folder / "samples.jsonl"


def test_what_is_appended_and_committed_is_read_back_the_same(tmp_path):
    filled(tmp_path, 3)
    assert list(read_journal(tmp_path)) == [(sample(index), VERDICT) for index in range(3)]


def test_every_row_is_plain_json(tmp_path):
    rows = [json.loads(line) for line in filled(tmp_path, 3).read_text().splitlines()]
    assert [row["sample"]["index"] for row in rows] == [0, 1, 2]


def test_a_cut_at_any_byte_loses_only_the_torn_row_and_the_next_row_stands_alone(tmp_path):
    whole = filled(tmp_path / "whole", 4).read_bytes()
    rng = random.Random(1)
    for cut in [*rng.sample(range(len(whole)), 60), len(whole)]:
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "samples.jsonl").write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n")
        journal = Journal(folder)
        assert journal.torn_bytes == cut - (whole[:cut].rfind(b"\n") + 1)
        journal.append(sample(9), VERDICT)
        journal.close()
        assert [row.index for row, _ in read_journal(folder)] == [*range(complete), 9]


def test_a_flipped_bit_in_a_row_drops_that_row_and_says_so(tmp_path):
    path = filled(tmp_path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"index":2', b'"index":3')
    path.write_bytes(b"".join(lines))
    damaged = []
    assert [row.index for row, _ in read_journal(tmp_path, damaged)] == [0, 1, 3, 4]
    assert damaged == [3]


def test_a_second_writer_is_refused(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(UserError, match="another process is writing"):
        Journal(tmp_path)
    journal.close()
    Journal(tmp_path).close()


def test_what_commit_acknowledged_survives_a_kill(tmp_path):
    script = f"""
import os, pathlib, sys
sys.path.insert(0, {os.getcwd()!r})
from tests.journal.test_journal import Journal, sample, VERDICT
journal = Journal(pathlib.Path({str(tmp_path)!r}))
for index in range(300):
    journal.append(sample(index), VERDICT)
    if index == 199:
        assert journal.commit() == 200
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert [row.index for row, _ in read_journal(tmp_path)][:200] == list(range(200))


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the journal"):
        Journal(tmp_path / "file" / "journal")


def test_a_full_disk_is_one_clear_error_and_loses_no_acknowledged_row(tmp_path):
    filled(tmp_path, 3)
    journal = Journal(tmp_path)
    full = open("/dev/full", "wb")  # a real device that has no space
    journal._file.close()
    journal._file = full
    journal.append(sample(3), VERDICT)
    for _ in range(2):  # told again to who comes later, though nothing waits to be written
        with pytest.raises(UserError, match="No space left"):
            journal.commit()
    assert len(list(read_journal(tmp_path))) == 3
