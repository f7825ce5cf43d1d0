"""Reader studies: readings, and multi-reader multi-case (MRMC) statistics on them."""

from cutis.study.agreement import (
    Agreement,
    agreement_between_readers,
    agreement_within_readers,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_kappa,
)
from cutis.study.aid import OddsRatio, Switches, aided_odds_ratio, switches
from cutis.study.analysis import METHODS, Analysis, StandaloneAnalysis, write_analysis
from cutis.study.covariance import COVARIANCES, Figures, figures
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
from cutis.study.human_machine import Matrix, ReaderComparison, compare_with_readers
from cutis.study.human_machine_wording import reader_comparison_paragraph
from cutis.study.mrmc import analyze
from cutis.study.mrmc_wording import mrmc_paragraph
from cutis.study.reader_files import read_readers
from cutis.study.reader_points import MeanPoint, Point, ReaderPoint
from cutis.study.reading_files import read_readings, write_readings
from cutis.study.readings import Grid, Readings, ReadingsError, check_readings
from cutis.study.roe_metz import (
    RoeMetz,
    roe_metz_structures,
    simulate_ratings,
    simulate_readings,
    simulated_tests,
)
from cutis.study.sample_size import (
    PlanningVariances,
    Power,
    cases_needed,
    power_of,
    readers_needed,
    simulated_power,
)
from cutis.study.standalone import compare_with_standalone

__all__ = [
    "COVARIANCES",
    "ENDPOINTS",
    "METHODS",
    "Agreement",
    "Analysis",
    "Endpoint",
    "Figures",
    "Grid",
    "Matrix",
    "MeanPoint",
    "OddsRatio",
    "PlanningVariances",
    "Point",
    "Power",
    "ReaderComparison",
    "ReaderPoint",
    "Readings",
    "ReadingsError",
    "RoeMetz",
    "StandaloneAnalysis",
    "Switches",
    "accuracy",
    "agreement_between_readers",
    "agreement_within_readers",
    "aided_odds_ratio",
    "analyze",
    "auc",
    "balanced_accuracy",
    "cases_needed",
    "check_readings",
    "compare_with_readers",
    "compare_with_standalone",
    "endpoint",
    "figures",
    "fleiss_kappa",
    "krippendorff_alpha",
    "mrmc_paragraph",
    "pairwise_kappa",
    "partial_auc",
    "per_case",
    "power_of",
    "read_readers",
    "read_readings",
    "reader_comparison_paragraph",
    "readers_needed",
    "roe_metz_structures",
    "sensitivity",
    "simulate_ratings",
    "simulate_readings",
    "simulated_power",
    "simulated_tests",
    "specificity",
    "switches",
    "write_analysis",
    "write_readings",
]
