"""Prompts as a model sees them, with and without a chat template."""

import pytest

from selfplay.models.tiny_llama import character_tokenizer
from selfplay.samplers.prompts import encode_prompt, render_prompt
from tasks import UserError

TEMPLATE = """{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system
role here') }}{% endif %}({{ message.content }}){% endfor %}{% if add_generation_prompt %}={% endif %}"""
SUM = ({"role": "user", "content": "1+2"},)


def tokenizer(template: str | None = None):
    tokenizer = character_tokenizer("0123456789+=()\n", 64)
    tokenizer.chat_template = template
    return tokenizer


def test_base_model_continues_the_bare_text():
    assert render_prompt(tokenizer(), ({"role": "system", "content": "add"}, *SUM)) == "add\n1+2"


def test_chat_template_opens_the_turn_of_the_assistant():
    assert render_prompt(tokenizer(TEMPLATE), SUM) == "<bos>(1+2)="


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_prompt_begins_with_one_bos_token(template):
    ids = encode_prompt(tokenizer(template), SUM)
    assert [ids.index(tokenizer().bos_token_id), ids.count(tokenizer().bos_token_id)] == [0, 1]


def test_half_of_a_surrogate_pair_reads_as_an_unknown_character():
    halves, unknown = (({"role": "user", "content": f"1{text}+2\U0001f600"},) for text in ("\ud83d", "\ufffd"))
    assert encode_prompt(tokenizer(), halves) == encode_prompt(tokenizer(), unknown)


def test_prompt_that_the_template_refuses_is_a_user_error_that_tells_the_roles():
    with pytest.raises(UserError, match="system, user.*no system"):
        render_prompt(tokenizer(TEMPLATE), ({"role": "system", "content": "1"}, *SUM))
