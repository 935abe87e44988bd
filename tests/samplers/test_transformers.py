"""The transformers engine: seeds, log-probabilities, stops."""

import asyncio
import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import More, Sampling
from selfplay.records import Request, SampleFailure
from selfplay.samplers.prompts import encode_prompt
from selfplay.samplers.transformers import TransformersSampler
from selfplay.samplers.turns import refusals


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(create_model(tmp_path_factory.mktemp("model"), max_length=64))


def draw(model, requests, **settings):
    async def all_of(sampler, request):
        return [outcome async for outcome in sampler.sample(request)]

    async def run():
        sampler = TransformersSampler(Sampling(**{"max_tokens": 12, **settings}), model)
        try:
            return await asyncio.gather(*(all_of(sampler, request) for request in requests))
        finally:
            await sampler.close()

    return [sample for outcomes in asyncio.run(run()) for sample in outcomes]


def request(prompt, *indices, task="t"):
    return Request(
        f"{task}{prompt}", ({"role": "user", "content": prompt},), indices, tuple(1000 + 7 * index for index in indices)
    )


def test_a_sample_depends_on_its_seed_and_not_on_its_batch(model):
    alone = draw(model, [request("3+4=", 5)])
    among = draw(model, [request("9+9+9+1=", 0, 1), request("3+4=", 4, 5, 6), request("1+1=", 2)])
    small = draw(model, [request("3+4=", 4, 5, 6)], batch_size=2)
    texts = {sample.index: sample.text for sample in among if sample.task_id == "t3+4="}
    assert alone[0].text == texts[5]
    assert {sample.index: sample.text for sample in small} == texts
    assert len(set(texts.values())) == 3


def test_the_logprob_is_that_of_the_tokens_under_the_model(model):
    (sample,) = draw(model, [request("3+4=", 0)], temperature=0.7)
    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model)
    prompt = encode_prompt(tokenizer, [{"role": "user", "content": "3+4="}])
    with torch.inference_mode():
        logits = network(torch.tensor([[*prompt, *sample.token_ids]])).logits[0, len(prompt) - 1 : -1] / 0.7
    logprobs = torch.log_softmax(logits, -1).gather(1, torch.tensor(sample.token_ids)[:, None])
    assert sample.cumulative_logprob == pytest.approx(logprobs.sum().item(), abs=1e-3)
    assert sample.prompt_tokens == len(prompt)
    assert sample.completion_tokens == len(sample.token_ids)


def test_tokens_are_drawn_with_the_probabilities_of_the_model(model):
    samples = draw(model, [request("5+5=", *range(4000))], max_tokens=1, batch_size=4000)
    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model)
    prompt = encode_prompt(tokenizer, [{"role": "user", "content": "5+5="}])
    with torch.inference_mode():
        chances = torch.softmax(network(torch.tensor([prompt])).logits[0, -1], -1)
    counts = torch.bincount(torch.tensor([sample.token_ids[0] for sample in samples]), minlength=len(chances))
    expected = chances * 4000
    chi_squared = ((counts - expected) ** 2 / expected).sum().item()
    assert chi_squared < 45  # 16 degrees of freedom: exceeded once in 7,000 times by chance


def test_temperature_zero_is_greedy_whatever_the_seed(model):
    samples = draw(model, [request("3+4=", 0, 1, 2)], temperature=0)
    assert len({sample.text for sample in samples}) == 1


def test_a_completion_that_ends_says_stop_and_one_that_is_cut_says_length(model):
    samples = draw(model, [request("3+4=", *range(64))], max_tokens=20)
    tokenizer = AutoTokenizer.from_pretrained(model)
    for sample in samples:
        ended = sample.token_ids[-1] == tokenizer.eos_token_id
        assert sample.finish_reason == ("stop" if ended else "length")
        assert ended or sample.completion_tokens == 20
        assert "<eos>" not in sample.text and "<pad>" not in sample.text
    assert {sample.finish_reason for sample in samples} == {"stop", "length"}


def test_a_stop_string_ends_a_completion_and_is_cut_off(model):
    samples = draw(model, [request("3+4=", *range(32))], stop=["5"], max_tokens=20)
    assert all("5" not in sample.text for sample in samples)
    assert any(sample.finish_reason == "stop" and sample.completion_tokens < 20 for sample in samples)


def test_a_prompt_that_is_too_long_fails_alone(model):
    outcomes = draw(model, [request("1+" * 60 + "1=", 0), request("3+4=", 0)])
    failed = [outcome for outcome in outcomes if isinstance(outcome, SampleFailure)]
    assert len(failed) == 1 and "the model takes 64" in failed[0].error
    assert len(outcomes) == 2


def test_a_long_prompt_takes_no_room_from_a_short_one_beside_it(model):
    alone = draw(model, [request("3+4=", 0, 1)], max_tokens=50)
    among = draw(model, [request("1+" * 29 + "1=", 0), request("3+4=", 0, 1), request("5=", 0)], max_tokens=50)
    drawn = {(sample.task_id, sample.index): sample.token_ids for sample in among}
    assert [drawn[sample.task_id, sample.index] for sample in alone] == [sample.token_ids for sample in alone]
    assert max(map(len, drawn.values())) > 4 >= len(drawn["t" + "1+" * 29 + "1=", 0])


