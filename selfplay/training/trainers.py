"""Methods of training: the trainer of trl for each, on rows that are tokens already.

sft learns accepted traces. dpo prefers each to a wrong trace of its task (Rafailov et al. 2023), kto learns which traces are
right and which are wrong (Ethayarajh et al. 2024); both hold the model near the one that they start from, more so with a
larger `beta`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selfplay.recipe.sections import Fitting
from selfplay.training.rows import UNLEARNT, Shape

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to learn from rows."""

    trainer: Callable[[], type]  # trl's class
    arguments: Callable[
        [Fitting, Arguments], Any
    ]  # trl's arguments, from the section and those that all trainers share
    empty: Arguments | None = (
        None  # a row of which nothing is learnt; None: there is none, since the loss is a mean over rows
    )
    finish: Callable[[Any, Shape], Any] = lambda dataset, shape: dataset  # columns that depend on the order of the rows


def _sft_trainer() -> type:
    from trl import SFTTrainer

    return SFTTrainer


def _sft_arguments(settings: Fitting, common: Arguments) -> Any:
    from trl import SFTConfig

    # rows are tokens, and cut nowhere
    return SFTConfig(completion_only_loss=True, dataset_kwargs={"skip_prepare_dataset": True}, **common)


def _dpo_trainer() -> type:
    from trl import DPOTrainer

    return _on_tokens(DPOTrainer)


def _dpo_arguments(settings: Any, common: Arguments) -> Any:
    from trl import DPOConfig

    return DPOConfig(beta=settings.beta, **common)


def _kto_trainer() -> type:
    from trl import KTOTrainer

    return _on_tokens(KTOTrainer)


def _kto_arguments(settings: Any, common: Arguments) -> Any:
    from trl import KTOConfig

    return KTOConfig(beta=settings.beta, **common)


def _with_other_completions(dataset: Any, shape: Shape) -> Any:
    """KTO estimates its reference point from prompts with the completion of another row of their micro batch."""
    completions = dataset["completion_ids"][:]
    others: list[list[int]] = []
    for start in range(0, len(completions), shape.micro):
        batch = completions[start : start + shape.micro]
        others += [batch[-1], *batch[:-1]]
    return dataset.add_column("KL_completion_ids", others)


def _on_tokens(trainer: type) -> type:
    """The trainer without its preparation of rows, which would encode their texts anew: they are the sampled tokens."""

    class OnTokens(trainer):  # type: ignore[misc, valid-type]
        def _prepare_dataset(self, dataset: Any, *rest: Any) -> Any:
            return dataset

    return OnTokens


METHODS = {  # recipe/sections.py holds the same names
    "sft": Method(_sft_trainer, _sft_arguments, empty={"input_ids": [0], "labels": [UNLEARNT]}),
    "dpo": Method(_dpo_trainer, _dpo_arguments),
    "kto": Method(_kto_trainer, _kto_arguments, finish=_with_other_completions),
}
