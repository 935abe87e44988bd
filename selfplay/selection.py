"""Selection: which traces of a round become training data, and why the others do not."""

from collections import Counter
from collections.abc import Iterable, Iterator

from selfplay.recipe import Selection
from selfplay.records import Trace
from verifiers import Outcome

ACCEPTED = "accepted"


def select(traces: Iterable[Trace], settings: Selection) -> Iterator[tuple[Trace, str]]:
    """Every trace with `accepted` or the reason of its rejection, in the order given.

    Traces of one task must follow each other. A task's first traces are kept, by index, so that what is kept does not
    depend on when a verdict arrived.
    """
    kept: Counter[str] = Counter()
    texts: set[str] = set()
    present = ""
    for trace in traces:
        if trace.task.id != present:
            present = trace.task.id
            texts.clear()
        reason = _rejection(trace, settings, kept[present], texts)
        if not reason:
            kept[present] += 1
            texts.add(trace.sample.text)
        yield trace, reason or ACCEPTED


def _rejection(trace: Trace, settings: Selection, num_kept: int, texts: set[str]) -> str:
    if settings.verified and trace.verdict.outcome is not Outcome.CORRECT:
        return str(trace.verdict.outcome)
    if trace.sample.finish_reason == "failed":
        return "no_sample"
    if settings.drop_duplicates and trace.sample.text in texts:
        return "duplicate"
    if settings.max_traces_per_task and num_kept >= settings.max_traces_per_task:
        return "max_traces_per_task"
    return ""
