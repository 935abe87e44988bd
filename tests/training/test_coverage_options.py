"""Options against a model that narrows: an average with the start model, and hard tasks that count more."""

from collections import Counter

import torch
from transformers import AutoModelForCausalLM

from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Training
from selfplay.training.rows import TrainingExample
from selfplay.training.sft import FineTuning
from selfplay.training.step import examples_of
from tests.factories import arithmetic_traces, made_run, recipe_of


def test_the_saved_weights_are_an_average_with_those_of_the_start(tmp_path):
    model = str(create_model(tmp_path / "model", hidden_size=32, num_layers=1, max_length=32))
    rows = [TrainingExample([{"role": "user", "content": "3+4="}], "####7")] * 4
    saved = {}
    for share in (0.0, 0.25):
        settings = Training(steps=3, batch_size=4, learning_rate=1e-2, start_share=share)
        FineTuning(model, tmp_path / str(share), settings, 0).run(rows, lambda *progress: None)
        saved[share] = AutoModelForCausalLM.from_pretrained(tmp_path / str(share)).state_dict()
    start = AutoModelForCausalLM.from_pretrained(model).state_dict()
    for name, weight in saved[0.25].items():
        assert torch.allclose(weight, 0.75 * saved[0.0][name] + 0.25 * start[name], atol=1e-6)
    assert any(not torch.equal(saved[0.0][name], start[name]) for name in start)


def test_a_trace_of_a_hard_task_is_learnt_as_often_as_the_check_added_bits_to_it(tmp_path):
    """Tasks of five samples with one, two, ... right ones: log2(5), log2(5/2), ... bits."""

    def traces(recipe, index):
        found = []
        for number, trace in enumerate(arithmetic_traces(recipe, index)):
            place, sample = divmod(number, 5)
            keep_right = sample == 0 or place % 2 == 0  # every other task keeps one of its three right samples
            if keep_right or trace.verdict.outcome != "correct":
                found.append(trace)
        return found

    selection = {"max_traces_per_task": 1, "reject": []}
    plain = recipe_of(training={}, selection=selection)
    shards = made_run(tmp_path / "run", plain, traces_of=traces) / "round_000" / "shards"
    hard = recipe_of(training={"repeat_hard": 4}, selection=selection)
    times = Counter(example.prompt[0]["content"] for example in examples_of(hard, shards))
    once = [example.prompt[0]["content"] for example in examples_of(plain, shards)]
    assert set(times) == set(once) and len(once) == len(set(once))
    # 3 of 5 right: 0.7 bits, once; 1 of 3 right: 1.6 bits, twice
    assert Counter(times.values()) == {1: 15, 2: 15}
