"""Training: from accepted traces to the next round's model, by trl's SFTTrainer or by a command of the user's."""

import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfplay.recipe import Fitting
from selfplay.samplers.prompts import encode_prompt
from selfplay.threads import fitting_threads
from tasks import UserError
from tasks.task import Message


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
    num_steps: int
    loss: float  # nats a token, mean of the last tenth of the steps
    seconds: float


def fit(
    model: str, lessons: Iterable[Lesson], settings: Fitting, out: Path, seed: int, on_step: Callable[[int, int, float], None]
) -> Fit:
    """Train `model` on the lessons' completions and save it in `out`, which appears only when it is whole.

    `on_step(step, steps, loss)` is called as the training goes on.
    """
    import datasets
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTTrainer

    started = time.monotonic()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [_row(tokenizer, lesson) for lesson in lessons]
    kept = [row for row in rows if len(row["input_ids"]) <= settings.max_length]
    if not kept:
        raise UserError(
            f"nothing to train on: {len(rows)} traces, none of at most max_length = {settings.max_length} tokens. "
            "Sample more or easier tasks, or raise max_length in [training]"
        )
    losses: list[float] = []

    class Report(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **rest):
            if logs and "loss" in logs:
                losses.append(logs["loss"])
                on_step(state.global_step, state.max_steps, logs["loss"])

    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_list(kept),
        callbacks=[Report()],
        args=_arguments(settings, temporary, seed),
    )
    trainer.pop_callback(_printer())
    with fitting_threads(trainer.model):
        result = trainer.train()
    trainer.save_model(str(temporary))
    temporary.rename(out)
    last = losses[-max(1, len(losses) // 10) :]
    return Fit(
        num_rows=len(kept),
        num_too_long=len(rows) - len(kept),
        num_tokens=round(sum(len(row["input_ids"]) for row in kept) * trainer.state.epoch),
        num_steps=result.global_step,
        loss=sum(last) / max(1, len(last)),
        seconds=time.monotonic() - started,
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
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def fit_by_command(command: str, model: str, shards: str, out: Path) -> float:
    """Run the user's trainer; it reads the Parquet files of the pattern {shards} and leaves a model in {out}.

    Gives its wall time in seconds.
    """
    started = time.monotonic()
    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    filled = command.replace("{model}", model).replace("{shards}", shards).replace("{out}", str(temporary))
    finished = subprocess.run(filled, shell=True)
    if finished.returncode:
        raise UserError(f"the training command ended with status {finished.returncode}: {filled}")
    if not (temporary / "config.json").exists():
        raise UserError(f"the training command left no model (config.json) in {{out}}: {filled}")
    temporary.rename(out)
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


def _printer():
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
