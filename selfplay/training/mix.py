"""Further training rows against collapse: a share of earlier rounds, and of the corpus.

A model that learns only from its last self forgets what that one happened not to write; a share of what came before
keeps it (Shumailov et al. 2024 on the collapse, Gerstgrasser et al. 2024 on what a share of the first data prevents).
The rows are written as shards of the kind "mixed". Their column `selection` says where they are from; a row of an
earlier round is as it was in that round's shard, one of the corpus has a prompt and a completion, and no verdict. A round
keeps the rows that it took from the corpus, so that its shards are made again also where the corpus is edited or lost.
"""

import heapq
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from selfplay.layout import CORPUS_ROWS, round_folder
from selfplay.recipe.sections import Mix, Recipe
from selfplay.records import ACCEPTED
from selfplay.seeds import number_of
from selfplay.selection.decontamination import Contamination
from selfplay.shards.files import MIXED, read_rows
from selfplay.shards.schema import SCHEMA
from selfplay.training.corpus import Row, corpus_of
from tasks.task import Message

EARLIER, CORPUS, LESSONS = "earlier_rounds", "corpus", "lessons"


def mixed_rows(
    recipe: Recipe,
    index: int,
    run: Path,
    num_accepted: int,
    contamination: Contamination | None,
    lessons: Iterable[Row] = (),
) -> Iterator[dict[str, Any]]:
    """The rows that round `index` of the folder `run` adds to its accepted traces; the same rows each time.

    `lessons` teach to propose tasks, as many as `num_wanted` says.
    """
    wanted = num_wanted(recipe, index, num_accepted)
    yield from _earlier(recipe, index, run, wanted[EARLIER])
    taken = _of_corpus(recipe, index, wanted[CORPUS], contamination)
    yield from _kept(taken, round_folder(run, index) / CORPUS_ROWS, {"recipe": recipe.digest, "num": wanted[CORPUS]})
    yield from (_row_of(f"{LESSONS}/{place}", LESSONS, *lesson) for place, lesson in enumerate(lessons))


def _kept(rows: Iterator[dict[str, Any]], path: Path, key: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows, kept at `path` if nothing is; what is kept there in their place, if it was taken by the same key."""
    if not key["num"]:
        return
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("w", encoding="utf-8") as file:
            for line in chain([key], rows):
                file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines) if json.loads(next(lines)) == key else rows


def num_wanted(recipe: Recipe, index: int, num_accepted: int) -> dict[str, int]:
    """Rows of each kind that give the recipe's shares of all rows trained on."""
    mix, proposer = recipe.selection.mix or Mix(), recipe.proposer
    learn = proposer.learn if proposer else 0.0
    shares = {EARLIER: mix.earlier_rounds if index else 0.0, CORPUS: mix.corpus, LESSONS: learn}
    num_own = min(num_accepted, recipe.training.num_rows or num_accepted)
    return {kind: round(num_own * share / (1.0 - sum(shares.values()))) for kind, share in shares.items()}


def mix_metrics(recipe: Recipe, index: int, num_accepted: int, shards: Path) -> dict[str, Any]:
    """Rows trained on and rows asked for, by origin; fewer were found if there were no more."""
    wanted = num_wanted(recipe, index, num_accepted)
    rounds: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for row in read_rows(shards, MIXED, ["selection", "round"]):
        found[row["selection"]] += 1
        if row["selection"] == EARLIER:
            rounds[str(row["round"])] += 1
    return {
        "num_own": min(num_accepted, recipe.training.num_rows or num_accepted),
        EARLIER: {"num_wanted": wanted[EARLIER], "num_rows": found[EARLIER], "by_round": dict(sorted(rounds.items()))},
        CORPUS: {"num_wanted": wanted[CORPUS], "num_rows": found[CORPUS]},
        LESSONS: {"num_wanted": wanted[LESSONS], "num_rows": found[LESSONS]},
    }


def mix_in_words(metrics: dict[str, Any]) -> str:
    """One line of progress."""
    parts = [f"{metrics['num_own']:,} rows of its own"]
    for kind, name in ((EARLIER, "of earlier rounds"), (CORPUS, "of the corpus"), (LESSONS, "that teach to propose")):
        rows, wanted = (metrics.get(kind, {}).get(key, 0) for key in ("num_rows", "num_wanted"))
        if wanted:
            parts.append(f"{rows:,} {name}" + (f" ({wanted:,} asked for: there are no more)" if rows < wanted else ""))
    return f"trained on {', '.join(parts)}"


def _earlier(recipe: Recipe, index: int, run: Path, num: int) -> Iterator[dict[str, Any]]:
    folders = [round_folder(run, number) / "shards" for number in range(index)] if num else []
    columns = ["round", "task_id", "sample_index"]
    keys = (tuple(row[name] for name in columns) for folder in folders for row in read_rows(folder, ACCEPTED, columns))
    chosen = _chosen(keys, num, lambda key: number_of(recipe.seed, "mix", index, *key))
    rows = (row for folder in folders for row in read_rows(folder, ACCEPTED))
    return (row | {"selection": EARLIER} for place, row in enumerate(rows) if place in chosen)


def _of_corpus(recipe: Recipe, index: int, num: int, contamination: Contamination | None) -> Iterator[dict[str, Any]]:
    """Rows of the corpus as rows of a shard, without those that copy an evaluation task."""
    keys = (place for place, _ in enumerate(corpus_of(recipe)))
    chosen = _chosen(keys, num, lambda place: number_of(recipe.seed, "mix", index, CORPUS, place))
    for place, (prompt, completion) in enumerate(corpus_of(recipe)):
        if place not in chosen:
            continue
        if contamination and contamination.match("\n".join(message["content"] for message in prompt)):
            continue
        yield _row_of(f"{CORPUS}/{place}", CORPUS, prompt, completion)


def _row_of(name: str, origin: str, prompt: Sequence[Message], completion: str) -> dict[str, Any]:
    """A row of a shard with a prompt, a completion and no verdict."""
    empty = dict.fromkeys(SCHEMA.names) | {"source": origin, "license": "", "reference": "null", "metadata": "{}"}
    row = {"task_id": name, "prompt": list(prompt), "completion": completion, "token_ids": []}
    return empty | row | {"finish_reason": "stop", "selection": origin}


def _chosen(keys: Iterable[Any], num: int, bits_of: Callable[[Any], int]) -> set[int]:
    """The places of `num` keys, by chance: those with the smallest bits."""
    drawn = ((bits_of(key), place) for place, key in enumerate(keys))
    return {place for _, place in heapq.nsmallest(num, drawn)}
