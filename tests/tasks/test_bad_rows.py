"""Rows of a tasks file that cannot be used: each is named with file, row and cure, and costs itself alone."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import UserError, load
from tasks.sources import load_rows
from tests.bad_rows import BAD, line_of

GOOD = {"prompt": "How many legs have two cats?", "answer": "8"}


def written(folder, *rows):
    path = folder / "tasks.jsonl"
    path.write_bytes(b"".join(line_of(row) + b"\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(("row", "words"), BAD, ids=range(len(BAD)))
def test_a_bad_row_is_named_with_its_cure_and_costs_itself_alone(row, words, tmp_path):
    path, texts = written(tmp_path, GOOD, row, GOOD | {"answer": "9"}), []
    options = {"path": path, "difficulty": "level" if isinstance(row, dict) and "level" in row else ""}
    with pytest.raises(UserError) as raised:
        list(load("files", **options))
    tasks = list(load_rows("files", {**options, "on_bad_row": "skip"}, texts.append))
    assert [task.reference.answer for task in tasks] == ["8", "9"]
    assert texts == [str(raised.value)]
    assert words in texts[0] and texts[0].startswith((f"{path}, row 2", f"{path}, line 2"))


def test_all_bad_rows_of_a_file_are_named_at_once(tmp_path):
    rows = [GOOD, BAD[6][0], GOOD, BAD[7][0], BAD[0][0]]
    with pytest.raises(UserError) as raised:
        list(load("files", path=written(tmp_path, *rows)))
    first, second, third, last = str(raised.value).splitlines()
    assert "row 2 has no" in first and "row 4: column" in second and "line 5: not JSON" in third
    assert last == '3 bad rows; correct them, or leave them out with on_bad_row = "skip"'


def test_as_many_tasks_as_asked_for_are_good_ones(tmp_path):
    path = written(tmp_path, BAD[0][0], GOOD, BAD[6][0], GOOD | {"answer": "9"}, GOOD)
    assert len(list(load("files", path=path, num_tasks=2, on_bad_row="skip"))) == 2


def test_parts_of_text_are_one_content_and_a_byte_order_mark_is_no_part_of_a_row(tmp_path):
    parts = [{"role": "user", "content": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2="}]}]
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line_of({"prompt": parts, "answer": 4}))
    (task,) = load("files", path=str(path))
    assert task.prompt == ({"role": "user", "content": "2+2="},)


def test_values_of_parquet_are_answers_as_they_were_written_or_bad_rows(tmp_path):
    path, texts = str(tmp_path / "tasks.parquet"), []
    columns = {
        "prompt": ["a", "b", "c"],
        "answer": pa.array([0.1, float("nan"), 18.0], pa.float32()),
        "raw": [b"18", b"\xff", b""],
    }
    pq.write_table(pa.table(columns), path)
    tasks = list(load_rows("files", {"path": path, "on_bad_row": "skip"}, texts.append))
    assert [task.reference.answer for task in tasks] == ["0.1", "18.0"]
    assert len(texts) == 1 and "row 2" in texts[0] and "nan" in texts[0]
    with pytest.raises(UserError, match="holds bytes, b'18'; write the answer as text"):
        list(load("files", path=path, answer="raw"))


@pytest.mark.parametrize("content", [b"", b"PAR1", None], ids=["empty", "no Parquet", "cut"])
def test_a_damaged_parquet_file_is_one_clear_error(content, tmp_path):
    path = tmp_path / "tasks.parquet"
    pq.write_table(pa.table({"prompt": ["a"] * 5000, "answer": list(map(str, range(5000)))}), path)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(UserError, match=r"tasks.parquet cannot be read as Parquet .*; write or fetch the file again"):
        list(load("files", path=str(path)))
