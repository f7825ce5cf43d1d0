"""What a clinician or a reviewer reads: the evaluation report, one HTML file, and the model card."""

from cutis.report.facts import model_facts, report_facts
from cutis.report.model_card import ModelFacts, TrainingData, model_card
from cutis.report.page import write_report

__all__ = ["ModelFacts", "TrainingData", "model_card", "model_facts", "report_facts", "write_report"]
