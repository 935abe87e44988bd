"""The progress line of a sampling pass, and its timing when it has ended."""

from selfplay.allocation import RULES, Allocation, Extent
from selfplay.driver.executor import Observer
from selfplay.driver.stats import PassStats
from selfplay.progress import Show, duration, quantity
from verifiers import Outcome

SILENT_SECONDS = 30.0  # without anything from any engine, before the line says so


def shown_by(show: Show, rule: Allocation, num_tasks: int = 0) -> Observer:
    """An observer of a pass that shows its progress line; `num_tasks` in the whole stream, 0 if nobody knows."""
    show("reading the journal")
    return lambda stats: show(progress_line(stats, rule, num_tasks))


def share_done(stats: PassStats, rule: Allocation, num_tasks: int) -> float:
    """The share of a pass that is done, from 0 to 1; 0 if it cannot be known."""
    extent = Extent(
        num_tasks,
        stats.num_complete_tasks,
        stats.num_resumed + stats.num_samples,
        stats.num_resumed_tokens + stats.num_tokens,
    )
    share = RULES[rule.rule].progress(rule, extent)
    return min(1.0, max(share, num_correct(stats) / rule.total_accepted)) if rule.total_accepted else share


def num_correct(stats: PassStats) -> int:
    """Correct samples, resumed ones included."""
    return stats.num_resumed_correct + stats.outcomes[Outcome.CORRECT]


def progress_line(stats: PassStats, rule: Allocation, num_tasks: int = 0) -> str:
    """One line of progress; `num_tasks` in the whole stream, 0 where nobody knows."""
    elapsed, new = stats.elapsed_seconds, stats.num_samples
    whole = 0 if rule.total_accepted else RULES[rule.rule].num_samples(rule, num_tasks)
    parts = [f"{quantity(stats.num_resumed + new)}{f' of {quantity(whole)}' if whole else ''} samples"]
    if stats.num_resumed:
        parts.append(f"{quantity(stats.num_resumed)} of them resumed")
    if stats.num_damaged:
        parts.append(f"{stats.num_damaged} damaged rows drawn again")
    if stats.started:  # until then no task of the journal is read
        goal = f" of {quantity(rule.total_accepted)}" if rule.total_accepted else ""
        parts.append(f"{quantity(num_correct(stats))}{goal} correct")
        parts.append(
            f"{quantity(stats.num_solved_tasks)}{f' of {quantity(num_tasks)}' if num_tasks else ''} tasks solved"
        )
    if stats.outcomes[Outcome.UNDECIDED]:
        parts.append(f"{quantity(stats.outcomes[Outcome.UNDECIDED])} undecided")
    if stats.num_sandbox_failures:
        parts.append(f"{stats.num_sandbox_failures} sandboxes lost")
    if stats.num_tokens and elapsed:
        parts.append(f"{quantity(stats.num_tokens / elapsed)} tokens/s")
    if elapsed:
        parts.append(f"engines idle {stats.idle_share:.1%}")
    if 0 < stats.num_engines < stats.num_engines_wanted:
        parts.append(f"{stats.num_engines} of {stats.num_engines_wanted} engines at work")
    if not stats.started:
        parts.append("no verifier at work yet" if stats.num_engines else "no engine at work yet")
    if stats.waiting_for:
        parts.append(stats.waiting_for)
    if stats.num_unverified:
        parts.append(f"{stats.num_unverified} to check")
    done = share_done(stats, rule, num_tasks)
    if new and 0 < done < 1 and not stats.ended:
        resumed = stats.num_resumed / (stats.num_resumed + new)  # of what is done, the part that cost no time now
        parts.append(f"{duration((1 - done) * elapsed / (done * (1 - resumed)))} left")
    if stats.silent_seconds > SILENT_SECONDS:
        parts.append(f"nothing from the engines for {duration(stats.silent_seconds)}")
    if stats.trouble and not stats.ended:
        parts.append(stats.trouble)
    return ", ".join(parts)


def timing(stats: PassStats) -> dict[str, float]:
    """Figures of the process that finished a pass; other processes may have sampled a part of it before."""
    seconds = stats.elapsed_seconds
    return {
        "num_resumed": stats.num_resumed,
        "num_retries": stats.num_retries,
        "num_sandbox_failures": stats.num_sandbox_failures,
        "num_duplicate_tasks": stats.num_duplicate_tasks,
        "seconds": seconds,
        "tokens_per_second": stats.num_tokens / seconds if seconds else 0.0,
        "engine_idle_seconds": stats.engine_idle_seconds,
    }
