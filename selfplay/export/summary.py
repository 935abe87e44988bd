"""The figures of an export that its dataset card states."""

from collections import Counter
from dataclasses import dataclass, field

from selfplay.export.formats import Selected
from selfplay.records import ACCEPTED
from selfplay.selection.filters import wrong_step
from verifiers import Outcome


@dataclass
class Summary:
    """Counts of the traces of an export."""

    num_rows: int = 0
    files: list[str] = field(default_factory=list)
    num_tasks: int = 0  # of the run
    num_traces: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    selections: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)  # exported or not: traces of each source
    licenses: Counter[str] = field(default_factory=Counter)
    verifiers: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    deciders: set[str] = field(default_factory=set)  # verifiers with a decided verdict
    num_wrong_steps: int = 0  # accepted traces with an equation that does not hold
    source_tasks: Counter[str] = field(default_factory=Counter)  # tasks that have a decided trace, by source
    source_rates: Counter[str] = field(default_factory=Counter)  # and the sum of their pass rates

    @property
    def num_decided_tasks(self) -> int:
        return self.source_tasks.total()

    @property
    def pass_rates(self) -> float:
        """The sum over all sources."""
        return self.source_rates.total()

    def count(self, group: list[Selected]) -> None:
        self.num_tasks += 1
        self.num_traces += len(group)
        decided = [trace for trace, _ in group if trace.verdict.outcome is not Outcome.UNDECIDED]
        task = group[0][0].task
        if decided:
            self.source_tasks[task.source] += 1
            self.source_rates[task.source] += sum(trace.verdict.outcome is Outcome.CORRECT for trace in decided) / len(
                decided
            )
        self.deciders.update(trace.verdict.verifier for trace in decided)
        self.sources[task.source] += len(group)
        self.licenses[str(task.metadata.get("license") or "unknown")] += len(group)
        for trace, selection in group:
            self.outcomes[str(trace.verdict.outcome)] += 1
            self.reasons[str(trace.verdict.reason)] += 1
            self.verifiers[trace.verdict.verifier] += 1
            self.models[trace.sample.model] += 1
            self.selections[selection] += 1
            self.num_wrong_steps += selection == ACCEPTED and wrong_step(trace)
