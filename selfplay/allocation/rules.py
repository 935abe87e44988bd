"""The registry of allocation rules, and the allocator of a recipe."""

from selfplay.allocation.allocator import AllocationRule, Allocator
from selfplay.allocation.fixed import Fixed


def make_allocator(rule: AllocationRule) -> Allocator:
    """The allocator of a recipe's [allocation]."""
    if rule.rule == "fixed":
        return Fixed(rule)
    from selfplay.allocation.budget import Budget  # both build on this module
    from selfplay.allocation.until import Until

    if rule.rule == "until":
        return Until(rule)
    if rule.rule == "budget":
        return Budget(rule)
    raise ValueError(f"allocation rule {rule.rule!r} is unknown; one of fixed, until, budget")
