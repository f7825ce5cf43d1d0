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
from cutis.models.card import (
    ModelFacts,
    TrainingData,
    calibration_in_words,
    model_card,
    model_facts,
    network_in_words,
    trained_on_in_words,
    training_in_words,
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
    "ModelFacts",
    "PatientField",
    "PretrainedWeights",
    "TrainingData",
    "autocast",
    "best_device",
    "calibration_in_words",
    "check_bundle_target",
    "default_bundle_folder",
    "find_weights",
    "keep_depthwise_in_float32",
    "keep_memory",
    "load_bundle",
    "model_card",
    "model_facts",
    "network_in_words",
    "patient_codes",
    "predict_files",
    "predict_logits",
    "predict_manifest",
    "save_bundle",
    "to_input",
    "trained_on_in_words",
    "training_in_words",
]
