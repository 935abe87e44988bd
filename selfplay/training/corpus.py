"""The corpus that the first model was made of: the one of [pretraining], or a file that the recipe names."""

from collections.abc import Iterator, Sequence

from selfplay.recipe.sections import Mix, Recipe
from selfplay.seeds import number_of
from tasks import UserError
from tasks.sources.arithmetic import organic_corpus
from tasks.sources.datasets import rows_of
from tasks.task import Message

Row = tuple[Sequence[Message], str]  # prompt and completion


def corpus_of(recipe: Recipe) -> Iterator[Row]:
    """The rows that [selection.mix] draws from, the same ones each time."""
    return _stored(recipe.selection.mix) if recipe.selection.mix.path else pretraining_corpus(recipe)


def pretraining_corpus(recipe: Recipe) -> Iterator[Row]:
    """All rows that pretraining was given."""
    settings = recipe.pretraining
    number = number_of(recipe.seed, "corpus")
    for prompt, text in organic_corpus(
        settings.steps * settings.batch_size, number, settings.corruption, settings.redundancy
    ):
        yield _messages(prompt), text


def _stored(mix: Mix) -> Iterator[Row]:
    for number, row in enumerate(rows_of(mix.path), 1):
        prompt, completion = row.get(mix.prompt), row.get(mix.completion)
        if not prompt or not isinstance(completion, str):
            raise UserError(
                f'{mix.path}, row {number}: a prompt in column "{mix.prompt}" and text in column "{mix.completion}" are needed; '
                f"it has {', '.join(row)}. Name the columns in [selection.mix]"
            )
        yield _messages(prompt) if isinstance(prompt, str) else prompt, completion


def _messages(prompt: str) -> Sequence[Message]:
    return ({"role": "user", "content": prompt},)
