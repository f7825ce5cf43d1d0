"""What a clinician or a reviewer reads: the evaluation report and the tree of diagnoses, and what a paper shows."""

from cutis.report.audit_page import write_audit_page
from cutis.report.checklists import write_checklists
from cutis.report.facts import report_facts
from cutis.report.human_machine import write_human_machine
from cutis.report.page import write_report
from cutis.report.paper import write_figures
from cutis.report.robustness_figures import write_robustness_figures
from cutis.report.robustness_page import write_robustness_page
from cutis.report.taxonomy_page import write_taxonomy_page

__all__ = [
    "report_facts",
    "write_audit_page",
    "write_checklists",
    "write_figures",
    "write_human_machine",
    "write_report",
    "write_robustness_figures",
    "write_robustness_page",
    "write_taxonomy_page",
]
