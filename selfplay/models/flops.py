"""Floating-point operations of a decoder, from its config: 2 a weight and token, and attention.

Counted as in the appendix B of PaLM (Chowdhery et al. 2022) and by torch.utils.flop_counter: one multiplication and one
addition for each weight of a matrix product that a token passes through, of the experts only those that it is sent to;
no look-ups, norms or softmax. A block of attention scores is counted whole, also where a mask hides half of it. What an
engine computes on padding, or computes again, is not counted: these are operations that the model needs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.models.files import count_parameters

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Floats = NDArray[np.float64]

# Layers of grouped-query attention and a gated network or experts of such: what `_of_config` counts.
FAMILIES = {
    "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma", "gemma2", "gemma3_text", "phi3", "olmo2", "smollm3"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decoder:
    """The sizes of a model that its operations depend on."""

    body: int  # weights of all layers that one token passes through
    head: int  # weights of the projection onto the vocabulary
    attention: tuple[tuple[int, int], ...]  # of each layer: heads times their width, and its window in tokens (0: none)
    source: str  # "config", or "parameters" where the architecture is none of FAMILIES

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Decoder":
        """Of what asdict gave, read from JSON."""
        return cls(
            row["body"], row["head"], tuple((width, window) for width, window in row["attention"]), row["source"]
        )

    def sampling(self, prompt: ArrayLike, cached: ArrayLike, completion: ArrayLike) -> Floats:
        """Operations of each sample, from its tokens; entry i of each array is one sample.

        A prompt's tokens that are not cached pass the layers together, the sampled ones one by one but for the last,
        which nothing follows; the head is computed once for each sampled token.
        """
        prompt, cached, completion = (np.asarray(tokens, dtype=float) for tokens in (prompt, cached, completion))
        computed, decoded = prompt - cached, np.maximum(completion - 1, 0)
        total = 2 * self.body * (computed + decoded) + 2 * self.head * completion
        for width, window in self.attention:
            total = total + 4 * width * (
                computed * _within(prompt, window) + _keys_of_decoding(prompt, decoded, window)
            )
        return total

    def training(self, num_tokens: float, context: float, adapter: int = 0) -> float:
        """Operations of training on so many tokens: forward, and twice as much backward (6ND, Kaplan et al. 2020).

        `context` is the length of the sequence in which the average token stands: sum of squares over sum of lengths.
        `adapter`: trained weights, if all others are frozen; the frozen ones then cost 4ND, since the backward pass
        goes through them and changes none. 0: all weights are trained. What gradient checkpointing computes again is
        not counted.
        """
        keys = sum(width * _within(context, window) for width, window in self.attention)
        weights = self.body + self.head
        products = 4 * weights + 6 * adapter if adapter else 6 * weights
        return num_tokens * float(products + 12 * keys)


def decoder_of(model: str) -> Decoder | None:
    """The decoder at a path, or of a hub name whose files are on this machine; None if there is no config."""
    folder = _folder(model)
    if folder is None:
        return None
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError):  # no config of a model, or of an architecture that transformers does not know
        return None
    return decoder_of_config(config, count_parameters(str(folder)))


def decoder_of_config(config: "PretrainedConfig", num_parameters: int = 0) -> Decoder | None:
    """As decoder_of; `num_parameters` counts if the architecture is another; 0: unknown."""
    text = config.get_text_config()
    if text.model_type in FAMILIES:
        return _of_config(text)
    if not num_parameters:
        return None
    return Decoder(num_parameters, 0, ((text.hidden_size, 0),) * text.num_hidden_layers, "parameters")


def _of_config(config: Any) -> Decoder:
    hidden, heads = config.hidden_size, config.num_attention_heads
    head_width = getattr(config, "head_dim", None) or hidden // heads
    width, key_width = heads * head_width, (config.num_key_value_heads or heads) * head_width
    projections = hidden * (2 * width + 2 * key_width)
    layers = range(config.num_hidden_layers)
    networks = sum(_network(config, layer) for layer in layers)
    attention = tuple((width, _window(config, layer)) for layer in layers)
    return Decoder(len(layers) * projections + networks, hidden * config.vocab_size, attention, "config")


def _network(config: Any, layer: int) -> int:
    """Weights of a layer's gated network that one token passes through: three matrices, of each expert it is sent to."""
    hidden = config.hidden_size
    num_experts = getattr(config, "num_experts", None) or getattr(config, "num_local_experts", None)
    dense = layer in (getattr(config, "mlp_only_layers", None) or ()) or (layer + 1) % (
        getattr(config, "decoder_sparse_step", None) or 1
    )
    if not num_experts or dense:
        return 3 * hidden * config.intermediate_size
    expert = 3 * hidden * (getattr(config, "moe_intermediate_size", None) or config.intermediate_size)
    shared = getattr(config, "shared_expert_intermediate_size", None)
    router = hidden * num_experts + (hidden if shared else 0)
    return router + config.num_experts_per_tok * expert + 3 * hidden * (shared or 0)


def _window(config: Any, layer: int) -> int:
    kinds = getattr(config, "layer_types", None)
    if kinds and kinds[layer] == "full_attention":
        return 0
    return getattr(config, "sliding_window", None) or 0


def _within(keys: Any, window: int) -> Any:
    return np.minimum(keys, window) if window else keys


def _keys_of_decoding(prompt: Floats, decoded: Floats, window: int) -> Floats:
    """Keys seen by the decoded tokens together: prompt + 1, prompt + 2, ..., each at most the window."""
    growing = np.clip(window - prompt, 0, decoded) if window else decoded
    return growing * prompt + growing * (growing + 1) / 2 + (decoded - growing) * window


def _folder(model: str) -> Path | None:
    if not model or Path(model).is_dir():
        return Path(model) if model else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(model, "config.json")
    except HFValidationError:  # a server's name for a model
        return None
    return Path(config).parent if isinstance(config, str) else None
