"""Training: from accepted traces to the next round's model, by trl's SFTTrainer or by a command of the user's."""

import hashlib
import shutil
import subprocess
import time
import warnings
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfplay.models.threads import fitting_threads
from selfplay.recipe.sections import Fitting, Lora
from selfplay.samplers.prompts import encode_prompt
from selfplay.training.checkpoints import CHECKPOINT_SECONDS, Checkpoints
from tasks import UserError
from tasks.task import Message

Rows = list[dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One prompt with the completion to learn."""

    prompt: Sequence[Message]
    completion: str
    token_ids: Sequence[int] = ()  # of the completion as it was sampled; empty: encode the text
    ended: bool = True  # whether the completion ends, so that the end token is learnt too


@dataclass(frozen=True, slots=True)
class Fit:
    """What a training did."""

    num_rows: int
    num_too_long: int  # left out: more tokens than max_length
    num_tokens: int  # of all sequences, over all epochs, prompt included and padding not
    mean_context: float  # length of the sequence in which the average token stands
    num_adapter_weights: int  # trained beside frozen ones; 0: all weights were trained
    num_steps: int
    loss: float  # nats a token, mean of the last tenth of the steps
    seconds: float  # of a training that was killed: up to the checkpoint from which it went on


def fit(
    model: str,
    lessons: Iterable[Lesson],
    settings: Fitting,
    out: Path,
    seed: int,
    on_step: Callable[[int, int, float], None],
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Fit:
    """Train `model` on the lessons' completions and save it in `out`, which is whole when this returns.

    After a kill the same call goes on from the last checkpoint in `out`, to the same weights. `on_step(step, steps,
    loss)` is called as the training goes on. UserError where no lesson is left to train on.
    """
    import datasets
    from transformers import AutoTokenizer, set_seed
    from transformers.utils.logging import disable_progress_bar
    from trl import SFTTrainer

    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    datasets.disable_progress_bars()
    disable_progress_bar()
    lora: Lora | None = getattr(settings, "lora", None)
    tokenizer = AutoTokenizer.from_pretrained(model)
    kept, num_too_long = _encoded(tokenizer, lessons, settings.max_length)
    checkpoints = Checkpoints(out, _identity(model, kept, settings, seed), checkpoint_seconds)
    network, stored_dtype = _load(model, lora)
    uses_cache = getattr(network.config, "use_cache", True)
    set_seed(seed)  # the trainer does so too, but after the adapters were drawn
    trainer = SFTTrainer(
        model=network,
        processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_list(kept),
        callbacks=[_teller(on_step), checkpoints.callback()],
        args=_arguments(settings, out, seed),
        peft_config=_adapters(lora) if lora else None,
    )
    trainer.pop_callback(_printer())
    with fitting_threads(trainer.model):
        result = trainer.train(resume_from_checkpoint=checkpoints.last or None)
    num_adapter_weights = (
        sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad) if lora else 0
    )
    trained = trainer.model.merge_and_unload() if lora else trainer.model
    trained.config.use_cache = (
        uses_cache  # which the trainer changed: an engine takes the model for another one by that
    )
    trained.to(stored_dtype).save_pretrained(out)
    tokenizer.save_pretrained(out)
    checkpoints.remove()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    last = losses[-max(1, len(losses) // 10) :]
    lengths = [len(row["input_ids"]) for row in kept]
    return Fit(
        num_rows=len(kept),
        num_too_long=num_too_long,
        num_tokens=round(sum(lengths) * trainer.state.epoch),
        mean_context=sum(length**2 for length in lengths) / sum(lengths),
        num_adapter_weights=num_adapter_weights,
        num_steps=result.global_step,
        loss=sum(last) / max(1, len(last)),
        seconds=checkpoints.seconds,
    )


def _encoded(tokenizer, lessons: Iterable[Lesson], max_length: int) -> tuple[list[dict[str, list[int]]], int]:
    """The lessons as token ids, and how many were too long; UserError where none is left."""
    rows = [_row(tokenizer, lesson) for lesson in lessons]
    if not rows:
        raise UserError(
            "nothing to train on: no trace was accepted. Sample more or easier tasks, or start from a better model"
        )
    kept = [row for row in rows if len(row["input_ids"]) <= max_length]
    if not kept:
        raise UserError(
            f"nothing to train on: {len(rows)} traces, none of at most max_length = {max_length} tokens; raise max_length in [training]"
        )
    return kept, len(rows) - len(kept)


def _load(model: str, lora: Lora | None):
    """The model to train, and the type in which its weights are stored.

    All weights are trained in 32 bits, whatever they are stored in: a step of 1e-5 is lost in the 8 bits of a bfloat16.
    Frozen ones stay as they are, and their adapters have 32 bits.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    stored = AutoConfig.from_pretrained(model).dtype or torch.float32
    return AutoModelForCausalLM.from_pretrained(model, dtype=stored if lora else torch.float32), stored


def _adapters(lora: Lora):
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets or "all-linear",
        task_type="CAUSAL_LM",
    )


