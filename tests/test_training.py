"""Training: what is learnt, what is left out, a command of the user's."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfplay.models import create_model
from selfplay.recipe import Training
from selfplay.samplers.prompts import encode_prompt
from selfplay.training import Lesson, fit, fit_by_command
from tasks import UserError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(create_model(tmp_path_factory.mktemp("model"), max_length=64))


def lesson(prompt, completion):
    return Lesson([{"role": "user", "content": prompt}], completion)


def quiet(step, steps, loss):
    pass


def loss_of(folder, prompt, completion, learnt):
    """Cross-entropy in nats a token of the prompt (learnt=False) or of the completion."""
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    before = encode_prompt(tokenizer, [{"role": "user", "content": prompt}])
    after = tokenizer.encode(completion, add_special_tokens=False) + [tokenizer.eos_token_id]
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
    prompt_before, prompt_after = (loss_of(folder, "3+4=", "####7", learnt=False) for folder in (model, tmp_path / "out"))
    assert prompt_after > 0.7 * prompt_before
    assert (result.num_rows, result.num_steps) == (64, 40)
    assert result.num_tokens == 40 * 16 * len("_3+4=H7_")  # begin, prompt, marker, answer, end
    assert steps[-1][0] == 40


def test_the_sampled_tokens_are_learnt_as_they_were_sampled(model, tmp_path):
    tokens = AutoTokenizer.from_pretrained(model).encode("####9", add_special_tokens=False)
    sampled = Lesson([{"role": "user", "content": "1+1="}], "not this text", tokens)
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
    fit_by_command("cp -r {model}/. {out} && ls {shards}", model, f"{tmp_path}/accepted-*.parquet", tmp_path / "copied", checkpoint)
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
