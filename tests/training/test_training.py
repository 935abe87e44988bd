"""Training: what is learnt, what is left out, a command of the user's."""

import asyncio
import json
import multiprocessing
import shutil
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTTrainer

from selfplay.models.tiny_llama import create_model
from selfplay.recipe.sections import Lora, Sampling, Training
from selfplay.records import Request
from selfplay.samplers.prompts import encode_prompt
from selfplay.samplers.transformers import TransformersSampler
from selfplay.samplers.turns import load_turn_format
from selfplay.training import checkpoints
from selfplay.training.command import fit_by_command
from selfplay.training.rows import TrainingExample, training_row
from selfplay.training.sft import FineTuning
from selfplay.training.step import once
from tasks import UserError
from tests.chat_formats import tokenizer_of


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(create_model(tmp_path_factory.mktemp("model"), max_length=64))


def fit(model, examples, settings, out, seed, on_step, **options):
    return FineTuning(model, out, settings, seed, **options).run(examples, on_step)


def lesson(prompt, completion):
    return TrainingExample([{"role": "user", "content": prompt}], completion)


def quiet(step, steps, loss):
    pass


def loss_of(folder, prompt, completion, learnt):
    """Cross-entropy in nats a token of the prompt (learnt=False) or of the completion."""
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    before = encode_prompt(tokenizer, [{"role": "user", "content": prompt}])
    after = [*tokenizer.encode(completion, add_special_tokens=False), tokenizer.eos_token_id]
    ids = torch.tensor([before + after])
    with torch.inference_mode():
        losses = torch.nn.functional.cross_entropy(network(ids).logits[0, :-1], ids[0, 1:], reduction="none")
    return losses[len(before) - 1 :].mean().item() if learnt else losses[: len(before) - 1].mean().item()


def test_training_learns_the_completion_its_end_and_not_the_prompt(model, tmp_path):
    steps = []
    result = fit(
        model,
        [lesson("3+4=", "####7")] * 64,
        Training(steps=40, batch_size=16, learning_rate=3e-3, max_length=64),
        tmp_path / "out",
        0,
        lambda *step: steps.append(step),
    )
    assert loss_of(tmp_path / "out", "3+4=", "####7", learnt=True) < 0.1
    prompt_before, prompt_after = (
        loss_of(folder, "3+4=", "####7", learnt=False) for folder in (model, tmp_path / "out")
    )
    assert prompt_after > 0.7 * prompt_before
    assert (result.num_rows, result.num_steps) == (64, 40)
    assert result.num_tokens == 40 * 16 * len("_3+4=H7_")  # begin, prompt, marker, answer, end
    assert steps[-1][0] == 40


def test_the_sampled_tokens_are_learnt_as_they_were_sampled(model, tmp_path):
    tokens = AutoTokenizer.from_pretrained(model).encode("####9", add_special_tokens=False)
    sampled = TrainingExample([{"role": "user", "content": "1+1="}], "not this text", tokens)
    fit(model, [sampled] * 16, Training(steps=40, batch_size=16, learning_rate=3e-3), tmp_path / "out", 0, quiet)
    assert loss_of(tmp_path / "out", "1+1=", "####9", learnt=True) < 0.1


