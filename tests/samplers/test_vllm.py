"""The vllm sampler, on a real engine and a small real model."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from selfplay.driver.workers import SamplerWorker, WorkerLost
from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure
from tasks import UserError
from tests.conftest import MODEL_SHAPE, VLLM_OPTIONS

pytest.importorskip("vllm", reason="vllm is not installed; .ci/run installs its CPU build")

TEMPERATURE = 0.8
SETTINGS = Sampling(engine="vllm", temperature=TEMPERATURE, max_tokens=60, logprobs=True, engine_options=VLLM_OPTIONS)
SEEDS = tuple(2**62 + 977 * number for number in range(8))
LONG = "1+2=3" * 40  # longer than a block of the CPU backend's cache: 128 tokens


def make_request(prompt: str, indices=tuple(range(8)), task_id: str = "t") -> Request:
    return Request(
        task_id, ({"role": "user", "content": prompt},), tuple(indices), tuple(SEEDS[index] for index in indices)
    )


async def draw(sampler, request: Request) -> dict[int, Sample | SampleFailure]:
    return {sample.index: sample async for sample in sampler.sample(request)}


def drawn(samples: dict[int, Sample]) -> dict[int, tuple[int, ...]]:
    return {index: sample.token_ids for index, sample in sorted(samples.items())}


@pytest.fixture(scope="module")
def sampler(small_models, run):
    """An engine on the first of the small models; every test leaves that model in it."""
    from selfplay.samplers.vllm import VllmSampler

    async def make():
        return VllmSampler(SETTINGS, small_models[0])

    sampler = run(make())
    yield sampler
    children = multiprocessing.active_children()
    assert children
    run(sampler.close())
    assert not any(child.is_alive() for child in children)


@pytest.fixture(scope="module")
def references(small_models):
    """The same models in transformers: path to (tokenizer, model)."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return {
        path: SimpleNamespace(
            tokenizer=AutoTokenizer.from_pretrained(path), model=AutoModelForCausalLM.from_pretrained(path)
        )
        for path in small_models
    }


def log_probability(reference, prompt: str, token_ids: tuple[int, ...]) -> float:
    """Nats of the completion at TEMPERATURE, computed by transformers in one pass."""
    import torch

    prompt_ids = reference.tokenizer.encode(prompt)
    ids = torch.tensor([[*prompt_ids, *token_ids]])
    with torch.no_grad():
        logits = reference.model(ids).logits[0, len(prompt_ids) - 1 : -1]
    picked = (logits / TEMPERATURE).log_softmax(-1).gather(1, ids[0, len(prompt_ids) :, None])
    return float(picked.sum())


def test_same_seed_draws_the_same_sample_in_whatever_company(sampler, run):
    whole = run(draw(sampler, make_request("1+2=")))
    assert len(set(drawn(whole).values())) == 8

    async def in_company():
        others = [draw(sampler, make_request(f"{number}=", task_id="other")) for number in range(9)]
        return (await asyncio.gather(draw(sampler, make_request("1+2=", (5, 2))), *others))[0]

    assert drawn(run(in_company())) == {index: whole[index].token_ids for index in (2, 5)}


def test_sample_tells_what_was_drawn(sampler, run, references):
    reference = references[sampler.model]
    samples = run(draw(sampler, make_request("1+2=")))
    for index, sample in samples.items():
        assert (sample.task_id, sample.index, sample.seed, sample.model) == ("t", index, SEEDS[index], sampler.model)
        assert sample.text == reference.tokenizer.decode(sample.token_ids, skip_special_tokens=True)
        assert sample.prompt_tokens == len("1+2=") + 1
        assert sample.completion_tokens == len(sample.token_ids) <= SETTINGS.max_tokens
        ended = sample.token_ids[-1] == reference.tokenizer.eos_token_id
        assert sample.finish_reason == ("stop" if ended else "length")


def test_cumulative_logprob_is_of_the_distribution_sampled_from(sampler, run, references):
    for sample in run(draw(sampler, make_request("1+2="))).values():
        expected = log_probability(references[sampler.model], "1+2=", sample.token_ids)
        assert sample.cumulative_logprob == pytest.approx(expected, abs=2e-3)


def test_sample_comes_out_while_its_siblings_still_run(sampler, run):
    async def unfinished() -> list[int]:
        return [sampler._engine.get_num_unfinished_requests() async for _ in sampler.sample(make_request("1+2="))]

    counts = run(unfinished())
    assert counts[0] > 0 and counts[-1] == 0


def test_prompt_is_computed_once_for_all_samples_of_a_request(sampler, run):
    cached = sorted(sample.cached_tokens for sample in run(draw(sampler, make_request(LONG))).values())
    assert cached == [0] + 7 * [128]


def test_prompt_that_is_too_long_fails_alone(sampler, run):
    async def both():
        return await asyncio.gather(
            draw(sampler, make_request("1" * 300, (0, 1))), draw(sampler, make_request("1+2=", (0, 1)))
        )

    failed, fine = run(both())
    assert all(isinstance(failure, SampleFailure) for failure in failed.values())
    assert all("301" in failure.error for failure in failed.values())  # 300 characters and <bos>
    assert all(isinstance(sample, Sample) for sample in fine.values())


def test_whoever_stops_listening_leaves_nothing_running(sampler, run):
    async def leave_after_one() -> int:
        samples = sampler.sample(make_request("1+2="))
        await anext(samples)
        await samples.aclose()
        return sampler._engine.get_num_unfinished_requests()

    assert run(leave_after_one()) == 0


