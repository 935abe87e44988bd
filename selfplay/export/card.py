"""The dataset card of an export: what the rows are, where they came from, and how far they can be trusted."""

from collections import Counter
from typing import Any

from selfplay.estimators.intervals import wilson
from selfplay.export.formats import Format
from selfplay.export.summary import Summary
from verifiers.error_rates import rates_of

_HUB_LICENSES = {"MIT": "mit", "Apache-2.0": "apache-2.0", "CC-BY-4.0": "cc-by-4.0", "CC0-1.0": "cc0-1.0"}
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


_AUDITED = {
    "false_accepts_of_accepted": "accepted traces have a wrong answer",
    "broken_of_accepted": "accepted traces stand on a broken task",
    "false_accepts": "correct verdicts are wrong",
    "false_rejects": "wrong verdicts are right",
}


def card(format: Format, summary: Summary, name: str, audit: dict[str, Any] | None = None) -> str:
    """Markdown with the front matter that the Hugging Face hub and `datasets.load_dataset` read.

    audit: the findings of the run's own audit; None if it had none.
    """
    undecided = summary.outcomes["undecided"]
    decided = summary.num_traces - undecided
    rate = summary.pass_rates / summary.num_decided_tasks if summary.num_decided_tasks else 0.0
    step = summary.selections["wrong_step"]
    front = [
        "---",
        f"license: {_license(summary.licenses)}",
        f"size_categories:\n- {next((size for most, size in _SIZES if summary.num_rows < most), 'n>10M')}",
        "tags:\n- synthetic\n- reasoning\n- selfplay",
        f"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {format.writer.file}",
        "---",
    ]
    body = [
        f"# {name}, as {format.name}",
        f"{summary.num_rows:,} rows in `{format.writer.file}`: {format.described}",
        "## How to read it",
        format.readers,
        "## Where it comes from",
        f"A model sampled {summary.num_traces:,} completions for {summary.num_tasks:,} tasks; a verifier checked each one.",
        _sources(summary) + "\n\n" + _table("license of the tasks", summary.licenses),
        _table("sampled model", summary.models),
        "## What the checks said",
        f"Of {decided:,} decided traces {summary.outcomes['correct']:,} are correct. The mean pass rate of a task is {rate:.3f}.",
        _table("outcome", summary.outcomes) + "\n\n" + _table("reason", summary.reasons),
        _table("verifier", summary.verifiers),
        "## How far to trust it",
        f"- {_share(undecided, summary.num_traces)} of the traces could not be decided; they are in no row.\n"
        f"- {_share(step, summary.outcomes['correct'])} of the correct traces reach a right answer over an equation that does not hold; they are"
        " rejected if the recipe checks steps.\n"
        f"- {_share(summary.num_wrong_steps, summary.selections['accepted'])} of the accepted traces hold such an equation.\n"
        + "\n".join([_audited(audit), *map(_errors, sorted(summary.deciders))]),
        "## What selection did",
        _table("selection", summary.selections),
    ]
    return "\n".join(front) + "\n\n" + "\n\n".join(body) + "\n"


def _audited(audit: dict[str, Any] | None) -> str:
    """How often verdicts of this very run are wrong, by people who judged a random draw."""
    if audit is None:
        return "- Nobody has audited this run; `selfplay audit RUN --draw 200` begins one. The figures below are of other cases."
    lines = [
        f"- {rate['value']:.2%} of the {name} (95% interval {rate['low']:.2%} to {rate['high']:.2%}; {rate['num_faults']} of"
        f" {rate['num_judged']} that were judged, out of {rate['num_traces']:,})."
        for key, name in _AUDITED.items()
        if (rate := audit.get(key))
    ]
    people = f"{audit['labellers']} {'person' if audit['labellers'] == 1 else 'people'}"
    return "\n".join(
        [f"- This run was audited: {people} judged {audit['num_judged']} traces, drawn at random.", *lines]
    )


def _errors(verifier: str) -> str:
    """How often a verifier errs, as far as it was measured."""
    rates = rates_of(verifier)
    if rates is None:
        return f"- How often `{verifier}` errs was not measured: a verdict of it is about the final answer or the tests, and no more is known."
    return (
        f"- `{verifier}` accepted {_interval(rates.accepted, rates.wrong, 'wrong')} and rejected"
        f" {_interval(rates.rejected, rates.right, 'right')}: {rates.cases}{f' (`{rates.command}`)' if rates.command else ''}. On other cases expect more than the share seen; the intervals say how much these prove."
    )


def _interval(errors: int, total: int, kind: str) -> str:
    low, high = wilson(errors / total, total, 0.95)
    return f"{errors} of {total} {kind} cases (95% interval {low:.2%} to {high:.2%})"


def _sources(summary: Summary) -> str:
    rows = [
        f"| {_cell(name)} | {summary.source_tasks[name]:,} | {count:,} | {summary.source_rates[name] / (summary.source_tasks[name] or 1):.3f} |"
        for name, count in summary.sources.most_common()
    ]
    return "\n".join(["| source | tasks with a decided trace | traces | mean pass rate |", "|---|---|---|---|", *rows])


def _cell(text: str) -> str:
    return str(text).replace("|", "/").replace("\n", " ")


def _license(licenses: Counter[str]) -> str:
    only = next(iter(licenses)) if len(licenses) == 1 else ""
    return _HUB_LICENSES.get(only, "unknown" if only == "unknown" else "other")


def _table(title: str, counts: Counter[str]) -> str:
    rows = [f"| {_cell(name)} | {count:,} |" for name, count in counts.most_common()]
    return "\n".join([f"| {title} | traces |", "|---|---|", *rows])


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.2%})" if whole else "none"
