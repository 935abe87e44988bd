"""Audit: a person judges a random draw of a run's traces, and the labels say how often its verdicts are wrong."""

from selfplay.audit.drawing import Draw, draw_traces, read_draw
from selfplay.audit.findings import findings_of, write_findings
from selfplay.audit.labels import LABELS, read_labels

__all__ = ["LABELS", "Draw", "draw_traces", "findings_of", "read_draw", "read_labels", "write_findings"]