def test_new_weights_replace_the_old_in_the_same_engine(sampler, run, references, small_models):
    first, second = small_models
    processes = {child.pid for child in multiprocessing.active_children()}
    before = run(draw(sampler, make_request(LONG)))
    run(sampler.load(second))
    after = run(draw(sampler, make_request(LONG)))
    assert {child.pid for child in multiprocessing.active_children()} == processes
    assert drawn(after) != drawn(before)
    for sample in after.values():
        assert sample.model == second
        # a cache that still held the old weights' keys and values would show here
        expected = log_probability(references[second], LONG, sample.token_ids)
        assert sample.cumulative_logprob == pytest.approx(expected, abs=2e-3)
    run(sampler.load(first))
    assert drawn(run(draw(sampler, make_request(LONG)))) == drawn(before)


@pytest.mark.parametrize(
    ("shape", "what"), [({"hidden_size": 128}, "architecture"), ({"characters": "9876543210+="}, "tokenizer")]
)
def test_weights_that_do_not_fit_ask_for_another_engine_and_leave_this_one_as_it_was(
    sampler, run, tmp_path, shape, what
):
    other = str(create_model(tmp_path, **MODEL_SHAPE | shape))
    before = run(draw(sampler, make_request("1+2=")))
    with pytest.raises(WorkerLost, match=f"another {what}"):
        run(SamplerWorker(sampler).load(other))
    assert drawn(run(draw(sampler, make_request("1+2=")))) == drawn(before)


def test_new_weights_wait_for_the_samples_in_flight(sampler, run, small_models):
    first, second = small_models

    async def load_in_the_middle():
        stream = sampler.sample(make_request("1+2="))
        early = [await anext(stream)]
        loading = asyncio.create_task(sampler.load(second))
        await asyncio.sleep(0)
        late = asyncio.create_task(draw(sampler, make_request("1+2=")))
        early += [sample async for sample in stream]
        await loading
        return {sample.index: sample for sample in early}, await late

    whole = run(draw(sampler, make_request("1+2=")))
    early, late = run(load_in_the_middle())
    assert {sample.model for sample in early.values()} == {first} and drawn(early) == drawn(whole)
    assert {sample.model for sample in late.values()} == {second} and drawn(late) != drawn(whole)
    run(sampler.load(first))


def test_actor_holds_an_engine_and_tells_when_it_dies(run, small_models):
    from selfplay.driver import cluster
    from selfplay.driver import ray_workers as actors
    from selfplay.driver.workers import WorkerLost
    from selfplay.recipe.sections import Ray

    settings = Ray(num_samplers=1, num_verifiers=1)

    async def life():
        worker = await actors.start_sampler(settings, SETTINGS, small_models[0])
        await worker.submit([make_request("1+2=")])
        samples: list[Sample] = []
        while len(samples) < 8:
            samples += await worker.collect()
        engine = _children(await worker.actor.process_id.remote(), "VLLM::EngineCore")
        os.kill(engine[0], 9)
        await worker.submit([make_request("1+2=")])
        with pytest.raises(WorkerLost):
            while True:
                await worker.collect()
        await worker.close()
        return samples

    cluster.connect(settings)
    try:
        samples = run(life())
    finally:
        cluster.disconnect()
    assert sorted(sample.index for sample in samples) == list(range(8))


def test_engine_option_that_vllm_does_not_know_is_a_user_error(small_models):
    from selfplay.samplers.vllm import VllmSampler

    with pytest.raises(UserError, match="engine_options.*gpu_memory"):
        VllmSampler(Sampling(engine="vllm", engine_options={"gpu_memory": 0.9}), small_models[0])


KILLED = """
import multiprocessing, os, sys, threading, time
from selfplay.recipe.sections import Sampling
from selfplay.samplers.vllm import VllmSampler

def kill_while_it_loads():
    while not multiprocessing.active_children():
        time.sleep(0.05)
    for child in multiprocessing.active_children():
        print(f"engine {child.pid}", flush=True)
    time.sleep(1)
    os.kill(os.getpid(), 9)

if __name__ == "__main__":
    threading.Thread(target=kill_while_it_loads).start()
    VllmSampler(Sampling(engine="vllm", engine_options=eval(sys.argv[2])), sys.argv[1])
    print("up", flush=True)
    time.sleep(60)
"""


def test_killed_process_takes_its_engine_along_even_while_it_loads(small_models, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), small_models[0], repr(VLLM_OPTIONS)]
    with open(tmp_path / "out", "w+") as out:
        assert subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL).returncode == -9
        out.seek(0)
        printed = out.read().splitlines()
    assert "up" not in printed
    engines = [int(line.removeprefix("engine ")) for line in printed if line.startswith("engine ")]
    assert engines
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(_alive, engines)):
        time.sleep(0.1)
    assert not any(map(_alive, engines))


def _status(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return {}


def _alive(pid: int) -> bool:
    return _status(pid).get("State", "Z")[0] != "Z"


def _children(parent: int, name: str) -> list[int]:
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    statuses = {pid: _status(pid) for pid in pids}
    return [
        pid for pid, status in statuses.items()
        if status.get("PPid") == str(parent) and name.startswith(status.get("Name", "?"))
    ]  # fmt: skip
