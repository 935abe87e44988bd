"""Tokenizers with chat templates of the forms that models of the field have, over single bytes as tokens."""

from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

ROUNDS = "{% for m in messages %}"


@dataclass(frozen=True)
class ChatFormat:
    template: str
    eos: str
    special: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()  # tokens of their own that are not special, as <think> is in most models
    clean_up: bool = False


FORMATS = {
    # opens the model's thinking, and drops the thinking of finished turns: Qwen3-Thinking, DeepSeek-R1
    "thinking": ChatFormat(
        ROUNDS + "<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}"
        "<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}{% endif %}",
        "<|im_end|>", ("<|im_start|>", "<|endoftext|>"), ("<think>", "</think>"),
    ),
    # ends turns with a token that is not the tokenizer's end of text
    "gemma": ChatFormat(
        "{{ bos_token }}" + ROUNDS + "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        "<eos>", ("<start_of_turn>", "<end_of_turn>"),
    ),
    # writes today's date, and its tokenizer tidies the spaces of decoded texts
    "llama3": ChatFormat(
        "{{ bos_token }}{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
        "<|start_header_id|>system<|end_header_id|>\n\nToday Date: {{ date_string }}\n\n<|eot_id|>" + ROUNDS
        + "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
        "<|end_of_text|>", ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), clean_up=True,
    ),
    # thinks between special tokens: Magistral
    "mistral": ChatFormat(
        "{{ bos_token }}" + ROUNDS + "{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]{% else %}{{ m.content }}{{ eos_token }}"
        "{% endif %}{% endfor %}",
        "</s>", ("[INST]", "[/INST]", "[THINK]", "[/THINK]"),
    ),
    # speaks in channels: gpt-oss
    "harmony": ChatFormat(
        ROUNDS + "<|start|>{{ m.role }}{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>{{ m.content }}"
        "{{ '<|return|>' if loop.last and m.role == 'assistant' else '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        "<|return|>", ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>"),
    ),
    # gives a prompt without a system message one of its own: SmolLM2
    "smollm2": ChatFormat(
        ROUNDS + "{% if loop.first and messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful AI assistant named SmolLM,"
        " trained by Hugging Face<|im_end|>\n{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        "<|im_end|>", ("<|im_start|>", "<|endoftext|>"),
    ),
    # a thinking tag that no list names, which finished turns keep
    "unheard_of": ChatFormat(
        ROUNDS + "<turn {{ m.role }}>{% if m.role == 'assistant' %}<ponder>\n</ponder>\n{% endif %}{{ m.content }}<end>{% endfor %}"
        "{% if add_generation_prompt %}<turn assistant><ponder>\n{% endif %}",
        "<end>", (), ("<ponder>", "</ponder>"),
    ),
}  # fmt: skip


def tokenizer_of(name: str) -> PreTrainedTokenizerFast:
    """One token a byte, and the format's own tokens."""
    form = FORMATS[name]
    specials = ["<pad>", "<s>", form.eos, *form.special]
    vocabulary = {text: number for number, text in enumerate([*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    inner = Tokenizer(models.BPE(vocabulary, []))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens(specials)
    inner.add_tokens(list(form.plain))
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token=form.eos, pad_token="<pad>", chat_template=form.template,
        clean_up_tokenization_spaces=form.clean_up,
        clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output=form.clean_up,
    )  # fmt: skip
