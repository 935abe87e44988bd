"""The journal: every sample with its verdict, append-only and safe against a kill.

journal.py       the file: its writer and its readers
group_commit.py  forces many rows to the disk at once, beside the event loop
index.py         compact indexes for resuming a run
by_task.py       the rows of a round as traces, task by task
samples.py       the rows as columns, from which figures are counted
"""

from selfplay.journal.journal import Journal, read_journal, read_rows

__all__ = ["Journal", "read_journal", "read_rows"]
