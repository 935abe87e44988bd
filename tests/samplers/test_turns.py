"""One sequence of tokens: what is sampled, judged and learnt, for chat templates of several forms."""

import pytest

from selfplay.recipe.sections import ChatTemplate
from selfplay.samplers.turns import TurnFormat
from tasks import MathReference
from tests.chat_formats import FORMATS, tokenizer_of
from verifiers import Outcome, verify
from verifiers.games.countdown import final_expression
from verifiers.programs.extraction import extract_program
from verifiers.proofs.extraction import extract_script
from verifiers.thinking import spoken_part

ASKED = ({"role": "user", "content": "How many?"},)
FIVE = MathReference("5")


@pytest.fixture(scope="module")
def turns():
    return {name: TurnFormat(tokenizer_of(name)) for name in FORMATS}


def ids(turns, text):
    return turns.tokenizer.encode(text, add_special_tokens=False)


@pytest.mark.parametrize(
    ("name", "opening"),
    [("thinking", "<think>\n"), ("unheard_of", "<ponder>\n"), ("gemma", ""), ("llama3", ""), ("mistral", ""), ("harmony", ""),
     ("smollm2", "")],
)  # fmt: skip
def test_the_template_itself_tells_whether_a_prompt_opens_thinking(turns, name, opening):
    prompt = turns[name].prompt(ASKED)
    assert prompt.opening == opening and prompt.text.endswith(opening)
    assert (
        prompt.token_ids
        == turns[name].tokenizer.apply_chat_template(list(ASKED), add_generation_prompt=True, return_dict=False)
        or name == "llama3"
    )  # whose date is the recipe's


def test_thinking_that_the_template_closes_itself_is_not_open():
    turns = TurnFormat(tokenizer_of("thinking"), ChatTemplate(kwargs={"enable_thinking": False}))
    assert turns.prompt(ASKED).text.endswith("<think>\n\n</think>\n\n") and turns.prompt(ASKED).opening == ""


def test_a_base_model_s_prompt_may_open_thinking_too():
    tokenizer = tokenizer_of("thinking")
    tokenizer.chat_template = None
    turns = TurnFormat(tokenizer)
    assert turns.prompt([{"role": "user", "content": "1+1?\nAssistant: <think>"}]).opening == "<think>"
    assert turns.prompt([{"role": "user", "content": "What does <think> mean?"}]).opening == ""


@pytest.mark.parametrize(
    ("name", "written", "outcome"),
    [
        ("thinking", "I guess \\boxed{5}, as a first try. The user says ", Outcome.WRONG),  # a stop text cut it here
        ("thinking", "hmm maybe it is \\boxed{5}. But wait", Outcome.WRONG),
        ("thinking", "maybe 4</think>\nIt is \\boxed{5}.<|im_end|>", Outcome.CORRECT),
        ("thinking", "maybe \\boxed{5}</think>\nIt is \\boxed{4}.<|im_end|>", Outcome.WRONG),
        ("unheard_of", "hmm \\boxed{5}", Outcome.WRONG),
        ("unheard_of", "hmm</ponder>\n\\boxed{5}<end>", Outcome.CORRECT),
        ("mistral", "[THINK]maybe 4[/THINK]The answer is 5</s>", Outcome.CORRECT),
        ("mistral", "[THINK]maybe the answer is 5. But wait", Outcome.WRONG),
        ("mistral", "[THINK]maybe 5[/THINK]6</s>", Outcome.WRONG),
        ("harmony", "<|channel|>analysis<|message|>maybe 5<|end|><|start|>assistant<|channel|>final<|message|>6<|return|>",
         Outcome.WRONG),
        ("harmony", "<|channel|>analysis<|message|>maybe 6<|end|><|start|>assistant<|channel|>final<|message|>5<|return|>",
         Outcome.CORRECT),
        ("harmony", "<|channel|>analysis<|message|>The answer is 5.", Outcome.WRONG),
    ],
)  # fmt: skip
def test_an_answer_counts_only_after_the_thinking(turns, name, written, outcome):
    turn = turns[name]
    text = turn.text_of(turn.prompt(ASKED), ids(turn, written))
    assert verify(FIVE, text).outcome is outcome


@pytest.mark.parametrize("name", FORMATS)
def test_decoding_changes_nothing(turns, name):
    turn = turns[name]
    program = "  print( 'a' , 'b' ) ; x = 1 . 5 ? n't 'm\n\té\U0001f600"
    prompt = turn.prompt(ASKED)
    assert turn.text_of(prompt, ids(turn, program)) == prompt.opening + program


