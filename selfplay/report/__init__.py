"""The report of one or more runs: one HTML file that opens by double click, without a server and without a network."""

from selfplay.report.page import write_report
from selfplay.report.plot import write_plot
from selfplay.report.summary import summary_table

__all__ = ["summary_table", "write_plot", "write_report"]
