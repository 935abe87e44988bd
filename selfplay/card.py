"""The dataset card of an export: what the rows are, where they came from, and how far they can be trusted."""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selfplay.export import Summary

_HUB_LICENSES = {"MIT": "mit", "Apache-2.0": "apache-2.0", "CC-BY-4.0": "cc-by-4.0", "CC0-1.0": "cc0-1.0"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))
_ROWS = {
    "sft": "`prompt` and `completion`, as text: accepted traces.",
    "chat": "`messages`, with `task_id` and `source`: accepted traces.",
    "dpo": "`prompt`, `chosen`, `rejected`: an accepted trace against a wrong one of the same task, the nearest in length.",
    "kto": "`prompt`, `completion`, `label`: accepted traces (true) and wrong ones (false).",
    "prm": "`prompt`, `completions` (steps), `labels`: a step is false from the first wrong equation on.",
    "verl": "`data_source`, `prompt`, `ability`, `reward_model.ground_truth`, `extra_info`: one row a task.",
    "openai": "`messages`: accepted traces.",
}


def card(summary: "Summary", name: str, file: str) -> str:
    """Markdown with the front matter that the Hugging Face hub and `datasets.load_dataset` read."""
    undecided = summary.outcomes["undecided"]
    decided = summary.num_traces - undecided
    rate = summary.pass_rates / summary.num_decided_tasks if summary.num_decided_tasks else 0.0
    step = summary.selections["wrong_step"]
    front = [
        "---",
        f"license: {_license(summary.licenses)}",
        f"size_categories:\n- {next((size for most, size in _SIZES if summary.num_rows < most), 'n>10M')}",
        "tags:\n- synthetic\n- reasoning\n- selfplay",
        f"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {file}",
        "---",
    ]
    body = [
        f"# {name}, as {summary.format}",
        f"{summary.num_rows:,} rows in `{file}`: {_ROWS[summary.format]}",
        "## Where it comes from",
        f"A model sampled {summary.num_traces:,} completions for {summary.num_tasks:,} tasks; a verifier checked each one.",
        _table("source", summary.sources) + "\n\n" + _table("license of the tasks", summary.licenses),
        _table("sampled model", summary.models),
        "## What the checks said",
        f"Of {decided:,} decided traces {summary.outcomes['correct']:,} are correct. The mean pass rate of a task is {rate:.3f}.",
        _table("outcome", summary.outcomes) + "\n\n" + _table("reason", summary.reasons),
        _table("verifier", summary.verifiers),
        "## How far to trust it",
        f"- {_share(undecided, summary.num_traces)} of the traces could not be decided; they are in no row.\n"
        f"- {_share(step, summary.outcomes['correct'])} of the correct traces reach a right answer over an equation that does not hold; they are"
        " rejected where the recipe checks steps.\n"
        "- A verdict is about the final answer or the tests. The verifier's own error rates on labelled cases (accepted though wrong, rejected"
        " though right) are those of the version named above; its project publishes them with the command that measures them.",
        "## What selection did",
        _table("selection", summary.selections),
    ]
    return "\n".join(front) + "\n\n" + "\n\n".join(body) + "\n"


def _license(licenses: Counter[str]) -> str:
    only = next(iter(licenses)) if len(licenses) == 1 else ""
    return _HUB_LICENSES.get(only, "unknown" if only == "unknown" else "other")


def _table(title: str, counts: Counter[str]) -> str:
    rows = [f"| {str(name).replace('|', '/').replace(chr(10), ' ')} | {count:,} |" for name, count in counts.most_common()]
    return "\n".join([f"| {title} | traces |", "|---|---|", *rows])


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.2%})" if whole else "none"
