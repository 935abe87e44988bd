"""The quickstart's own checkpoint, sampled by a real vLLM engine through the same pipeline."""

from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vllm is not installed")

from selfplay.journal import read_journal
from selfplay.recipe.toml import read_recipe
from selfplay.rounds.run import run
from selfplay.shards.files import read_traces
from selfplay.storage import read_json
from tests.conftest import VLLM_OPTIONS
from tests.factories import quietly

QUICKSTART = Path(__file__).resolve().parents[2] / "runs" / "quickstart.toml"


def small(folder, *more):
    overrides = [
        f"output={folder}",
        "rounds=2",
        "control=false",
        "tasks.num_tasks=40",
        "tasks.operands=[2, 3]",
        "evaluation.tasks.operands=[2, 3]",
        "model.create.num_layers=1",
        "pretraining.steps=60",
        "pretraining.batch_size=32",
        "pretraining.learning_rate=1e-2",
        "training.steps=10",
        "evaluation.tasks.num_tasks=20",
        "evaluation.samples_per_task=4",
        "evaluation.k=[1, 4]",
        'sampling.engine="vllm"',
        "sampling.max_in_flight=64",
        "sampling.logprobs=true",
        *(
            f"sampling.engine_options.{key}={str(value).lower()}"
            for key, value in (VLLM_OPTIONS | {"max_model_len": 64}).items()
        ),
        *more,
    ]
    return read_recipe(QUICKSTART, overrides)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vllm") / "run"
    run(small(folder), quietly())
    return folder


@pytest.mark.timeout(600)
def test_two_rounds_are_sampled_in_an_actor_and_the_second_from_new_weights(finished):
    for index in (0, 1):
        rows = list(read_journal(finished / f"round_00{index}" / "journal"))
        assert len({(sample.task_id, sample.index) for sample, _ in rows}) == len(rows) == 160
        assert all(sample.completion_tokens == len(sample.token_ids) > 0 for sample, _ in rows)
    models = [read_json(finished / f"round_00{index}" / "manifest.json")["model"] for index in (0, 1)]
    assert models[0].endswith("base/model") and models[1].endswith("round_000/model")
    sampled = {sample.model for sample, _ in read_journal(finished / "round_001" / "journal")}
    assert sampled == {models[1]}


def test_vllm_and_transformers_score_the_same_checkpoint_alike(finished, tmp_path):
    """The log-probability that vllm reports is that of the model in transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from selfplay.samplers.prompts import encode_prompt

    folder = finished / "base" / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    for trace, _ in list(read_traces(finished / "round_000" / "shards"))[:20]:
        prompt = encode_prompt(tokenizer, trace.task.prompt)
        ids = torch.tensor([[*prompt, *trace.sample.token_ids]])
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(ids).logits[0, len(prompt) - 1 : -1].float(), -1)
        chosen = logprobs.gather(1, ids[0, len(prompt) :, None]).sum().item()
        assert trace.sample.cumulative_logprob == pytest.approx(chosen, abs=0.02)