def changed(model, folder, file, **values):
    """A copy of the model with other values in one of its files; None takes a value out."""
    shutil.copytree(model, folder)
    content = json.loads((folder / file).read_text()) | values
    (folder / file).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return str(folder)


def test_a_checkpoint_s_own_way_of_generating_changes_no_sample(model, tmp_path):
    own = {
        "do_sample": True,
        "repetition_penalty": 5.0,
        "no_repeat_ngram_size": 2,
        "num_beams": 2,
        "top_k": 2,
        "min_new_tokens": 9,
    }
    other = changed(model, tmp_path / "other", "generation_config.json", **own)
    drawn = [draw(path, [request("3+4=", *range(8))]) for path in (model, other)]
    assert [sample.token_ids for sample in drawn[0]] == [sample.token_ids for sample in drawn[1]]


@pytest.mark.parametrize("padding", [None, "<eos>"])
def test_a_sample_is_the_same_whatever_token_pads_the_others(model, tmp_path, padding):
    other = changed(model, tmp_path / "other", "tokenizer_config.json", pad_token=padding)
    requests = [request("3+4=", *range(8)), request("3+4+5=", *range(8))]
    drawn = [draw(path, requests, stop=["5", "<bos>"], max_tokens=30) for path in (model, other)]
    assert [sample.token_ids for sample in drawn[0]] == [sample.token_ids for sample in drawn[1]]
    assert [sample.cumulative_logprob for sample in drawn[0]] == pytest.approx(
        [sample.cumulative_logprob for sample in drawn[1]]
    )
    bos = AutoTokenizer.from_pretrained(model).bos_token_id
    assert {sample.finish_reason for sample in drawn[0] if sample.token_ids[-1] == bos} == {"stop"}


def test_new_weights_are_sampled_after_load(model, tmp_path):
    other = str(create_model(tmp_path / "other", max_length=64, seed=9))

    async def run():
        sampler = TransformersSampler(Sampling(max_tokens=12), model)
        before = [outcome async for outcome in sampler.sample(request("3+4=", 0))]
        await sampler.load(other)
        after = [outcome async for outcome in sampler.sample(request("3+4=", 0))]
        await sampler.close()
        return before[0], after[0]

    before, after = asyncio.run(run())
    assert before.text != after.text
    assert (before.model, after.model) == (model, other)


# ---- the rarer parameters --------------------------------------------------------------------------------------------


def more(**keys):
    return {"more": More(**keys)}


def test_no_sample_ends_before_its_least_number_of_tokens(model):
    samples = draw(model, [request("3+4=", *range(64))], max_tokens=20, **more(min_tokens=10))
    assert min(sample.completion_tokens for sample in samples) >= 10
    assert {sample.finish_reason for sample in samples} == {"stop", "length"}


def test_a_stop_token_ends_a_sample_and_is_not_in_its_text(model):
    (five,) = AutoTokenizer.from_pretrained(model).encode("5", add_special_tokens=False)
    samples = draw(model, [request("3+4=", *range(32))], max_tokens=20, **more(stop_token_ids=[five]))
    assert all("5" not in sample.text for sample in samples)
    stopped = [sample for sample in samples if sample.token_ids[-1] == five]
    assert stopped and {sample.finish_reason for sample in stopped} == {"stop"}


def test_min_p_leaves_only_tokens_near_the_most_probable_one(model):
    samples = draw(model, [request("3+4=", *range(32))], max_tokens=8, **more(min_p=1.0))
    greedy = draw(model, [request("3+4=", 0)], max_tokens=8, temperature=0)
    assert {sample.text for sample in samples} == {greedy[0].text}


@pytest.mark.parametrize(
    "penalty", [{"presence_penalty": 2.0}, {"frequency_penalty": 2.0}, {"repetition_penalty": 50.0}]
)
def test_penalties_spread_the_tokens_of_a_sample(model, penalty):
    plain, spread = (
        draw(model, [request("3=", 0)], max_tokens=10, temperature=0, **more(min_tokens=10, **keys))
        for keys in ({}, penalty)
    )
    assert len(set(spread[0].token_ids)) > len(set(plain[0].token_ids))


def test_a_prompt_that_the_template_refuses_costs_its_task_alone(model, tmp_path):
    other = shutil.copytree(model, tmp_path / "other")
    (other / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}{% endfor %}"
    )
    refused = Request("refused", ({"role": "system", "content": "1"},), (0, 1), (0, 1))
    outcomes = draw(str(other), [refused, request("3+4=", 0)])
    failures = [outcome for outcome in outcomes if isinstance(outcome, SampleFailure)]
    assert len(outcomes) == 3 and {failure.task_id for failure in failures} == {"refused"}
    assert all(failure.is_final and "no system" in failure.error for failure in failures)
    refusal = refusals(str(other), Sampling())
    assert "no system" in refusal(refused.prompt) and refusal(request("3+4=", 0).prompt) == ""