def _arguments(settings: Fitting, folder: Path, seed: int):
    """trl's arguments for a recipe's section."""
    import torch
    from trl import SFTConfig

    cuda = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(folder),
        max_steps=settings.steps or -1,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type="linear",
        max_length=settings.max_length,
        completion_only_loss=True,
        bf16=cuda and torch.cuda.is_bf16_supported(),
        use_cpu=not cuda,
        gradient_checkpointing=cuda,
        dataloader_pin_memory=cuda,
        seed=seed,
        logging_steps=10,
        save_strategy="no",  # when a checkpoint is due, its callback says so
        report_to="none",
        disable_tqdm=True,
    )


def fit_by_command(command: str, model: str, shards: str, out: Path, checkpoint: Path) -> float:
    """Run the user's trainer, with its placeholders filled in; it leaves a model in {out}. Gives its wall time in seconds.

    {model}       the model to start from: a path or a hub name
    {shards}      a pattern of Parquet files: the accepted traces, and the rows that [selection.mix] adds
    {out}         an empty folder for the model
    {checkpoint}  a folder that a killed command finds as it left it, to go on from
    """
    started = time.monotonic()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    checkpoint.mkdir(exist_ok=True)
    filled = command
    for name, value in (("model", model), ("shards", shards), ("out", out), ("checkpoint", checkpoint)):
        filled = filled.replace(f"{{{name}}}", str(value))
    finished = subprocess.run(filled, shell=True)
    if finished.returncode:
        raise UserError(f"the training command ended with status {finished.returncode}: {filled}")
    if not (out / "config.json").exists():
        raise UserError(f"the training command left no model (config.json) in {{out}}: {filled}")
    return time.monotonic() - started


def _row(tokenizer, lesson: Lesson) -> dict[str, list[int]]:
    prompt = encode_prompt(tokenizer, lesson.prompt)
    completion = list(lesson.token_ids) or tokenizer.encode(lesson.completion, add_special_tokens=False)
    if lesson.ended and completion[-1:] != [tokenizer.eos_token_id]:
        completion.append(tokenizer.eos_token_id)
    return {
        "input_ids": prompt + completion,
        "completion_mask": [0] * len(prompt) + [1] * len(completion),
    }


def _identity(model: str, rows: Rows, settings: Fitting, seed: int) -> str:
    """A digest of all that decides the weights that a training ends with, the model by its name."""
    content = hashlib.sha256(f"{model}\n{seed}\n{settings.model_dump_json()}\n".encode())
    for row in rows:
        for column in row.values():
            content.update(array("q", column))
    return content.hexdigest()


def _teller(on_step: Callable[[int, int, float], None]):
    from transformers import TrainerCallback

    class Teller(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **rest):
            if logs and "loss" in logs:
                on_step(state.global_step, state.max_steps, logs["loss"])

    return Teller()


def _printer():
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
