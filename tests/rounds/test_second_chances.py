"""Second chances of a round: what is sampled once more, what is trained on, and what no pass@k counts."""

import json

import pytest

from selfplay.driver.executor import Executor
from selfplay.driver.pool import WorkerPool
from selfplay.driver.workers import SamplerWorker
from selfplay.journal.samples import read_samples
from selfplay.layout import METRICS
from selfplay.records import Sample
from selfplay.rounds.data import Round
from selfplay.rounds.round import play
from selfplay.shards.files import read_shards
from selfplay.storage import read_json
from selfplay.training.start import RoundModels
from selfplay.training.step import examples_of
from tests.factories import quietly, recipe_of

HELPED = "3 * 14 = 42 pens, 42 - 6 = 36 are left.\n#### 36"
TOLD = "The hint says 36: 3 * 14 = 42, 42 - 6 = 36.\n#### 36"
PROMPTS = {"pens": "Ann has 3 boxes of 14 pens and gives 6 away. How many are left?", "easy": "What is 3 * 12? Say 36."}
RIGHT, WRONG = "```python\ndef double(x):\n    return 2 * x\n```", "```python\ndef double(x):\n    return x\n```"


class Answering:
    """An engine that solves "pens" only with a hint, and the program only when it is told what is wrong."""

    async def sample(self, request):
        for index, seed in zip(request.indices, request.seeds, strict=True):
            text = self.answer(request.prompt, index)
            yield Sample(request.task_id, index, text, "stop", 8, 0, len(text), (), -1.0, seed, "answering")

    def answer(self, prompt, index):
        last = prompt[-1]["content"]
        if "double" in prompt[0]["content"]:
            return RIGHT if len(prompt) == 5 else WRONG + f" # try {len(prompt)}"
        if "The answer is 36" in last:
            return (HELPED, TOLD, "#### 36", "#### 35")[index]
        return "3 * 12 = 36\n#### 36" if "3 * 12" in last else "14 - 6 = 8\n#### 8"

    async def load(self, model):
        pass

    async def close(self):
        pass


@pytest.fixture
def tasks_file(tmp_path):
    rows = [{"prompt": prompt, "answer": "36"} for prompt in PROMPTS.values()]
    program = {"prompt": "Write double(x).", "reference": {"kind": "assert_tests", "code": "assert double(2) == 4"}}
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, program]))
    return path


def played(tmp_path, tasks_file, **options):
    recipe = recipe_of(
        tasks={"source": "files", "path": str(tasks_file)},
        allocation={"samples_per_task": 2},
        second_chances={"hinted_samples": 4, "repair_turns": 2} | options,
        ray={"address": "none"},
        sampling={"max_tokens": 64},
    )
    models = RoundModels("answering", "answering", "answering")
    round = Round(recipe, tmp_path / "run", 0)
    round.folder.mkdir(parents=True)

    async def start(number):
        return SamplerWorker(Answering())

    with Executor(recipe.sampling, recipe.verification, recipe.ray) as executor:
        executor._samplers = WorkerPool("sampler", start, 1, 8)
        play(round, models, executor, quietly())
    return round


def test_unsolved_tasks_are_solved_with_help_and_learnt_without_it(tmp_path, tasks_file):
    round = played(tmp_path, tasks_file)
    rows = {row["selection"]: row for row in read_shards(round.folder, "mixed")}
    assert set(rows) == {"rationalized", "repaired"}
    assert rows["rationalized"]["completion"] == HELPED
    assert [message["content"] for message in rows["rationalized"]["prompt"]] == [PROMPTS["pens"]]
    assert rows["repaired"]["completion"] == RIGHT and len(rows["repaired"]["prompt"]) == 1
    assert rows["repaired"]["metadata"]["repair_turns"] == 2
    assert rows["repaired"]["metadata"]["repair_tokens"] == len(RIGHT) + len(WRONG) + len(" # try 3")
    samples = read_samples(round.journal)
    assert len(samples) == 6 and int(samples.num_correct.sum()) == 2  # the hinted and repaired ones count nowhere
    figures = read_json(round.folder / METRICS)["second_chances"]
    assert figures["hints"]["reasons"] == {"accepted": 1, "mentions_hint": 1, "steps_do_not_lead": 1, "wrong": 1}
    assert (figures["repair_1"]["num_solved"], figures["repair_2"]["num_solved"]) == (0, 1)
    assert [shard.kind for shard in round.make_shards(tmp_path / "again")[0]].count("mixed") == 1


def test_a_repaired_program_may_be_learnt_as_the_end_of_its_conversation(tmp_path, tasks_file):
    round = played(tmp_path, tasks_file, hinted_samples=0, repair_as="conversation")
    (row,) = read_shards(round.folder, "mixed")
    assert [message["role"] for message in row["prompt"]] == ["user", "assistant"] * 2 + ["user"]
    recipe = recipe_of(second_chances={}, training={})
    learnt = [example.completion for example in examples_of(recipe, round.shards)]
    assert RIGHT in learnt and HELPED not in learnt


def test_a_recipe_without_second_chances_keeps_its_digest():
    assert recipe_of().digest == recipe_of(second_chances=None).digest != recipe_of(second_chances={}).digest
