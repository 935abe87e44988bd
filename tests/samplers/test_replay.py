"""The replay engine: stored completions, and rows that hold none."""

import asyncio
import json

import pytest

from selfplay.recipe.sections import Replay, Sampling
from selfplay.records import Request, Sample
from selfplay.samplers.replay import ReplaySampler
from tasks import UserError

ROWS = [
    {"prompt": "1+1=", "completion": "2"},
    {"prompt": "1+2=", "completion": None},
    {"prompt": "1+3=", "completion": ["4", None, 4.0]},
]


def stored(tmp_path, rows=ROWS):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return Sampling(engine="replay", replay=Replay(path=str(tmp_path / "rows.jsonl")))


def draw(settings, prompt, num):
    async def run():
        request = Request("t", ({"role": "user", "content": prompt},), tuple(range(num)), tuple(range(num)))
        return [outcome async for outcome in ReplaySampler(settings).sample(request)]

    return asyncio.run(run())


def test_a_value_that_is_no_text_costs_its_own_sample_and_names_file_row_and_column(tmp_path):
    settings = stored(tmp_path)
    assert [sample.text for sample in draw(settings, "1+1=", 1)] == ["2"]
    (failure,) = draw(settings, "1+2=", 1)
    assert failure.is_final and 'rows.jsonl, row 2: column "completion" holds None' in failure.error
    outcomes = draw(settings, "1+3=", 4)
    assert [isinstance(outcome, Sample) for outcome in outcomes] == [True, False, False, False]
    assert "3 completions are stored" in outcomes[3].error


def test_a_thorough_look_before_the_run_names_each_of_them(tmp_path):
    settings = stored(tmp_path)
    assert list(ReplaySampler.preflight(settings, "", thorough=False)) == []
    errors = list(ReplaySampler.preflight(settings, "", thorough=True))
    assert [error.split(": ")[0].rsplit(" ")[-1] for error in errors] == ["2", "3", "3"]


def test_a_row_that_belongs_to_no_task_is_a_user_error(tmp_path):
    settings = stored(tmp_path, [*ROWS, {"prompt": None, "completion": "5"}])
    with pytest.raises(UserError, match='row 4: column "prompt" holds None'):
        ReplaySampler(settings)
