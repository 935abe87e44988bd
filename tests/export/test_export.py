"""Exports, each read by the library that it is made for."""

import json

import datasets
import pyarrow.parquet as pq
import pytest
from transformers import LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from selfplay.export.export import export
from selfplay.export.formats import FORMATS, LINES, Format, pairs, step_labels
from selfplay.recipe.sections import Sampling
from selfplay.samplers.turns import load_turn_format
from selfplay.shards.files import read_in_order
from tasks import UserError
from tests.chat_formats import tokenizer_of
from tests.factories import made_run, recipe_of, trace_of

CHAT_TEMPLATE = "{% for m in messages %}{{ '<' if m.role == 'user' else '>' }}{{ m.content }}{{ eos_token if m.role == 'assistant' }}{% endfor %}"


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A run of two rounds of 30 sums, five traces each, of which one a task is accepted and two are wrong."""
    return made_run(tmp_path_factory.mktemp("export") / "made", recipe_of(), num_rounds=2)


@pytest.fixture(scope="module")
def exported(played, model, tmp_path_factory):
    """The folder of each format's export, plain where there is a choice."""
    folder = tmp_path_factory.mktemp("exported")
    for form in FORMATS.values():
        export(played, form.name, folder / form.name, form.takes_plain, tokenizer=model if form.needs_tokenizer else "")
        if form.takes_plain:
            export(played, form.name, folder / f"{form.name}_messages")
    return folder


def loaded(folder):
    return datasets.load_dataset(str(folder), split="train", cache_dir=str(folder / ".cache"))


@pytest.mark.parametrize(
    ("name", "columns", "num_rows"),
    [
        ("sft", {"prompt", "completion"}, 60),
        ("tokens", {"input_ids", "completion_mask", "labels"}, 60),
        ("text", {"prompt", "completion"}, 60),
        ("chat", {"messages", "task_id", "source"}, 60),
        ("dpo", {"prompt", "chosen", "rejected"}, 60),
        ("kto", {"prompt", "completion", "label"}, 180),
        ("prm", {"prompt", "completions", "labels"}, 240),  # three right, and the wrong one whose step is wrong
        (
            "verl",
            {"data_source", "prompt", "ability", "reward_model", "extra_info"},
            57,
        ),  # three tasks stand in both rounds
        ("openai", {"messages"}, 60),
    ],
)
def test_the_hubs_loader_reads_every_format_with_its_columns(exported, name, columns, num_rows):
    rows = loaded(exported / name)
    assert set(rows.column_names) == columns
    assert len(rows) == num_rows


def test_a_pair_is_right_against_wrong_of_one_task(exported):
    for row in loaded(exported / "dpo"):
        total = sum(map(int, row["prompt"].rstrip("=").split("+")))
        assert row["chosen"].endswith(f"####{total}") and not row["rejected"].endswith(f"####{total}")


def test_pairs_are_alike_in_length_and_no_wrong_trace_is_used_twice():
    right = [trace_of("####12" + " " * n, index=n) for n in (0, 40)]
    wrong = [trace_of("####13" + " " * n, index=n) for n in (38, 5, 300)]
    found = pairs(right, wrong)
    assert [(len(a.sample.text), len(b.sample.text)) for a, b in found] == [(6, 11), (46, 44)]


def test_step_labels_are_false_from_the_first_wrong_equation_on():
    steps, labels = step_labels(trace_of("2 + 3 = 5\n5 * 2 = 11\nso 11 + 1 = 12\n#### 12", prompt="How many?"))
    assert labels == [True, False, False, False] and len(steps) == 4


def test_verl_rows_hold_the_ground_truth_that_the_verifier_checks(exported):
    for row in pq.read_table(exported / "verl" / "train.parquet").to_pylist():
        digits = row["prompt"][0]["content"].rstrip("=").split("+")
        assert row["reward_model"] == {"style": "rule", "ground_truth": str(sum(map(int, digits)))}
        assert row["extra_info"]["pass_rate"] == pytest.approx(3 / 5)


