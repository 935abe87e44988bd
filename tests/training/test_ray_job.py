"""Training by several processes: real Ray Train workers on CPUs."""

import os

import pytest
import torch
from transformers import AutoModelForCausalLM

from selfplay.driver import cluster
from selfplay.driver.training_place import TrainingPlace, training_place
from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Ray, Sampling, Training
from selfplay.training import ray_job
from selfplay.training.ray_job import RayTrainJob
from selfplay.training.rows import TrainingExample
from selfplay.training.sft import FineTuning
from tests.factories import small_recipe

SUMS = [TrainingExample([{"role": "user", "content": f"{a}+{b}="}], f"####{a + b}") for a in range(7) for b in range(7)]


def test_two_workers_train_the_same_model_as_this_process(tmp_path):
    """tests/benchmarks/training.py kills them too."""
    model = str(create_model(tmp_path / "model", hidden_size=32, num_layers=1, max_length=32))
    settings = Training(steps=30, batch_size=9, micro_batch_size=4, learning_rate=1e-3)  # 9 rows in 16 places
    steps = []
    job = FineTuning(model, tmp_path / "run" / "two", settings, 3, checkpoint_seconds=0)
    try:
        workers = RayTrainJob(Ray(num_samplers=1, num_verifiers=1), TrainingPlace(2))
        two = job.run(SUMS, lambda step, *rest: steps.append(step), workers)
    finally:
        cluster.disconnect()
    one = FineTuning(model, tmp_path / "one", settings, 3).run(SUMS, lambda *progress: None)
    assert steps[-1] == 30
    assert (two.num_workers, one.num_workers) == (2, 1)
    assert two.loss == pytest.approx(one.loss, abs=1e-5) and two.num_tokens == one.num_tokens
    weights = [AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (job.out, tmp_path / "one")]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-4) for name in weights[0])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["two"]


@pytest.mark.parametrize(
    ("ray", "training", "place"),
    [
        ({"address": "none"}, {}, None),
        ({}, {}, None),
        ({}, {"num_workers": 2}, TrainingPlace(2)),
        ({"num_samplers": 8, "sampler_gpus": 1.0}, {}, TrainingPlace(8, 1.0)),
        ({"num_samplers": 8, "sampler_gpus": 0.5}, {}, TrainingPlace(4, 1.0)),
        ({"num_samplers": 8, "sampler_gpus": 1.0}, {"num_workers": 2}, TrainingPlace(2, 1.0)),
        ({"num_samplers": 8, "sampler_gpus": 1.0}, {"gpus_per_worker": 0.0}, None),
    ],
)
def test_a_training_takes_the_gpus_of_the_engines(ray, training, place):
    assert training_place(Ray(**ray), Sampling(), Training(**training)) == place


def test_engines_of_several_gpus_lend_all_of_them():
    parallel = Sampling(engine="vllm", engine_options={"tensor_parallel_size": 4})
    assert training_place(Ray(num_samplers=2, sampler_gpus=1.0), parallel, Training()) == TrainingPlace(8, 1.0)


def test_a_worker_on_a_sleeping_engine_s_gpus_sees_those_of_its_node(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "ACCELERATE_TORCH_DEVICE"):
        monkeypatch.setenv(name, "")
    ray_job._see(["3", "5"], local_rank=1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,5"
    assert os.environ["ACCELERATE_TORCH_DEVICE"] == "cuda:1"


@pytest.mark.parametrize(
    ("training", "words"),
    [({"num_workers": 2}, "needs Ray"), ({"strategy": "fsdp"}, "needs GPUs")],
)
def test_workers_that_cannot_be_are_refused(training, words):
    from selfplay.recipe.consistency import errors

    assert any(words in text for _, text in errors(small_recipe(training=training)))
