"""`selfplay plan`: a run's bill and yield, before it is played, from a pilot's samples."""

from selfplay.planning.pilot import Pilot, read_pilot
from selfplay.planning.plan import Plan, plan_run

__all__ = ["Pilot", "Plan", "plan_run", "read_pilot"]
