"""Training by trl's trainers: one code, for one process and for the workers of a Ray Train job.

In a worker the process group is there before `fit` begins; everything else follows from it. The weights are trained in 32
bits, computed in bfloat16 if the GPU has it, and stored as they were.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from selfplay.models.threads import fitting_threads
from selfplay.recipe.sections import Fitting, Lora, Sampling, Training
from selfplay.samplers.turns import load_turn_format
from selfplay.training.checkpoints import CHECKPOINT_SECONDS, Checkpoints
from selfplay.training.rows import AnyRow, Example, Shape, batches, encoded, num_steps, order_of
from selfplay.training.trainers import METHODS, Method

OnStep = Callable[[int, int, float], None]  # step, steps, loss in nats a token
# keys of a model's config that the trainer sets to suit itself
_ALIGNED = ("use_cache", "bos_token_id", "eos_token_id", "pad_token_id")
_WHERE = {"num_workers", "gpus_per_worker", "strategy"}  # keys that decide no weight but for rounding


@dataclass(frozen=True, slots=True)
class Fit:
    """Figures of the optimization itself."""

    num_steps: int
    num_adapter_weights: int  # trained beside frozen ones; 0: all weights were trained
    loss: float  # nats a token, mean of the last tenth of the steps
    seconds: float  # of a training that was killed: up to the checkpoint from which it went on
    num_workers: int = 1


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
    num_workers: int = 1  # processes that trained together


class Workers(Protocol):
    """Where a training runs, if not in this process."""

    def fit(self, job: "FineTuning", rows: list[AnyRow], on_step: OnStep) -> Fit:
        """The same as `job.fit(rows, on_step)`, by several processes."""


@dataclass(frozen=True, slots=True)
class FineTuning:
    """A training by one of trl's trainers: which model, how, and where the trained one goes."""

    model: str  # path or hub name
    out: Path  # folder of the trained model, which is whole when `run` returns
    settings: Fitting
    seed: int
    sampling: Sampling = field(default_factory=Sampling)  # how the samples' prompts were rendered
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    @property
    def method(self) -> Method:
        return METHODS[self.settings.method if isinstance(self.settings, Training) else "sft"]

    def run(self, examples: Iterable[Example], on_step: OnStep, workers: Workers | None = None) -> TrainingResult:
        """Learn the examples' completions, in this process or by workers.

        After a kill the same call goes on from the last checkpoint in `out`, to the same weights. `on_step(step, steps,
        loss)` is called as the training goes on. UserError if no example is left to train on.
        """
        rows, num_too_long = encoded(load_turn_format(self.model, self.sampling), examples, self.settings.max_length)
        checkpoints = self.checkpoints(rows)
        checkpoints.begin()
        done = workers.fit(self, rows, on_step) if workers else self.fit(rows, on_step)
        checkpoints.remove()
        lengths = [row.num_tokens for row in rows]
        return TrainingResult(
            num_rows=len(rows),
            num_too_long=num_too_long,
            num_tokens=sum(lengths[row] for step in batches(self.settings, len(rows), self.seed) for row in step),
            mean_context=sum(length**2 for length in lengths) / sum(lengths),
            num_adapter_weights=done.num_adapter_weights,
            num_steps=done.num_steps,
            loss=done.loss,
            seconds=done.seconds,
            num_workers=done.num_workers,
        )

    def checkpoints(self, rows: list[AnyRow]) -> Checkpoints:
        """The checkpoints of this training on these rows."""
        return Checkpoints(self.out, self._identity(rows), self.checkpoint_seconds)

    def fit(self, rows: list[AnyRow], on_step: OnStep) -> Fit:
        """Train in this process, which may be one of several that call it at the same time; the first one saves the model."""
        from transformers import set_seed

        _be_quiet()
        lora: Lora | None = getattr(self.settings, "lora", None)
        tokenizer = load_turn_format(self.model, self.sampling).tokenizer
        checkpoints, shape = self.checkpoints(rows), Shape.of(self.settings, num_workers())
        network, stored_dtype = load_for_training(self.model, lora)
        own = Own(network)
        set_seed(self.seed)  # the trainer does so too, but after the adapters were drawn
        trainer = self.method.trainer()(
            model=network,
            processing_class=tokenizer,
            train_dataset=self._dataset(rows, shape),
            callbacks=[reporter(on_step), checkpoints.callback()],
            args=self._arguments(len(rows), shape),
            peft_config=_adapters(lora) if lora else None,
        )
        trainer.pop_callback(_printer())
        with fitting_threads(trainer.model):
            trainer.train(resume_from_checkpoint=checkpoints.last or None)
        num_adapter_weights = (
            sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad) if lora else 0
        )
        start = Averaged(self.model, self.settings.start_share if isinstance(self.settings, Training) else 0.0)
        own.save(trainer, self.out, stored_dtype, tokenizer, start)
        return Fit(
            trainer.state.global_step, num_adapter_weights, last_loss(trainer), checkpoints.seconds, shape.num_workers
        )

    def _identity(self, rows: list[AnyRow]) -> str:
        """A digest of everything that decides the trained weights, the model by its name."""
        settings = self.settings.model_dump_json(exclude=_WHERE)
        content = hashlib.sha256(f"{self.model}\n{self.seed}\n{settings}\n".encode())
        for row in rows:
            for column in row:
                content.update(f"{len(column)}\n".encode())
                content.update(column.tobytes())
        return content.hexdigest()

    def _dataset(self, rows: list[AnyRow], shape: Shape) -> Any:
        """The rows in the order of all steps, as the trainer reads them one after the other."""
        import datasets

        steps, lengths = batches(self.settings, len(rows), self.seed), [row.num_tokens for row in rows]
        filler = [self.method.empty] if self.method.empty else []
        stored = datasets.Dataset.from_list([*(row.as_columns() for row in rows), *filler])
        ordered = stored.select(order_of(steps, lengths, shape, empty=len(rows) if filler else None))
        return self.method.finish(ordered, shape)

    def _arguments(self, num_rows: int, shape: Shape) -> Any:
        """trl's arguments for a recipe's section."""
        common = common_arguments(self, num_steps(self.settings, num_rows), shape)
        return self.method.arguments(self.settings, common | {"max_length": self.settings.max_length})