def test_the_same_seed_trains_the_same_model(model, tmp_path):
    rows = [lesson(f"{a}+{b}=", f"####{a + b}") for a in range(6) for b in range(6)]
    settings = Training(steps=5, batch_size=8, learning_rate=1e-3)
    weights = []
    for name in ("a", "b"):
        fit(model, rows, settings, tmp_path / name, 3, quiet)
        weights.append(AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


SUMS = [lesson(f"{a}+{b}=", f"####{a + b}") for a in range(7) for b in range(7)]
THREE_EPOCHS = Training(epochs=3, batch_size=5, learning_rate=1e-2)  # 30 steps; the last batch of each epoch is short


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """A training of SUMS that nothing disturbed: its folder and its result."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    return folder, fit(model, SUMS, THREE_EPOCHS, folder, 3, quiet)


def weights_of(folder):
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


def assert_equal_weights(folder, other):
    one, two = weights_of(folder), weights_of(other)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def fit_with_checkpoints(model, out):
    """As a process that will be killed: a checkpoint after each step."""
    checkpoints.MOST_SHARE = 1e9
    fit(
        model, SUMS, THREE_EPOCHS, out, 3, lambda step, *rest: time.sleep(60 if step == 20 else 0), checkpoint_seconds=0
    )


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_weights(model, whole, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.test_training", "trl"])
    process = context.Process(target=fit_with_checkpoints, args=(model, tmp_path / "killed"))
    process.start()
    deadline = time.monotonic() + 120
    while (
        not list((tmp_path / "killed").glob("checkpoint-1[2-9]")) and time.monotonic() < deadline and process.is_alive()
    ):
        time.sleep(0.01)
    process.kill()
    process.join()
    steps = []
    resumed = fit(model, SUMS, THREE_EPOCHS, tmp_path / "killed", 3, lambda step, *rest: steps.append(step))
    assert steps == [20, 30]  # the steps up to the checkpoint are not done again
    folder, undisturbed = whole
    assert_equal_weights(tmp_path / "killed", folder)
    same = ("num_rows", "num_tokens", "num_steps", "mean_context")
    assert [getattr(resumed, name) for name in same] == [getattr(undisturbed, name) for name in same]
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert left == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


class Stopped(Exception):
    pass


def stopped_at_10(model, out, settings, monkeypatch):
    """A training that ended at step 10, with a checkpoint of each step before it; only the last stays."""
    monkeypatch.setattr(checkpoints, "MOST_SHARE", 1e9)

    def stop(step, *rest):
        if step == 10:
            raise Stopped

    with pytest.raises(Stopped):
        fit(model, SUMS, settings, out, 3, stop, checkpoint_seconds=0)
    monkeypatch.undo()


def test_a_checkpoint_that_was_not_written_to_its_end_is_not_gone_on_from(model, whole, tmp_path, monkeypatch):
    stopped_at_10(model, tmp_path / "out", THREE_EPOCHS, monkeypatch)
    (complete,) = (tmp_path / "out").glob("checkpoint-*")
    torn = tmp_path / "out" / "checkpoint-10"
    shutil.copytree(complete, torn)
    state = torn / "trainer_state.json"
    state.write_text(state.read_text()[:-10])
    fit(model, SUMS, THREE_EPOCHS, tmp_path / "out", 3, quiet)
    assert_equal_weights(tmp_path / "out", whole[0])


def test_checkpoints_of_another_training_are_thrown_away(model, tmp_path, monkeypatch):
    stopped_at_10(model, tmp_path / "out", THREE_EPOCHS, monkeypatch)
    steps = []
    fit(model, SUMS[1:], THREE_EPOCHS, tmp_path / "out", 3, lambda step, *rest: steps.append(step))
    assert steps[0] == 10


def test_adapters_go_on_from_their_checkpoint_to_the_same_weights(model, tmp_path, monkeypatch):
    settings = THREE_EPOCHS.model_copy(update={"lora": Lora(rank=4, dropout=0.1)})
    stopped_at_10(model, tmp_path / "out", settings, monkeypatch)
    steps = []
    fit(model, SUMS, settings, tmp_path / "out", 3, lambda step, *rest: steps.append(step))
    fit(model, SUMS, settings, tmp_path / "whole", 3, quiet)
    assert steps == [10, 20, 30]  # the figures of step 10 come again
    assert_equal_weights(tmp_path / "out", tmp_path / "whole")


def test_adapters_learn_and_are_merged_into_weights_of_the_same_shape(model, tmp_path):
    settings = Training(steps=60, batch_size=16, learning_rate=1e-2, lora=Lora(rank=8, targets=["q_proj", "down_proj"]))
    result = fit(model, [lesson("3+4=", "####7")] * 64, settings, tmp_path / "out", 0, quiet)
    assert loss_of(tmp_path / "out", "3+4=", "####7", learnt=True) < 0.75 * loss_of(model, "3+4=", "####7", learnt=True)
    before, after = weights_of(model), weights_of(tmp_path / "out")
    assert before.keys() == after.keys()
    assert (tmp_path / "out" / "config.json").read_text() == (Path(model) / "config.json").read_text()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "q_proj" in name or "down_proj" in name}
    hidden, inner, layers = 64, 160, 3
    assert result.num_adapter_weights == layers * 8 * (2 * hidden + hidden + inner)


def test_small_steps_add_up_in_a_model_that_is_stored_in_16_bits(model, tmp_path):
    stored = AutoModelForCausalLM.from_pretrained(model).to(torch.bfloat16)
    stored.save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "half")
    settings = Training(steps=60, batch_size=8, learning_rate=1e-5)
    fit(str(tmp_path / "half"), [lesson("3+4=", "####7")] * 8, settings, tmp_path / "out", 0, quiet)
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert trained.dtype == torch.bfloat16
    name = "model.layers.0.mlp.up_proj.weight"
    large = stored.state_dict()[name].abs() > 2**-7  # where 16 bits cannot hold a change of 1e-5
    moved = (trained.state_dict()[name] != stored.state_dict()[name])[large]
    assert moved.float().mean() > 0.5


def test_products_of_16_bits_train_nearly_the_same_weights_in_32(model, tmp_path):
    settings = Training(steps=5, batch_size=8, learning_rate=1e-3)
    for precision in ("float32", "bfloat16"):
        fit(model, SUMS, settings.model_copy(update={"precision": precision}), tmp_path / precision, 3, quiet)
    exact, rough = (weights_of(tmp_path / precision) for precision in ("float32", "bfloat16"))
    assert all(weight.dtype == torch.float32 for weight in rough.values())
    assert any(not torch.equal(exact[name], rough[name]) for name in exact)
    assert all(torch.allclose(exact[name], rough[name], atol=0.01) for name in exact)


def test_traces_that_are_too_long_are_left_out_and_counted(model, tmp_path):
    rows = [lesson("1+1=", "####2"), lesson("1+1=", "1" * 60)]
    result = fit(model, rows, Training(steps=1, batch_size=1, max_length=32), tmp_path / "out", 0, quiet)
    assert (result.num_rows, result.num_too_long) == (1, 1)


def test_nothing_to_train_on_is_one_clear_error(model, tmp_path):
    with pytest.raises(UserError, match="nothing to train on"):
        fit(model, [], Training(), tmp_path / "out", 0, quiet)


def test_a_command_of_the_users_trains_and_its_failures_are_named(model, tmp_path):
    (tmp_path / "accepted-00000.parquet").write_text("")
    checkpoint = tmp_path / "checkpoint"
    fit_by_command(
        "cp -r {model}/. {out} && ls {shards}", model, f"{tmp_path}/accepted-*.parquet", tmp_path / "copied", checkpoint
    )
    AutoModelForCausalLM.from_pretrained(tmp_path / "copied")
    with pytest.raises(UserError, match="status 3"):
        fit_by_command("exit 3", model, "", tmp_path / "failed", checkpoint)
    with pytest.raises(UserError, match="left no model"):
        fit_by_command("true", model, "", tmp_path / "empty", checkpoint)


def test_a_command_that_was_killed_finds_its_checkpoint_and_an_empty_out(model, tmp_path):
    command = "test ! -e {out}/begun && touch {out}/begun && echo step >> {checkpoint}/steps && cp -r {model}/. {out}"
    with pytest.raises(UserError, match="status 9"):
        fit_by_command(f"{command} && exit 9", model, "", tmp_path / "out", tmp_path / "checkpoint")
    fit_by_command(command, model, "", tmp_path / "out", tmp_path / "checkpoint")
    assert (tmp_path / "checkpoint" / "steps").read_text() == "step\nstep\n"


def test_a_model_is_made_once_wherever_a_kill_falls(tmp_path):
    made = []

    def make(out):
        made.append(out)
        out.mkdir()
        return {"num_rows": len(made)}

    assert once(tmp_path / "round", make) == {"num_rows": 1}
    (tmp_path / "round" / "model").rename(
        tmp_path / "round" / "model.tmp"
    )  # as if killed before the model got its name
    assert once(tmp_path / "round", make) == {"num_rows": 1} and (tmp_path / "round" / "model").exists()
    (tmp_path / "round" / "training.json").unlink()  # as if killed before the record was written
    assert once(tmp_path / "round", make) == {"num_rows": 2}
    assert [path.name for path in made] == ["model.tmp", "model.tmp"]


# ---- what is learnt, token for token ---------------------------------------------------------------------------------


def saved(name, folder, **generation):
    """A small model with the tokenizer and chat template of a form, and a generation_config of its own."""
    tokenizer = tokenizer_of(name)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, bos_token_id=1, **shape)
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    own = {"eos_token_id": [tokenizer.eos_token_id]} | generation
    (folder / "generation_config.json").write_text(json.dumps(own))
    return str(folder), tokenizer


def labels_of(folder, sampling, examples, monkeypatch, tmp_path):
    """The labels that reach the model's loss, without those that are masked; and its inputs."""
    seen = []
    compute_loss = SFTTrainer.compute_loss

    def look(self, model, inputs, *rest, **options):
        seen.append((inputs["input_ids"].clone(), inputs["labels"].clone()))
        return compute_loss(self, model, inputs, *rest, **options)

    monkeypatch.setattr(SFTTrainer, "compute_loss", look)
    settings = Training(steps=1, batch_size=len(examples), learning_rate=1e-4)
    fit(folder, examples, settings, tmp_path / "out", 0, quiet, sampling=sampling)
    rows = [pair for inputs, labels in seen for pair in zip(inputs.tolist(), labels.tolist(), strict=True)]
    return {
        tuple(token for token, label in zip(inputs, labels, strict=True) if label == -100 and token != 0): tuple(
            label for label in labels if label != -100
        )
        for inputs, labels in rows
    }


@pytest.mark.parametrize("name", ["thinking", "gemma", "llama3", "mistral", "harmony", "smollm2"])
def test_the_labels_of_a_training_are_the_sampled_tokens(name, tmp_path, monkeypatch):
    sampling = Sampling(max_tokens=30, stop=["Q"], temperature=1.5)
    folder, tokenizer = saved(name, tmp_path / name)
    asked = [({"role": "user", "content": f"{number}+1?"},) for number in range(8)]

    async def draw():
        sampler = TransformersSampler(sampling, folder)
        requests = [Request(str(number), prompt, (0,), (number,)) for number, prompt in enumerate(asked)]
        return [outcome for request in requests async for outcome in sampler.sample(request)]

    samples = asyncio.run(draw())
    examples = [
        TrainingExample(prompt, sample.text, sample.token_ids, sample.finish_reason == "stop")
        for prompt, sample in zip(asked, samples, strict=True)
    ]
    learnt = labels_of(folder, sampling, examples, monkeypatch, tmp_path)
    turns = load_turn_format(folder, sampling)
    cut = 0
    for prompt, sample in zip(asked, samples, strict=True):
        rendered = turns.prompt(prompt)
        labels = list(learnt[tuple(token for token in rendered.token_ids if token != 0)])
        if "Q" in tokenizer.decode(sample.token_ids):  # a stop text: cut off, and an end learnt in its place
            cut += 1
            end = [] if rendered.opening else [turns.end]
            kept = tokenizer.encode(sample.text.removeprefix(rendered.opening), add_special_tokens=False)
            if sample.text.isascii():
                assert labels == kept + end or tokenizer.decode(labels).startswith(sample.text)
        else:
            assert labels == list(sample.token_ids)
    assert cut < 8


def test_ends_that_only_the_model_s_files_name_end_a_sample_and_its_lesson(tmp_path):
    folder, _ = saved("mistral", tmp_path / "model", eos_token_id=[2, 5])
    turns = load_turn_format(folder, Sampling())
    assert turns.ends == {2, 5}
    row = training_row(turns, TrainingExample([{"role": "user", "content": "a"}], "b", [40, 5]))
    assert list(row.completion) == [40, 5]


def test_a_generation_config_that_transformers_does_not_save_survives_a_training(tmp_path):
    odd = {"do_sample": False, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [2, 3]}
    folder, _ = saved("gemma", tmp_path / "model", **odd)
    rows = [TrainingExample([{"role": "user", "content": "a"}], "b")] * 4
    fit(folder, rows, Training(steps=2, batch_size=2), tmp_path / "out", 0, quiet, checkpoint_seconds=0)
    kept = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert {name: kept[name] for name in ("temperature", "top_p", "eos_token_id")} == {
        name: odd[name] for name in ("temperature", "top_p", "eos_token_id")
    }


def test_micro_batches_add_up_to_the_same_step(model, tmp_path):
    rows = [lesson(f"{a}+{b}=", f"####{a + b}") for a in range(4) for b in range(4)]
    settings = Training(steps=4, batch_size=16, learning_rate=1e-3)
    fit(model, rows, settings, tmp_path / "whole", 0, quiet)
    micro = settings.model_copy(update={"micro_batch_size": 4})
    result = fit(model, rows, micro, tmp_path / "micro", 0, quiet)
    one, two = weights_of(tmp_path / "whole"), weights_of(tmp_path / "micro")
    assert result.num_steps == 4
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)


def test_a_short_training_tells_its_loss(model, tmp_path):
    result = fit(model, [lesson("3+4=", "####7")] * 8, Training(steps=3, batch_size=8), tmp_path / "out", 0, quiet)
    assert result.loss > 0.5
