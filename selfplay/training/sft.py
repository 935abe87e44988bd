"""Training: from accepted traces to the next round's model, by trl's SFTTrainer or by a command of the user's."""

import hashlib
import math
import shutil
import subprocess
import time
import warnings
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfplay.models.threads import fitting_threads
from selfplay.recipe.sections import Fitting, Lora, Sampling
from selfplay.samplers.turns import TurnFormat, load_turn_format
from selfplay.training.checkpoints import CHECKPOINT_SECONDS, Checkpoints
from tasks import UserError
from tasks.task import Message

# keys of a model's config that the trainer sets to suit itself
_ALIGNED = ("use_cache", "bos_token_id", "eos_token_id", "pad_token_id")
Row = dict[str, list[int]]  # input_ids, and completion_mask: 1 for a token that is learnt


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One prompt with the completion to learn."""

    prompt: Sequence[Message]
    completion: str
    token_ids: Sequence[int] = ()  # of the completion as it was sampled; empty: encode the text
    ended: bool = True  # whether the completion ends, so that the end token is learnt too


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Figures of a training; `asdict` of it goes into the round's record."""

    num_rows: int
    num_too_long: int  # left out: more tokens than max_length
    num_tokens: int  # of all sequences, over all epochs, prompt included and padding not
    mean_context: float  # length of the sequence in which the average token stands
    num_adapter_weights: int  # trained beside frozen ones; 0: all weights were trained
    num_steps: int
    loss: float  # nats a token, mean of the last tenth of the steps
    seconds: float  # of a training that was killed: up to the checkpoint from which it went on


@dataclass(frozen=True, slots=True)
class FineTuning:
    """A training by trl's SFTTrainer: which model, how, and where the trained one goes."""

    model: str  # path or hub name
    out: Path  # folder of the trained model, which is whole when `run` returns
    settings: Fitting
    seed: int
    sampling: Sampling = field(default_factory=Sampling)  # how the samples' prompts were rendered
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    def run(self, examples: Iterable[TrainingExample], on_step: Callable[[int, int, float], None]) -> TrainingResult:
        """Learn the examples' completions.

        After a kill the same call goes on from the last checkpoint in `out`, to the same weights. `on_step(step, steps,
        loss)` is called as the training goes on. UserError if no example is left to train on.
        """
        import datasets
        from transformers import GenerationConfig, set_seed
        from transformers.utils.logging import disable_progress_bar
        from trl import SFTTrainer

        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
        datasets.disable_progress_bars()
        disable_progress_bar()
        lora: Lora | None = getattr(self.settings, "lora", None)
        turns = load_turn_format(self.model, self.sampling)
        kept, num_too_long = _encoded(turns, examples, self.settings.max_length)
        checkpoints = Checkpoints(self.out, self._identity(kept), self.checkpoint_seconds)
        network, stored_dtype = _load(self.model, lora)
        own = {name: getattr(network.config, name, None) for name in _ALIGNED}
        own_generation = network.generation_config
        # some checkpoints hold parameters of generation that transformers refuses to save
        network.generation_config = GenerationConfig(eos_token_id=own_generation.eos_token_id)
        set_seed(self.seed)  # the trainer does so too, but after the adapters were drawn
        trainer = SFTTrainer(
            model=network,
            processing_class=turns.tokenizer,
            train_dataset=datasets.Dataset.from_list(kept),
            callbacks=[_reporter(on_step), checkpoints.callback()],
            args=self._arguments(len(kept)),
            peft_config=_adapters(lora) if lora else None,
        )
        trainer.pop_callback(_printer())
        with fitting_threads(trainer.model):
            result = trainer.train(resume_from_checkpoint=checkpoints.last or None)
        num_adapter_weights = (
            sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad) if lora else 0
        )
        trained = trainer.model.merge_and_unload() if lora else trainer.model
        for name, value in own.items():  # the trainer changed them: an engine takes the model for another one by that
            setattr(trained.config, name, value)
        trained.to(stored_dtype).save_pretrained(self.out)
        own_generation.to_json_file(self.out / "generation_config.json")
        turns.tokenizer.save_pretrained(self.out)
        checkpoints.remove()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        last = losses[-max(1, len(losses) // 10) :]
        lengths = [len(row["input_ids"]) for row in kept]
        return TrainingResult(
            num_rows=len(kept),
            num_too_long=num_too_long,
            num_tokens=round(sum(lengths) * trainer.state.epoch),
            mean_context=sum(length**2 for length in lengths) / sum(lengths),
            num_adapter_weights=num_adapter_weights,
            num_steps=result.global_step,
            loss=sum(last) / max(1, len(last)),
            seconds=checkpoints.seconds,
        )

    def _identity(self, rows: list[Row]) -> str:
        """A digest of everything that decides the trained weights, the model by its name."""
        content = hashlib.sha256(f"{self.model}\n{self.seed}\n{self.settings.model_dump_json()}\n".encode())
        for row in rows:
            for column in row.values():
                content.update(array("q", column))
        return content.hexdigest()

    def _arguments(self, num_rows: int):
        """trl's arguments for a recipe's section."""
        import torch
        from trl import SFTConfig

        settings, cuda = self.settings, torch.cuda.is_available()
        micro = settings.micro_batch_size or settings.batch_size
        num_steps = settings.steps or math.ceil(settings.epochs * math.ceil(num_rows / settings.batch_size))
        return SFTConfig(
            output_dir=str(self.out),
            max_steps=settings.steps or -1,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=settings.batch_size // micro,
            learning_rate=settings.learning_rate,
            warmup_steps=settings.warmup_steps,
            lr_scheduler_type="linear",
            max_length=settings.max_length,
            completion_only_loss=True,
            bf16=settings.precision == "bfloat16"
            or (settings.precision == "auto" and cuda and torch.cuda.is_bf16_supported()),
            use_cpu=not cuda,
            gradient_checkpointing=cuda,
            dataloader_pin_memory=cuda,
            seed=self.seed,
            # the largest number up to 10 that divides the steps: the last loss that is logged is that of the last steps
            logging_steps=next(every for every in range(min(10, num_steps), 0, -1) if num_steps % every == 0),
            save_strategy="no",  # when a checkpoint is due, its callback says so
            report_to="none",
            disable_tqdm=True,
        )


def training_row(turns: TurnFormat, example: TrainingExample) -> Row:
    """The tokens of an example, and which of them are learnt: the completion's, and none of the prompt's."""
    prompt, completion = turns.turn(example.prompt, example.completion, example.token_ids, example.ended)
    return {
        "input_ids": prompt.token_ids + completion,
        "completion_mask": [0] * len(prompt.token_ids) + [1] * len(completion),
    }


def _encoded(turns: TurnFormat, examples: Iterable[TrainingExample], max_length: int) -> tuple[list[Row], int]:
    """The rows to train on, and how many were too long; UserError if none is left."""
    rows = [training_row(turns, example) for example in examples]
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


def fit_by_command(command: str, model: str, shards: str, out: Path, checkpoint: Path) -> float:
    """Run the user's trainer, which leaves a model in {out}; the wall time in seconds. Its placeholders:

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


def _reporter(on_step: Callable[[int, int, float], None]):
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **rest):
            if logs and "loss" in logs:
                on_step(state.global_step, state.max_steps, logs["loss"])

    return Reporter()


def _printer():
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
