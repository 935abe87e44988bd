"""Small models from random weights, saved in Hugging Face form so that every engine loads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHARACTERS = "0123456789+-*/=()<>[]{}.,:; abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\n"


def create_model(
    folder: str | Path,
    *,
    characters: str = "0123456789+=",
    hidden_size: int = 64,
    num_layers: int = 3,
    num_heads: int = 2,
    max_length: int = 128,
    initializer_range: float = 0.02,
    layers: Sequence[str] = (),
    seed: int = 0,
) -> Path:
    """Save a model with random weights and its character tokenizer in `folder`, and return the folder.

    The vocabulary is one token a character, the answer marker `####`, and begin, end and padding tokens. It is a Llama; with
    `layers`, an LFM2 of these (conv: each token sees the two before it; full_attention) in place of num_layers. Its attention
    knows no positions, since linear scaling stops its rotation: what it learns of short texts can hold in longer ones (NoPE,
    Kazemnejad et al. 2023, arXiv 2305.19466).
    """
    import torch
    from transformers import AutoModelForCausalLM, Lfm2Config, LlamaConfig, PreTrainedConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    tokenizer = character_tokenizer(characters, max_length)
    keys: dict[str, Any] = dict(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=5 * hidden_size // 2,
        num_hidden_layers=len(layers) or num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads,
        max_position_embeddings=max_length,
        tie_word_embeddings=False,
        initializer_range=initializer_range,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config: PreTrainedConfig
    if layers:
        config = Lfm2Config(
            **keys,
            layer_types=list(layers),
            rope_parameters={"rope_type": "linear", "factor": 1e9, "rope_theta": 1e4},
            conv_L_cache=3,
            block_auto_adjust_ff_dim=False,
        )
    else:
        config = LlamaConfig(**keys)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def character_tokenizer(characters: str, max_length: int):
    """A fast tokenizer with one token a character, and `####` as one token."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<bos>", "<eos>", "<unk>"]
    vocabulary = {token: number for number, token in enumerate([*special, *dict.fromkeys(characters)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_tokens([AddedToken("####", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        model_max_length=max_length,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
