"""Several teachers in one run: which one draws a sample, on which engine, and what is recorded of it."""

import asyncio
from collections import Counter

import pytest

from selfplay.driver.executor import _first
from selfplay.driver.plan import SamplingPlan, shares
from selfplay.driver.pool import WorkerPool
from selfplay.driver.workers import SamplerWorker
from selfplay.journal import read_journal
from selfplay.models.files import model_digest
from selfplay.models.flops import decoder_of
from selfplay.models.tiny_llama import create_model
from selfplay.recipe.toml import read_recipe, to_toml
from selfplay.rounds.rebuild import rebuild_shards
from selfplay.rounds.run import run
from selfplay.shards.files import read_rows
from selfplay.shards.integrity import check_shards
from selfplay.storage import read_json
from tasks import UserError
from tests.engines import QueueSampler
from tests.factories import SAMPLED, quietly, small_recipe_file
from tests.passes import play, seed_of, starting


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Two models of different size."""
    folder = tmp_path_factory.mktemp("teachers")
    sizes = {"wide": (32, 1), "deep": (16, 3)}
    return [
        str(create_model(folder / name, hidden_size=width, num_layers=layers, max_length=64))
        for name, (width, layers) in sizes.items()
    ]


@pytest.fixture(scope="module")
def recipe(teachers, tmp_path_factory):
    first, second = teachers
    return small_recipe_file(
        tmp_path_factory.mktemp("recipe"),
        **SAMPLED,
        name="teachers",
        tasks={"operands": None},
        model={"create": None, "teachers": [{"path": first, "weight": 3.0}, {"path": second}]},
        sampling={"max_tokens": 6},
        ray={"num_samplers": 2},
    )


def drawn(folder):
    return {
        (sample.task_id, sample.index): (sample.model, sample.text)
        for sample, _ in read_journal(folder / "round_000" / "journal")
    }


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(read_recipe(recipe, [f"output={folder}"]), quietly())
    return folder


def test_teachers_draw_samples_by_their_weights(finished, teachers):
    counts = Counter(model for model, _ in drawn(finished).values())
    assert set(counts) == set(teachers) and counts.total() == 240
    assert 0.65 < counts[teachers[0]] / 240 < 0.85  # 3 of 4: 0.75, standard deviation 0.028
    told = read_json(finished / "round_000" / "metrics.json")["sampling"]
    assert {name: counts["num_samples"] for name, counts in told["by_model"].items()} == counts
    assert sum(counts["num_correct"] for counts in told["by_model"].values()) == told["num_correct"]


def test_each_row_names_the_teacher_that_drew_it_its_digest_and_its_operations(finished, teachers):
    digests = {teacher: model_digest(teacher) for teacher in teachers}
    decoders = {teacher: decoder_of(teacher) for teacher in teachers}
    rows, total = list(read_rows(finished / "round_000" / "shards")), 0.0
    for row in rows:
        assert row["model_digest"] == digests[row["model"]]
        expected = decoders[row["model"]].sampling(
            [row["prompt_tokens"]], [row["cached_tokens"]], [row["completion_tokens"]]
        )[0]
        assert row["flops"] == expected
        total += expected
    assert len(rows) == 240
    ledger = read_json(finished / "round_000" / "metrics.json")["ledger"]
    assert ledger["flops"]["sampling"] == pytest.approx(total) and ledger["flops"]["counted_from"] == "each teacher"


def test_the_shards_of_several_teachers_are_whole_and_made_again_the_same(finished):
    shards = finished / "round_000" / "shards"
    before = {path.name: path.read_bytes() for path in shards.iterdir()}
    for path in shards.iterdir():
        path.write_bytes(b"x")
    assert len(check_shards(finished)) == len(before) and rebuild_shards(finished) == [] == check_shards(finished)
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == before


STUDENT = """
[model.student]
path = "{student}"
[selection]
verified = false
[training]
steps = 2
batch_size = 4
[evaluation]
samples_per_task = 2
k = [1]
[evaluation.tasks]
source = "arithmetic"
split = "test"
num_tasks = 10
"""


def test_a_student_learns_from_several_teachers_and_is_the_one_that_is_evaluated(recipe, teachers, tmp_path):
    path = tmp_path / "student.toml"
    path.write_text(recipe.read_text() + STUDENT.format(student=teachers[1]))
    run(read_recipe(path, ["name=student"]), quietly())
    folder = tmp_path / "student" / "round_000"
    assert Counter(model for model, _ in drawn(tmp_path / "student").values()).keys() == set(teachers)
    assert {sample.model for sample, _ in read_journal(folder / "evaluation")} == {str(folder / "model")}
    manifest = read_json(folder / "manifest.json")
    assert manifest["model"] == manifest["next_model"] == " + ".join(teachers)  # what the next round samples
    assert manifest["model_digest"].startswith("teachers:")


def test_a_resumed_run_draws_the_same_samples_from_the_same_teachers(recipe, finished, tmp_path):
    whole = drawn(finished)
    half = tmp_path / "half"
    lines = (finished / "round_000" / "journal" / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (half / "round_000" / "journal").mkdir(parents=True)
    (half / "round_000" / "journal" / "samples.jsonl").write_bytes(b"".join(lines[::3]))
    (half / "recipe.toml").write_text((finished / "recipe.toml").read_text())
    run(read_recipe(recipe, [f"output={half}", "ray.num_samplers=3", "ray.samplers_of_teachers=[1, 2]"]), quietly())
    assert drawn(half) == whole


def test_samples_of_a_task_and_teacher_go_in_one_request_to_an_engine_of_its_own(tmp_path):
    class Named(QueueSampler):
        def __init__(self, model):
            super().__init__()
            self.model, self.requests = model, []

        async def sample(self, request):
            self.requests.append(request)
            async for sample in super().sample(request):
                yield sample

    plan = SamplingPlan(("a", "b"), seed_of, (1.0, 2.0), seed_of)
    samplers = [Named(model) for model in ("a", "b", "b")]
    assert plan.engines(3) == ["a", "b", "b"]
    play(tmp_path, starting(samplers.__getitem__), samples=8, num_samplers=3, in_flight=1000, plan=plan)
    for sampler in samplers:
        assert sampler.requests
        for request in sampler.requests:
            assert {plan.model_of(request.task_id, index) for index in request.indices} == {sampler.model}
    asked = Counter((sampler.model, request.task_id) for sampler in samplers for request in sampler.requests)
    assert set(asked.values()) == {1}


def test_while_a_teacher_has_no_engine_its_samples_wait_and_the_others_go_on(tmp_path):
    plan = SamplingPlan(("a", "b"), seed_of, (1.0, 1.0), seed_of)
    others_done = asyncio.Event()
    num_of_a = 0

    class Counted(QueueSampler):
        async def _one(self, request, place):
            nonlocal num_of_a
            sample = await super()._one(request, place)
            num_of_a += 1
            if num_of_a == 50:
                others_done.set()
            return sample

    async def start_worker(number):
        if number == 1:
            await others_done.wait()  # b's machine comes late
        return await starting(lambda number: Counted() if number == 0 else QueueSampler())(number)

    _, rows = play(tmp_path, start_worker, samples=4, num_samplers=2, in_flight=120, plan=plan)
    assert len({(sample.task_id, sample.index) for sample, _ in rows}) == 200


def test_a_teacher_whose_engines_all_die_stops_the_run_with_its_name(tmp_path):
    plan = SamplingPlan(("good-model", "bad-model"), seed_of, (1.0, 1.0), seed_of)

    def make(number):
        sampler = QueueSampler()
        sampler.dies_after = 0 if number == 1 else 10**9
        return sampler

    with pytest.raises(ExceptionGroup) as caught:
        play(tmp_path, starting(make), samples=8, num_samplers=2, plan=plan)
    told = str(_first(caught.value))
    assert "bad-model" in told and "good-model" not in told and "the engine is gone" in told and "on disk" in told


def test_shares_give_everyone_one_and_follow_the_weights():
    assert shares([3, 1], 8) == [6, 2]
    assert shares([100, 1, 1], 4) == [2, 1, 1]
    with pytest.raises(ValueError):
        shares([1, 1], 1)


def test_teachers_survive_the_way_to_the_runs_folder_and_back(recipe, finished):
    assert read_recipe(finished / "recipe.toml").model == read_recipe(recipe).model
    assert to_toml({"a": [{"path": "x", "weight": 1.5}]}) == 'a = [{path = "x", weight = 1.5}]\n'


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("ray.num_samplers=1", "num_samplers = 1 is below the number of teachers, 2"),
        ("ray.samplers_of_teachers=[2, 2]", "needs 2 numbers with the sum of num_samplers, 2"),
        ('model.teachers=[{path = "a", weight = 0}]', "weight = 0"),
        ('model.teachers=[{path = "a", wait = 1}]', 'did you mean "weight"'),
        ('model.path="a/b"', "exactly one of path and create is needed, or"),
    ],
)
def test_impossible_teachers_are_refused(recipe, override, named):
    with pytest.raises(UserError) as caught:
        read_recipe(recipe, [override])
    assert named in str(caught.value)


def test_an_engine_that_cannot_take_other_weights_is_closed_and_made_anew():
    class Rigid(QueueSampler):
        async def load(self, model):
            raise RuntimeError(f"{model} has another architecture")

        async def close(self):
            closed.append(self)

    made, closed = [], []

    async def life():
        async def start_worker(number):
            made.append(pool.models[number])
            return SamplerWorker(Rigid() if number else QueueSampler())

        pool = WorkerPool("sampler", start_worker, 2, 8)
        await pool.load(["a", "a"])
        await pool.start()
        await pool.load(["b", "b"])
        assert len(pool.workers) == 1 and len(closed) == 1
        await pool.start()  # starts the other while the one works
        async with asyncio.timeout(60):
            while len(made) < 3:
                await asyncio.sleep(0.01)
        await pool.close()

    asyncio.run(life())
    assert made == ["a", "a", "b"]
