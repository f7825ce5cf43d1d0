"""What a clinician or a reviewer reads: the evaluation report and the tree of diagnoses, and what a paper shows."""

from cutis.report.facts import report_facts
from cutis.report.page import write_report
from cutis.report.paper import write_figures
from cutis.report.taxonomy_page import write_taxonomy_page

__all__ = ["report_facts", "write_figures", "write_report", "write_taxonomy_page"]