def test_special_tokens_are_kept_as_the_recipe_says():
    tokenizer = tokenizer_of("mistral")
    written = "[THINK]a[/THINK][INST]b</s>"
    texts = {}
    for kept in ("reasoning", "all", "none"):
        turn = TurnFormat(tokenizer, special_tokens=kept)
        texts[kept] = turn.text_of(turn.prompt(ASKED), ids(turn, written))
    assert texts == {"reasoning": "[THINK]a[/THINK]b", "all": "[THINK]a[/THINK][INST]b", "none": "ab"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_is_learnt_token_for_token(turns, name):
    turn = turns[name]
    prompt = turn.prompt(ASKED)
    sampled = [*ids(turn, "so it is \\boxed{5}."), turn.end]
    assert turn.turn(ASKED, turn.text_of(prompt, sampled), sampled) == (prompt, sampled)


@pytest.mark.parametrize(
    ("name", "end"),
    [("thinking", "<|im_end|>"), ("gemma", "<end_of_turn>"), ("llama3", "<|eot_id|>"), ("mistral", "</s>"), ("harmony", "<|return|>")],
)  # fmt: skip
def test_a_turn_ends_with_the_template_s_own_end_token_and_with_one_only(turns, name, end):
    turn = turns[name]
    assert turn.turn(ASKED, "a</think>b")[1][-1] == turn.tokenizer.convert_tokens_to_ids(end)
    for token in turn.ends:
        sampled = [*ids(turn, "</think>b"), token]
        assert turn.turn(ASKED, "b", sampled)[1] == sampled
    assert {turn.end, turn.tokenizer.eos_token_id} <= turn.ends


def test_a_stop_text_is_cut_off_the_tokens_and_the_end_is_learnt_in_its_place(turns):
    turn = turns["gemma"]
    sampled = ids(turn, "It is 5.\nQuestion: and then")
    text = turn.text_of(turn.prompt(ASKED), sampled, ["\nQuestion:"])
    assert text == "It is 5."
    assert turn.turn(ASKED, text, sampled)[1] == [*ids(turn, "It is 5."), turn.end]


def test_a_turn_that_stops_within_its_thinking_teaches_no_end(turns):
    turn = turns["thinking"]
    sampled = ids(turn, "let me see. Question: x")
    text = turn.text_of(turn.prompt(ASKED), sampled, ["Question:"])
    assert text == "<think>\nlet me see. "
    assert turn.turn(ASKED, text, sampled)[1] == ids(turn, "let me see. ")


@pytest.mark.parametrize(
    ("text", "learnt"),
    [
        ("<think>\nhm</think>\n5", "hm</think>\n5"),  # another model with the same opening: it stands once
        ("<think>hm</think>5", "hm</think>5"),
        ("[THINK]hm[/THINK]5", "hm</think>5"),  # the student's own marks
        ("5", "</think>\n\n5"),  # a teacher that did not think
    ],
)
def test_a_student_learns_its_own_form_of_the_same_turn(turns, text, learnt):
    turn = turns["thinking"]
    prompt, completion = turn.turn(ASKED, text)
    assert turn.tokenizer.decode(prompt.token_ids + completion).endswith("<think>\n" + learnt + "<|im_end|>")


def test_a_prompt_is_the_same_on_every_day_and_says_the_recipe_s_date(turns):
    assert "Today Date: 01 Jan 2026" in turns["llama3"].prompt(ASKED).text
    later = TurnFormat(tokenizer_of("llama3"), ChatTemplate(date="2026-11-28"))
    assert "Today Date: 28 Nov 2026" in later.prompt(ASKED).text
    own = TurnFormat(tokenizer_of("llama3"), ChatTemplate(kwargs={"date_string": "26 Jul 2024"}))
    assert "Today Date: 26 Jul 2024" in own.prompt(ASKED).text


def test_a_system_message_is_given_to_prompts_that_have_none():
    turn = TurnFormat(tokenizer_of("thinking"), ChatTemplate(system="Be short."))
    assert turn.prompt(ASKED).text.startswith("<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHow many?")
    own = ({"role": "system", "content": "Be long."}, *ASKED)
    assert "Be short" not in turn.prompt(own).text


def test_the_part_that_speaks():
    assert spoken_part("<b>5</b>") == "<b>5</b>" and spoken_part("<answer>5</answer>") == "<answer>5</answer>"
    assert spoken_part("a</think>5") == "5" and spoken_part("<think>a</think>b<think>c") is None
    assert spoken_part("◁think▷4◁/think▷5") == "5" and spoken_part("<|START_THINKING|>4<|END_THINKING|>5") == "5"


def test_a_program_within_the_thinking_is_no_answer():
    block = "```python\ndef f(): return 1\n```"
    assert extract_program(f"<think>\n{block}\nwait") is None
    assert extract_program(f"<think>\n{block}</think>\n```python\nx = 2\n```") == "x = 2\n"


def test_a_proof_or_an_expression_within_the_thinking_is_no_answer():
    script = "```lean\ntheorem a : True := trivial\n```"
    assert extract_script(f"<think>\n{script}\nwait", frozenset({"lean"})) is None
    assert "trivial" in extract_script(f"<think>\nhm</think>\n{script}", frozenset({"lean"}))
    assert final_expression("[THINK]maybe <answer>1+2</answer>, wait") is None
    assert final_expression("[THINK]hm[/THINK]<answer>1+2</answer>") == "1+2"


def test_thinking_of_any_length_that_was_cut_is_no_answer():
    assert verify(FIVE, "<think>" + "so \\boxed{5} " * 20_000).outcome is Outcome.WRONG
