"""The corpus that the first model was made of: the one of [pretraining], or a file that the recipe names."""

import random
from collections.abc import Iterator, Sequence

from selfplay.recipe.sections import Mix, Recipe
from selfplay.seeds import number_of
from tasks import UserError, load
from tasks.sources.arithmetic import organic_corpus
from tasks.sources.countdown import organic_corpus as search_traces
from tasks.sources.datasets import rows_of
from tasks.sources.operators import organic_corpus as operator_corpus
from tasks.task import Message
from verifiers import verifier_of

Row = tuple[Sequence[Message], str]  # prompt and completion


def corpus_of(recipe: Recipe) -> Iterator[Row]:
    """The rows that [selection.mix] draws from, the same ones each time."""
    return _stored(recipe.selection.mix) if recipe.selection.mix.path else pretraining_corpus(recipe)


def pretraining_corpus(recipe: Recipe) -> Iterator[Row]:
    """All rows that pretraining was given."""
    settings = recipe.pretraining
    number, num_rows = number_of(recipe.seed, "corpus"), settings.steps * settings.batch_size
    if settings.corpus == "solutions":
        yield from _solutions(recipe, num_rows, number)
        return
    if settings.corpus == "countdown":
        drawn_by = ("counts", "smallest", "largest", "target", "most")
        options = {key: value for key, value in recipe.tasks.options.items() if key in drawn_by}
        rows = search_traces(num_rows, number, settings.corruption, **options)
    elif settings.corpus == "operators":
        rows = operator_corpus(num_rows, number, settings.corruption)
    else:
        rows = organic_corpus(num_rows, number, settings.corruption, settings.redundancy)
    for prompt, text in rows:
        yield _messages(prompt), text


def _solutions(recipe: Recipe, num_rows: int, number: int) -> Iterator[Row]:
    """Tasks of the recipe's source, as many as it asks for but drawn by another seed, with their own solutions. A share of
    the solutions is another task's.
    """
    options = recipe.tasks.options | {"seed": number % 2**31}
    rows = []
    for task in load(recipe.tasks.source, **options):
        verifier = verifier_of(task.reference)
        answer = verifier.own_answer(task.reference)
        solution = verifier.own_solution(task) or (f"####{answer}" if answer is not None else "")
        if not solution:
            raise UserError(f'[pretraining] corpus = "solutions": the source {recipe.tasks.source} holds no solutions')
        rows.append((task.prompt, solution))
    rng = random.Random(number)
    for _ in range(num_rows):
        prompt, solution = rng.choice(rows)
        yield prompt, rng.choice(rows)[1] if rng.random() < recipe.pretraining.corruption else solution


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
