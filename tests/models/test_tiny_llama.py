"""Small models from random weights."""

import torch
from transformers import AutoModelForCausalLM

from selfplay.models.tiny_llama import create_model


def last_logits(folder, ids):
    with torch.inference_mode():
        return AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits[0, -1]


def test_attention_without_positions_does_not_see_the_order_of_what_came_before(tmp_path):
    keys = {"hidden_size": 32, "num_layers": 1, "max_length": 64, "initializer_range": 0.5}
    llama = create_model(tmp_path / "llama", **keys)
    still = create_model(tmp_path / "still", layers=["full_attention"], **keys)
    local = create_model(tmp_path / "local", layers=["conv", "full_attention"], **keys)
    one, other = [1, 5, 6, 7, 8, 9, 4], [1, 6, 5, 7, 8, 9, 4]
    assert torch.allclose(last_logits(still, one), last_logits(still, other), atol=1e-4)
    for folder in (llama, local):
        assert not torch.allclose(last_logits(folder, one), last_logits(folder, other), atol=1e-2)


def test_the_same_seed_makes_the_same_weights(tmp_path):
    folders = [create_model(tmp_path / str(n), layers=["conv", "full_attention"], seed=n // 2) for n in range(3)]
    first, same, other = (last_logits(folder, [1, 5, 6]) for folder in folders)
    assert torch.equal(first, same) and not torch.equal(first, other)