def common_arguments(job: FineTuning, steps: int, shape: Shape) -> dict[str, Any]:
    """Arguments that every trainer of trl takes."""
    import torch

    settings, cuda = job.settings, torch.cuda.is_available()
    strategy = settings.strategy if isinstance(settings, Training) else "ddp"
    wanted = settings.gradient_checkpointing
    saves_memory = cuda if wanted == "gpu" else wanted == "always"
    sharded = strategy == "fsdp" and shape.num_workers > 1
    return {
        "output_dir": str(job.out),
        "max_steps": steps,
        "per_device_train_batch_size": shape.micro,
        "gradient_accumulation_steps": shape.accumulation,
        "train_sampling_strategy": "sequential",  # the order is that of the data set
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "lr_scheduler_type": "linear",
        "bf16": settings.precision == "bfloat16"
        or (settings.precision == "auto" and cuda and torch.cuda.is_bf16_supported()),
        "use_cpu": not cuda,
        "ddp_backend": ("nccl" if cuda else "gloo") if shape.num_workers > 1 else None,
        "ddp_find_unused_parameters": False,
        "fsdp": sharded,
        "fsdp_config": {"activation_checkpointing": saves_memory} if sharded else None,
        "gradient_checkpointing": saves_memory and not sharded,  # FSDP has its own
        "dataloader_pin_memory": cuda,
        "seed": job.seed,
        # the largest number up to 10 that divides the steps: the last loss that is logged is that of the last steps
        "logging_steps": next(every for every in range(min(10, steps), 0, -1) if steps % every == 0),
        "save_strategy": "no",  # when a checkpoint is due, its callback says so
        "report_to": "none",
        "disable_tqdm": True,
    }


class Own:
    """What a model says of itself, which the trainer changes: engines must find it as it was."""

    def __init__(self, network: Any):
        from transformers import GenerationConfig

        self._config = {name: getattr(network.config, name, None) for name in _ALIGNED}
        self._generation = network.generation_config
        # some checkpoints hold parameters of generation that transformers refuses to save
        network.generation_config = GenerationConfig(eos_token_id=self._generation.eos_token_id)

    def save(self, trainer: Any, out: Path, dtype: Any, tokenizer: Any, start: "Averaged") -> None:
        """Save what was trained, in its stored type, with adapters merged. Every process must call it; the first one writes."""
        if trainer.is_fsdp_enabled:
            weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # by all processes
        if not trainer.is_world_process_zero():
            return
        trained = trainer.model.merge_and_unload() if hasattr(trainer.model, "merge_and_unload") else trainer.model
        for name, value in self._config.items():
            setattr(trained.config, name, value)
        if trainer.is_fsdp_enabled:
            start.mix_into(weights)
            trained.config.dtype = dtype
            trained.save_pretrained(out, state_dict={name: weight.to(dtype) for name, weight in weights.items()})
        else:
            start.mix_into(trained.state_dict())
            trained.to(dtype).save_pretrained(out)
        self._generation.to_json_file(out / "generation_config.json")
        tokenizer.save_pretrained(out)


@dataclass(frozen=True, slots=True)
class Averaged:
    """The weights that a training started from, and their share in what it saves (WARP, Ramé et al. 2024, averages so)."""

    model: str
    share: float

    def mix_into(self, weights: dict[str, Any]) -> None:
        """Average the weights in place."""
        from transformers import AutoModelForCausalLM

        if self.share:
            start = AutoModelForCausalLM.from_pretrained(self.model, dtype="float32").state_dict()
            for name, weight in weights.items():
                weight.data.lerp_(start[name].to(weight), self.share)


def num_workers() -> int:
    """Processes that train together, this one included."""
    import torch.distributed as group

    return group.get_world_size() if group.is_available() and group.is_initialized() else 1


def load_for_training(model: str, lora: Lora | None) -> tuple[Any, Any]:
    """The model to train, and the type in which its weights are stored.

    All weights are trained in 32 bits, whatever they are stored in: a step of 1e-5 is lost in the 8 bits of a bfloat16.
    Frozen ones stay as they are, and their adapters have 32 bits.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    stored = AutoConfig.from_pretrained(model).dtype or torch.float32
    return AutoModelForCausalLM.from_pretrained(model, dtype=stored if lora else torch.float32), stored


def last_loss(trainer: Any) -> float:
    """The mean loss of the last tenth of the steps that were logged."""
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / max(1, len(last))


def reporter(on_step: OnStep) -> Any:
    """A callback that reports the loss as the training goes on."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **rest):
            if logs and "loss" in logs and state.is_world_process_zero:
                on_step(state.global_step, state.max_steps, logs["loss"])

    return Reporter()


def _adapters(lora: Lora) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets or "all-linear",
        task_type="CAUSAL_LM",
    )


def _be_quiet() -> None:
    import datasets
    from transformers.utils.logging import disable_progress_bar

    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    datasets.disable_progress_bars()
    disable_progress_bar()


def _printer() -> Any:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
