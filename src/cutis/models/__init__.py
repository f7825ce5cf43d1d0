"""Classifiers: their architecture, pretrained weights, the bundle they are kept in, and their predictions."""

from cutis.models.bundle import (
    TRAINING_RECORD_COLUMNS,
    Bundle,
    Calibration,
    check_bundle_target,
    default_bundle_folder,
    load_bundle,
    save_bundle,
)
from cutis.models.classifier import Architecture, ImageSize, LesionClassifier
from cutis.models.inference import (
    autocast,
    best_device,
    keep_depthwise_in_float32,
    keep_memory,
    predict_logits,
    to_input,
)
from cutis.models.patient import FIELD_SIZES, PatientField, patient_codes
from cutis.models.predict import predict_files, predict_manifest
from cutis.models.weights import PretrainedWeights, find_weights

__all__ = [
    "FIELD_SIZES",
    "TRAINING_RECORD_COLUMNS",
    "Architecture",
    "Bundle",
    "Calibration",
    "ImageSize",
    "LesionClassifier",
    "PatientField",
    "PretrainedWeights",
    "autocast",
    "best_device",
    "check_bundle_target",
    "default_bundle_folder",
    "find_weights",
    "keep_depthwise_in_float32",
    "keep_memory",
    "load_bundle",
    "patient_codes",
    "predict_files",
    "predict_logits",
    "predict_manifest",
    "save_bundle",
    "to_input",
]
