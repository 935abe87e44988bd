"""Training by DPO and KTO: what they learn from, and that they learn it from the sampled tokens."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Sampling, Training
from selfplay.samplers.turns import load_turn_format
from selfplay.training.rows import LabelledExample, PreferenceExample, TrainingExample, training_row
from selfplay.training.sft import FineTuning
from selfplay.training.step import labelled_of, preferences_of
from tests.factories import made_run, recipe_of


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(create_model(tmp_path_factory.mktemp("model"), hidden_size=32, num_layers=1, max_length=32))


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_the_right_text_becomes_likelier_against_the_wrong_one(model, tmp_path, method):
    encode = AutoTokenizer.from_pretrained(model).encode
    prompt = [{"role": "user", "content": "3+4="}]
    right, wrong = (
        TrainingExample(prompt, "not this text", encode(text, add_special_tokens=False)) for text in ("####7", "####9")
    )
    if method == "dpo":
        examples = [PreferenceExample(right, wrong)] * 6
    else:
        examples = [LabelledExample(right, True), LabelledExample(wrong, False)] * 3
    # 6 rows in 8 places: a step is filled up with rows of its own
    settings = Training(method=method, steps=12, batch_size=6, micro_batch_size=4, learning_rate=3e-3)
    result = FineTuning(model, tmp_path / "out", settings, 0).run(examples, lambda *progress: None)
    assert result.num_steps == 12 and math.isfinite(result.loss)

    def margin(folder):
        """How much likelier the right text is, in nats."""
        network, turns = AutoModelForCausalLM.from_pretrained(folder), load_turn_format(model, Sampling())
        found = []
        for example in (right, wrong):
            row = training_row(turns, example)
            ids = torch.tensor([[*row.prompt, *row.completion]])
            with torch.inference_mode():
                logits = network(ids).logits[0, len(row.prompt) - 1 : -1].log_softmax(-1)
            found.append(logits.gather(1, ids[0, len(row.prompt) :, None]).sum().item())
        return found[0] - found[1]

    assert margin(tmp_path / "out") > margin(model) + 0.1


def test_pairs_and_labels_come_from_the_shards(tmp_path):
    recipe = recipe_of(training={"num_rows": 20}, selection={"max_traces_per_task": 1})
    run = made_run(tmp_path / "run", recipe)
    shards = run / "round_000" / "shards"
    pairs = list(preferences_of(recipe, shards))
    assert len(pairs) == 20
    for pair in pairs:
        assert pair.chosen.prompt == pair.rejected.prompt and pair.chosen.completion != pair.rejected.completion
    labelled = list(labelled_of(recipe, shards))
    assert [example.is_good for example in labelled] == [True, False] * 20
    assert labelled[0].example == pairs[0].chosen and labelled[1].example == pairs[0].rejected
