"""What a clinician or a reviewer reads: reports, explanations, maps of cases, the tree, and what a paper shows."""

from cutis.report.audit_page import write_audit_page
from cutis.report.checklists import write_checklists
from cutis.report.embedding_figure import write_embedding_figures
from cutis.report.embedding_page import write_embedding_page
from cutis.report.embedding_points import embedding_table, map_columns, map_points
from cutis.report.explanations import SITE_METHODS, WrittenExplanations, write_explanations
from cutis.report.facts import report_facts
from cutis.report.human_machine import write_human_machine
from cutis.report.page import write_report
from cutis.report.paper import write_figures
from cutis.report.robustness_figures import write_robustness_figures
from cutis.report.robustness_page import write_robustness_page
from cutis.report.similar_page import write_similar_page
from cutis.report.study_report import WrittenStudyReport, write_study_report
from cutis.report.taxonomy_page import write_taxonomy_page

__all__ = [
    "SITE_METHODS",
    "WrittenExplanations",
    "WrittenStudyReport",
    "embedding_table",
    "map_columns",
    "map_points",
    "report_facts",
    "write_audit_page",
    "write_checklists",
    "write_embedding_figures",
    "write_embedding_page",
    "write_explanations",
    "write_figures",
    "write_human_machine",
    "write_report",
    "write_robustness_figures",
    "write_robustness_page",
    "write_similar_page",
    "write_study_report",
    "write_taxonomy_page",
]
