"""What a clinician or a reviewer reads: the evaluation report, one HTML file."""

from cutis.report.facts import report_facts
from cutis.report.page import write_report

__all__ = ["report_facts", "write_report"]
