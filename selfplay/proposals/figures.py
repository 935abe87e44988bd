"""Figures of a round's proposals: what the gate refused, how different the tasks are, what was tried and solved."""

from collections import Counter
from pathlib import Path
from typing import Any

from selfplay.proposals.families import effective_number, tokens_of
from selfplay.proposals.kinds import make_kind
from selfplay.proposals.pool import PROPOSALS, Tried, read_jsonl, write_pool
from selfplay.proposals.proposal import ADMITTED, Trust
from selfplay.recipe.sections import Recipe


def figures_of(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """The figures of a sampled round, as metrics.json holds them; its pool is written too."""
    rows, tried = read_jsonl(folder / PROPOSALS), write_pool(folder)
    admitted = [row for row in rows if row["reason"] == ADMITTED]
    readable = [tokens_of(row["task"]["prompt"][-1]["content"]) for row in rows if row["task"]]
    own = [row for row in admitted if row["trust"] == Trust.OWN]
    return {
        "num_proposals": len(rows),
        "tokens": sum(row["tokens"] for row in rows),
        "reasons": dict(Counter(row["reason"] for row in rows).most_common()),
        "by_kind": {
            kind: {"num_proposals": count, "num_admitted": sum(row["kind"] == kind for row in admitted)}
            for kind, count in sorted(Counter(row["kind"] for row in rows).items())
        },
        "trust": dict(Counter(row["trust"] for row in admitted)),
        "num_known_wrong": sum(
            bool(row["detail"]) for row in own
        ),  # of the references that are the model's own answers
        "unique_share": len(set(readable)) / len(readable) if readable else 0.0,  # of the proposals that read as tasks
        **_of_tried(recipe, tried),
    }


def summary(figures: dict[str, Any]) -> str:
    """One line of progress."""
    refused = ", ".join(f"{count} {name}" for name, count in figures["reasons"].items() if name != ADMITTED)
    wrong = f", {figures['num_known_wrong']} references known to be wrong" if figures["num_known_wrong"] else ""
    return (
        f"{figures['reasons'].get(ADMITTED, 0)} of {figures['num_proposals']} proposals admitted"
        f"{f' (refused: {refused})' if refused else ''}, {figures['unique_share']:.0%} of those that read are different, "
        f"{figures['effective_families']:.0f} effective families, {figures['num_unsolved']} of {figures['num_tried']} tried and never solved{wrong}"
    )


def _of_tried(recipe: Recipe, tried: list[Tried]) -> dict[str, Any]:
    """Of the sampled tasks: how many, what they are made of, and how often each length is solved."""
    assert recipe.proposer is not None
    kind = make_kind(recipe.proposer.shares.popitem()[0], recipe.tasks.source)
    proposed = [one for one in tried if one.provenance]
    families = Counter(name for one in proposed for name in kind.families(one.task))
    forms: dict[int, list[float]] = {}
    for one in tried:
        forms.setdefault(kind.form(one.task), []).append(one.rate)
    return {
        "num_tried": len(proposed),
        "num_seeds": len(tried) - len(proposed),
        "num_unsolved": sum(one.rate == 0 for one in proposed),
        "effective_families": effective_number(families),
        "by_form": {
            str(form): {"num_tasks": len(rates), "solve_rate": sum(rates) / len(rates)}
            for form, rates in sorted(forms.items())
        },
    }
