"""Reader studies: their design, cases and answers, and multi-reader multi-case (MRMC) statistics on readings.

Names are imported when first asked for: a booklet needs a PDF library, statistics scipy, and neither the other's. What
is kept of a running study, and its rules, is in :mod:`cutis.study.store`, which needs the extra ``study``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.study.agreement import (
        Agreement,
        agreement_between_readers,
        agreement_within_readers,
        fleiss_kappa,
        krippendorff_alpha,
        pairwise_kappa,
    )
    from cutis.study.agreement_table import BetweenReaders, WithinReader, agreement_between, agreement_within
    from cutis.study.ai_outputs import AiOutput, NamedProbability, ai_outputs
    from cutis.study.aid import OddsRatio, Switches, aided_odds_ratio, switches
    from cutis.study.aid_findings import AidFindings
    from cutis.study.allocation import Item, allocate, case_sets, readers_in_block, repeated_cases
    from cutis.study.analysis import METHODS, Analysis, StandaloneAnalysis, write_analysis
    from cutis.study.answer_readings import AnsweredStep, readings_from_answers, repeated_readings
    from cutis.study.answer_sheet import read_answer_sheet
    from cutis.study.answering import (
        AnswerCounts,
        AnswerTimes,
        TimeDifference,
        answer_counts,
        answer_times,
        time_difference,
    )
    from cutis.study.answers import Answer, Option, check_answer, options, question_text, right_choice
    from cutis.study.booklet import write_answer_sheet, write_booklet
    from cutis.study.case_pictures import case_picture
    from cutis.study.cases import CaseChoice, StudyCase, choose_cases
    from cutis.study.covariance import COVARIANCES, Figures, figures
    from cutis.study.creation import PlannedStudy, Stage, kept_outputs, make_study, plan_study, study_home
    from cutis.study.design import BUILT_IN, Arm, Question, Stratum, StudyDesign, StudyError, parse_design
    from cutis.study.design_files import design_names, read_design, shipped_design, write_design
    from cutis.study.design_summary import design_in_words, showings, strata_in_words
    from cutis.study.endpoints import (
        ENDPOINTS,
        Endpoint,
        accuracy,
        auc,
        balanced_accuracy,
        endpoint,
        partial_auc,
        per_case,
        sensitivity,
        specificity,
    )
    from cutis.study.export_folder import Exported, write_export
    from cutis.study.feedback import Feedback, training_feedback
    from cutis.study.findings import Model, StudyFindings, study_findings
    from cutis.study.group_table import GroupFigures, group_figures
    from cutis.study.human_machine import Matrix, ReaderComparison, compare_with_readers
    from cutis.study.human_machine_wording import reader_comparison_paragraph
    from cutis.study.image_check import Mark, read_image_check, unfit_images, write_image_check
    from cutis.study.method_choice import MethodChoice, suited_analysis, suited_method
    from cutis.study.mixed_model import MixedOddsRatio, aided_mixed_model
    from cutis.study.mrmc import analyze
    from cutis.study.mrmc_wording import mrmc_paragraph
    from cutis.study.reader_files import read_readers
    from cutis.study.reader_points import MeanPoint, Point, ReaderPoint
    from cutis.study.reader_table import ReaderRow, reader_rows
    from cutis.study.reading_files import read_readings, write_readings
    from cutis.study.readings import Grid, Readings, ReadingsError, check_readings
    from cutis.study.roe_metz import RoeMetz, roe_metz_structures, simulate_ratings, simulate_readings, simulated_tests
    from cutis.study.sample_size import (
        PlanningVariances,
        Power,
        cases_needed,
        power_of,
        readers_needed,
        simulated_power,
    )
    from cutis.study.standalone import compare_with_standalone
    from cutis.study.stored_record import record_of_study
    from cutis.study.study_folder import (
        OpenFolder,
        begin_study_folder,
        check_new_place,
        check_pictures,
        opened_study_folder,
    )
    from cutis.study.study_record import ReaderState, ReportedArm, StudyRecord, record_of_readings

_HOMES = {
    "agreement_table": (
        "BetweenReaders",
        "WithinReader",
        "agreement_between",
        "agreement_within",
    ),
    "aid_findings": ("AidFindings",),
    "answering": (
        "AnswerCounts",
        "AnswerTimes",
        "TimeDifference",
        "answer_counts",
        "answer_times",
        "time_difference",
    ),
    "group_table": (
        "GroupFigures",
        "group_figures",
    ),
    "method_choice": (
        "MethodChoice",
        "suited_analysis",
        "suited_method",
    ),
    "mixed_model": (
        "MixedOddsRatio",
        "aided_mixed_model",
    ),
    "reader_table": (
        "ReaderRow",
        "reader_rows",
    ),
    "stored_record": ("record_of_study",),
    "findings": (
        "Model",
        "StudyFindings",
        "study_findings",
    ),
    "study_record": (
        "ReaderState",
        "ReportedArm",
        "StudyRecord",
        "record_of_readings",
    ),
    "agreement": (
        "Agreement",
        "agreement_between_readers",
        "agreement_within_readers",
        "fleiss_kappa",
        "krippendorff_alpha",
        "pairwise_kappa",
    ),
    "ai_outputs": (
        "AiOutput",
        "NamedProbability",
        "ai_outputs",
    ),
    "aid": (
        "OddsRatio",
        "Switches",
        "aided_odds_ratio",
        "switches",
    ),
    "allocation": (
        "Item",
        "allocate",
        "case_sets",
        "readers_in_block",
        "repeated_cases",
    ),
    "analysis": (
        "METHODS",
        "Analysis",
        "StandaloneAnalysis",
        "write_analysis",
    ),
    "answer_readings": (
        "AnsweredStep",
        "readings_from_answers",
        "repeated_readings",
    ),
    "answer_sheet": ("read_answer_sheet",),
    "answers": (
        "Answer",
        "Option",
        "check_answer",
        "options",
        "question_text",
        "right_choice",
    ),
    "booklet": (
        "write_answer_sheet",
        "write_booklet",
    ),
    "cases": (
        "CaseChoice",
        "StudyCase",
        "choose_cases",
    ),
    "case_pictures": ("case_picture",),
    "creation": (
        "PlannedStudy",
        "Stage",
        "kept_outputs",
        "make_study",
        "plan_study",
        "study_home",
    ),
    "design_summary": (
        "design_in_words",
        "showings",
        "strata_in_words",
    ),
    "export_folder": (
        "Exported",
        "write_export",
    ),
    "study_folder": (
        "OpenFolder",
        "begin_study_folder",
        "check_new_place",
        "check_pictures",
        "opened_study_folder",
    ),
    "covariance": (
        "COVARIANCES",
        "Figures",
        "figures",
    ),
    "design": (
        "BUILT_IN",
        "Arm",
        "Question",
        "Stratum",
        "StudyDesign",
        "StudyError",
        "parse_design",
    ),
    "design_files": (
        "design_names",
        "read_design",
        "shipped_design",
        "write_design",
    ),
    "endpoints": (
        "ENDPOINTS",
        "Endpoint",
        "accuracy",
        "auc",
        "balanced_accuracy",
        "endpoint",
        "partial_auc",
        "per_case",
        "sensitivity",
        "specificity",
    ),
    "feedback": (
        "Feedback",
        "training_feedback",
    ),
    "human_machine": (
        "Matrix",
        "ReaderComparison",
        "compare_with_readers",
    ),
    "human_machine_wording": ("reader_comparison_paragraph",),
    "image_check": (
        "Mark",
        "read_image_check",
        "unfit_images",
        "write_image_check",
    ),
    "mrmc": ("analyze",),
    "mrmc_wording": ("mrmc_paragraph",),
    "reader_files": ("read_readers",),
    "reader_points": (
        "MeanPoint",
        "Point",
        "ReaderPoint",
    ),
    "reading_files": (
        "read_readings",
        "write_readings",
    ),
    "readings": (
        "Grid",
        "Readings",
        "ReadingsError",
        "check_readings",
    ),
    "roe_metz": (
        "RoeMetz",
        "roe_metz_structures",
        "simulate_ratings",
        "simulate_readings",
        "simulated_tests",
    ),
    "sample_size": (
        "PlanningVariances",
        "Power",
        "cases_needed",
        "power_of",
        "readers_needed",
        "simulated_power",
    ),
    "standalone": ("compare_with_standalone",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BUILT_IN",
    "COVARIANCES",
    "ENDPOINTS",
    "METHODS",
    "Agreement",
    "AiOutput",
    "AidFindings",
    "Analysis",
    "Answer",
    "AnswerCounts",
    "AnswerTimes",
    "AnsweredStep",
    "Arm",
    "BetweenReaders",
    "CaseChoice",
    "Endpoint",
    "Exported",
    "Feedback",
    "Figures",
    "Grid",
    "GroupFigures",
    "Item",
    "Mark",
    "Matrix",
    "MeanPoint",
    "MethodChoice",
    "MixedOddsRatio",
    "Model",
    "NamedProbability",
    "OddsRatio",
    "OpenFolder",
    "Option",
    "PlannedStudy",
    "PlanningVariances",
    "Point",
    "Power",
    "Question",
    "ReaderComparison",
    "ReaderPoint",
    "ReaderRow",
    "ReaderState",
    "Readings",
    "ReadingsError",
    "ReportedArm",
    "RoeMetz",
    "Stage",
    "StandaloneAnalysis",
    "Stratum",
    "StudyCase",
    "StudyDesign",
    "StudyError",
    "StudyFindings",
    "StudyRecord",
    "Switches",
    "TimeDifference",
    "WithinReader",
    "accuracy",
    "agreement_between",
    "agreement_between_readers",
    "agreement_within",
    "agreement_within_readers",
    "ai_outputs",
    "aided_mixed_model",
    "aided_odds_ratio",
    "allocate",
    "analyze",
    "answer_counts",
    "answer_times",
    "auc",
    "balanced_accuracy",
    "begin_study_folder",
    "case_picture",
    "case_sets",
    "cases_needed",
    "check_answer",
    "check_new_place",
    "check_pictures",
    "check_readings",
    "choose_cases",
    "compare_with_readers",
    "compare_with_standalone",
    "design_in_words",
    "design_names",
    "endpoint",
    "figures",
    "fleiss_kappa",
    "group_figures",
    "kept_outputs",
    "krippendorff_alpha",
    "make_study",
    "mrmc_paragraph",
    "opened_study_folder",
    "options",
    "pairwise_kappa",
    "parse_design",
    "partial_auc",
    "per_case",
    "plan_study",
    "power_of",
    "question_text",
    "read_answer_sheet",
    "read_design",
    "read_image_check",
    "read_readers",
    "read_readings",
    "reader_comparison_paragraph",
    "reader_rows",
    "readers_in_block",
    "readers_needed",
    "readings_from_answers",
    "record_of_readings",
    "record_of_study",
    "repeated_cases",
    "repeated_readings",
    "right_choice",
    "roe_metz_structures",
    "sensitivity",
    "shipped_design",
    "showings",
    "simulate_ratings",
    "simulate_readings",
    "simulated_power",
    "simulated_tests",
    "specificity",
    "strata_in_words",
    "study_findings",
    "study_home",
    "suited_analysis",
    "suited_method",
    "switches",
    "time_difference",
    "training_feedback",
    "unfit_images",
    "write_analysis",
    "write_answer_sheet",
    "write_booklet",
    "write_design",
    "write_export",
    "write_image_check",
    "write_readings",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.study.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.study' has no attribute '{name}'")