def test_openai_lines_hold_nothing_but_messages_that_end_with_the_assistant(exported):
    for line in (exported / "openai" / "train.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert set(row) == {"messages"} and [m["role"] for m in row["messages"]] == ["user", "assistant"]
        assert all(set(message) == {"role", "content"} for message in row["messages"])


def test_the_card_tells_counts_licenses_pass_rate_and_errors(exported):
    card = (exported / "sft" / "README.md").read_text()
    assert "60 rows" in card and "none: generated" in card and "math@" in card
    assert "mean pass rate of a task is 0.600" in card
    assert "60 of 180 (33.33%) of the correct traces reach a right answer over an equation that does not hold" in card


def test_the_card_tells_how_often_the_verifier_that_graded_errs(exported):
    from verifiers.error_rates import rates_of
    from verifiers.mathematics import VERSION

    card = (exported / "sft" / "README.md").read_text()
    rates = rates_of(VERSION)
    assert (
        f"`{VERSION}` accepted {rates.accepted} of {rates.wrong} wrong cases (95% interval" in card
        and rates.command in card
    )
    assert "0 of 60 (0.00%) of the accepted traces hold such an equation" in card
    assert "| arithmetic | 60 | 300 | 0.600 |" in card, "tasks, traces and pass rate by source"


def test_a_verifier_that_was_never_measured_is_told_as_such():
    from selfplay.export.card import _errors

    assert "`math@0` errs was not measured" in _errors("math@0")
    assert _errors("programs@1+landlock").startswith(
        "- `programs@1+landlock` accepted 0 of 107 wrong cases (95% interval 0.00% to 3.47%)"
    )


def test_wrong_steps_among_the_accepted_are_counted_where_the_recipe_lets_them_pass(tmp_path):
    lenient = made_run(tmp_path / "lenient", recipe_of(selection={"reject": [], "max_traces_per_task": 0}))
    export(lenient, "sft", tmp_path / "out")
    assert (
        "30 of 60 (50.00%) of the accepted traces hold such an equation" in (tmp_path / "out" / "README.md").read_text()
    )


def test_a_choice_that_a_format_does_not_have_is_refused(played, tmp_path):
    with pytest.raises(UserError, match="--plain is a choice of dpo and kto; the rows of sft have one form"):
        export(played, "sft", tmp_path / "out", plain=True)
    assert not (tmp_path / "out").exists()


def test_an_export_to_a_url_is_the_same_as_to_a_folder(played, exported):
    import fsspec

    export(played, "sft", "memory://exported/sft")
    assert (
        fsspec.filesystem("memory").cat("/exported/sft/train.jsonl") == (exported / "sft" / "train.jsonl").read_bytes()
    )


def test_a_run_behind_a_url_is_exported_from_there(played, exported):
    import fsspec

    from selfplay.shards.mirror import copy_run

    copy_run(played, "memory://copies/run")
    export("memory://copies/run", "dpo", "memory://exported/dpo", plain=True)
    assert (
        fsspec.filesystem("memory").cat("/exported/dpo/train.jsonl") == (exported / "dpo" / "train.jsonl").read_bytes()
    )


def test_a_damaged_shard_is_not_exported(played, tmp_path):
    import shutil

    copy = shutil.copytree(played, tmp_path / "copy")
    shard = next((copy / "round_001" / "shards").glob("accepted-*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{shard.name}: truncated"):
        export(copy, "sft", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_replaces_one_of_its_own_format_and_nothing_else(played, tmp_path):
    export(played, "sft", tmp_path / "out")
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(UserError, match="something else than an export as kto"):
        export(played, "kto", tmp_path / "out")
    export(played, "sft", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first


def test_a_refused_export_leaves_nothing_behind(tmp_path):
    nothing = made_run(tmp_path / "made", recipe_of(selection={"max_tokens": 1}))
    with pytest.raises(UserError, match="nothing to export as sft"):
        export(nothing, "sft", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_names_those_there_are(played, tmp_path):
    with pytest.raises(UserError, match='unknown format "csv"; one of sft, tokens'):
        export(played, "csv", tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from selfplay.models.tiny_llama import create_model

    return str(
        create_model(
            tmp_path_factory.mktemp("model") / "tiny",
            characters="0123456789+=<>",
            hidden_size=16,
            num_layers=1,
            num_heads=2,
        )
    )


@pytest.mark.parametrize(
    ("trainer", "name"),
    [
        ("SFT", "sft"),
        ("SFT", "chat"),
        ("SFT", "tokens"),
        ("SFT", "text"),
        ("SFT", "openai"),
        ("DPO", "dpo"),
        ("DPO", "dpo_messages"),
        ("KTO", "kto"),
        ("KTO", "kto_messages"),
    ],
)
def test_trl_takes_a_step_on_the_export(exported, model, trainer, name, tmp_path):
    import trl
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    if name in ("chat", "openai") or name.endswith("_messages"):
        tokenizer.chat_template = CHAT_TEMPLATE
    settings = dict(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=4, report_to="none", use_cpu=True, disable_tqdm=True,
        save_strategy="no", logging_steps=1, dataloader_pin_memory=False, bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    train = getattr(trl, f"{trainer}Trainer")(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=getattr(trl, f"{trainer}Config")(**settings),
        train_dataset=loaded(exported / name),
        processing_class=tokenizer,
    )
    result = train.train()
    assert result.global_step == 1 and result.training_loss > 0


def test_a_format_of_one_s_own_is_one_object(played, tmp_path, monkeypatch):
    def rows(groups, choices):
        for group in groups:
            yield {"task": group[0][0].task.id, "num_traces": len(group)}

    monkeypatch.setitem(FORMATS, "counts", Format("counts", rows, "`task`, `num_traces`.", "- jq.", LINES))
    summary = export(played, "counts", tmp_path / "out")
    lines = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
    assert summary.num_rows == len(lines) == 60 and json.loads(lines[0])["num_traces"] == 5
    card = (tmp_path / "out" / "README.md").read_text()
    assert "as counts" in card and "`task`, `num_traces`." in card and "- jq." in card


# ---- what a trainer learns of an export, token for token --------------------------------------------------------------


def saved_format(name, folder):
    tokenizer = tokenizer_of(name)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, **shape)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder), tokenizer


@pytest.mark.parametrize("name", ["thinking", "gemma", "llama3", "mistral", "harmony", "smollm2"])
def test_trl_learns_the_tokens_export_exactly_as_the_model_wrote_it(played, name, tmp_path):
    folder, tokenizer = saved_format(name, tmp_path / "model")
    export(played, "tokens", tmp_path / "tokens", tokenizer=folder)
    export(played, "text", tmp_path / "text", tokenizer=folder)
    rows = loaded(tmp_path / "tokens")
    settings = SFTConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=60, report_to="none", use_cpu=True, bf16=False,
        gradient_checkpointing=False, save_strategy="no", dataloader_pin_memory=False,
    )  # fmt: skip
    network = LlamaForCausalLM.from_pretrained(folder)
    trainer = SFTTrainer(model=network, args=settings, train_dataset=rows, processing_class=tokenizer)
    batch = next(iter(trainer.get_train_dataloader()))
    learnt = sorted([label for label in labels if label != -100] for labels in batch["labels"].tolist())
    turns = load_turn_format(folder, Sampling())
    texts = list(loaded(tmp_path / "text"))
    assert learnt == sorted(tokenizer.encode(row["completion"], add_special_tokens=False) for row in texts)
    assert all(tokens[-1] == turns.end and turns.end not in tokens[:-1] for tokens in learnt)
    prompts = {
        turns.prompt(tuple(trace.task.prompt)).text for trace, _ in read_in_order(played / "round_000" / "shards")
    }
    assert {row["prompt"] for row in texts[:30]} <= prompts
    for tokens, text in zip(rows, texts, strict=True):
        assert (
            tokenizer.decode(tokens["input_ids"], clean_up_tokenization_spaces=False)
            == text["prompt"] + text["completion"]
        )
        assert [label if label != -100 else None for label in tokens["labels"]] == [
            token if mask else None for token, mask in zip(tokens["input_ids"], tokens["completion_mask"], strict=True)
        ]


def test_cards_say_which_export_teaches_what_was_sampled(exported):
    assert "export as `tokens`" in (exported / "chat" / "README.md").read_text()
    assert "- trl: `SFTTrainer` as it is" in (exported / "tokens" / "README.md").read_text()


def test_a_tokenizer_that_is_not_there_is_a_user_error_with_its_cure(played, tmp_path):
    with pytest.raises(UserError, match=r"(?s)a-model.*--tokenizer"):
        export(played, "tokens", tmp_path / "out")
    assert not (tmp_path / "out").exists()
