"""Allocation decides how many samples each task gets. One file a rule, and one row in RULES."""

from selfplay.allocation.allocator import Allocator, Extent, Grant
from selfplay.allocation.budget import Budget
from selfplay.allocation.fixed import Fixed
from selfplay.allocation.probe import Probe
from selfplay.allocation.settings import Allocation
from selfplay.allocation.until import Until

__all__ = ["RULES", "Allocation", "Allocator", "Extent", "Grant", "make_allocator"]

RULES: dict[str, type[Allocator]] = {"fixed": Fixed, "until": Until, "budget": Budget, "probe": Probe}


def make_allocator(settings: Allocation) -> Allocator:
    """The allocator of an [allocation] section. ValueError if its rule cannot work with these values."""
    return RULES[settings.rule](settings)
