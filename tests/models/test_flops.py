"""Operations from a config against those that torch counts while a model of it runs."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM
from transformers.models.auto import CONFIG_MAPPING

from selfplay.models.flops import FAMILIES, decoder_of, decoder_of_config

VOCABULARY = 96
SMALL = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 144, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": None, "attention_dropout": 0.0,
}  # fmt: skip
# What makes a family different from a Llama, in small.
OF_FAMILY = {
    "qwen3": {"head_dim": 32},
    "gemma": {"head_dim": 24},
    "gemma2": {"head_dim": 24},
    "gemma3_text": {"head_dim": 24},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2_moe": {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40, "shared_expert_intermediate_size": 56, "mlp_only_layers": [1]},
    "qwen3_moe": {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40, "head_dim": 32, "decoder_sparse_step": 2},
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """A second core waits longer for such small products than it helps."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config_of(family):
    config = CONFIG_MAPPING[family](**SMALL | OF_FAMILY.get(family, {}))
    config._attn_implementation = "eager"  # torch counts no attention kernel of a CPU, but these products
    config._experts_implementation = "eager"
    return config


def model_of(config):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def counted(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def generate(model, prompt, completion):
    tokens = torch.randint(2, VOCABULARY, (1, prompt))
    with torch.no_grad():
        out = model.generate(tokens, max_new_tokens=completion, min_new_tokens=completion, do_sample=False)
    assert out.shape[1] == prompt + completion


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_prefill_and_decode_are_what_torch_counts(family):
    config = config_of(family)
    model, decoder = model_of(config), decoder_of_config(config)
    for prompt, completion in ((40, 1), (3, 12), (25, 6)):
        truth = counted(lambda prompt=prompt, completion=completion: generate(model, prompt, completion))
        assert decoder.sampling([prompt], [0], [completion])[0] == pytest.approx(truth, rel=0.01)


@pytest.mark.parametrize("family", ["llama", "qwen3", "mixtral"])
def test_training_is_what_torch_counts(family):
    config = config_of(family)
    model, decoder = model_of(config), decoder_of_config(config)
    tokens = torch.randint(2, VOCABULARY, (4, 50))
    truth = counted(lambda: model(input_ids=tokens, labels=tokens).loss.backward())
    assert decoder.training(tokens.numel(), 50) == pytest.approx(truth, rel=0.01)


def test_training_adapters_is_what_torch_counts():
    peft = pytest.importorskip("peft")
    config = config_of("llama")
    decoder = decoder_of_config(config)
    model = peft.get_peft_model(model_of(config), peft.LoraConfig(r=8, target_modules="all-linear"))
    model.enable_input_require_grads()  # as with gradient checkpointing; else the first layer's own inputs need no gradient
    tokens = torch.randint(2, VOCABULARY, (4, 50))
    truth = counted(lambda: model(input_ids=tokens, labels=tokens).loss.backward())
    adapter = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert decoder.training(tokens.numel(), 50, adapter) == pytest.approx(truth, rel=0.01)
    assert truth < 0.9 * decoder.training(tokens.numel(), 50)


def test_cached_tokens_cost_nothing_but_their_keys():
    config = config_of("llama")
    model, decoder = model_of(config), decoder_of_config(config)
    tokens = torch.randint(2, VOCABULARY, (1, 40))
    with torch.no_grad():
        cache = model(tokens[:, :30], use_cache=True).past_key_values
        truth = counted(lambda: model(tokens[:, 30:], past_key_values=cache, logits_to_keep=1))
    assert decoder.sampling([40], [30], [1])[0] == pytest.approx(truth, rel=0.01)


def test_samples_are_counted_one_by_one():
    decoder = decoder_of_config(config_of("llama"))
    together = decoder.sampling([10, 20, 0], [0, 5, 0], [7, 9, 0])
    assert together.tolist() == [decoder.sampling([10], [0], [7])[0], decoder.sampling([20], [5], [9])[0], 0.0]


def test_a_window_bounds_the_keys():
    config = CONFIG_MAPPING["mistral"](**SMALL, sliding_window=16)
    windowed, whole = (
        decoder_of_config(config),
        decoder_of_config(CONFIG_MAPPING["mistral"](**SMALL, sliding_window=None)),
    )
    assert windowed.sampling([8], [0], [8]) == whole.sampling([8], [0], [8])
    layer = 4 * SMALL["hidden_size"]  # operations of one token and key
    keys = 10 * 10 + sum(min(10 + i, 16) for i in range(1, 20))
    without_attention = 2 * windowed.body * (10 + 19) + 2 * windowed.head * 20
    assert windowed.sampling([10], [0], [20])[0] == without_attention + 3 * layer * keys


# (config as published, weights that a token passes through in billions: the published size less the input embedding)
PUBLISHED = {
    "llama-3-8b": ("llama", dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, vocab_size=128256), 8.03 - 0.525),
    "qwen2.5-7b": ("qwen2", dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, vocab_size=152064), 7.62 - 0.545),
    "mixtral-8x7b": ("mixtral", dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, vocab_size=32000, num_local_experts=8, num_experts_per_tok=2), 12.88 - 0.131),
    "qwen3-30b-a3b": ("qwen3_moe", dict(hidden_size=2048, intermediate_size=6144, moe_intermediate_size=768, num_hidden_layers=48, num_attention_heads=32, num_key_value_heads=4, head_dim=128, vocab_size=151936, num_experts=128, num_experts_per_tok=8), 3.35 - 0.311),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_their_published_active_size(name):
    family, settings, billions = PUBLISHED[name]
    decoder = decoder_of_config(CONFIG_MAPPING[family](**settings))
    assert (decoder.body + decoder.head) / 1e9 == pytest.approx(billions, rel=0.01)


def test_another_architecture_counts_by_its_parameters():
    config = CONFIG_MAPPING["gpt2"](n_embd=64, n_layer=2, n_head=4, vocab_size=VOCABULARY)
    decoder = decoder_of_config(config, 1000)
    assert decoder.source == "parameters" and decoder.body == 1000
    assert decoder_of_config(config) is None


def test_a_saved_model_is_read_and_a_servers_name_is_not(small_models):
    assert decoder_of(small_models[0]).source == "config"
    assert (
        decoder_of("http://localhost/a model") is None
        and decoder_of("") is None
        and decoder_of("nobody/has-this") is None
    )
