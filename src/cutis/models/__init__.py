"""Classifiers: their architecture, pretrained weights, the bundle they are kept in, and their predictions.

Names are imported when first asked for: torch takes seconds to import, and predicting with ONNX Runtime needs none.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.models.architecture import Architecture, ImageSize
    from cutis.models.bundle import (
        TRAINING_RECORD_COLUMNS,
        Bundle,
        BundleFacts,
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
    from cutis.models.classifier import LesionClassifier
    from cutis.models.corrupted import CorruptedImages, predict_corrupted, predict_under_corruptions
    from cutis.models.export import export_onnx
    from cutis.models.export_result import Export, Parity, Timing
    from cutis.models.familiarity import (
        NEIGHBOURS,
        Familiarity,
        FamiliarityFacts,
        measured_familiarity,
        read_familiarity,
    )
    from cutis.models.inference import (
        autocast,
        best_device,
        keep_depthwise_in_float32,
        keep_memory,
        predict_logits,
        to_input,
    )
    from cutis.models.onnx_network import PRECISIONS, OnnxBundle, Precision, add_onnx, load_onnx_bundle
    from cutis.models.patient import FIELD_SIZES, PatientField, patient_codes
    from cutis.models.predict import (
        Outputs,
        calibrated_predictions,
        fastest_bundle,
        manifest_outputs,
        network_outputs,
        photograph_alone,
        predict_files,
        predict_manifest,
    )
    from cutis.models.weights import PretrainedWeights, find_weights

_HOMES = {
    "architecture": ("Architecture", "ImageSize"),
    "bundle": (
        "TRAINING_RECORD_COLUMNS",
        "Bundle",
        "BundleFacts",
        "Calibration",
        "check_bundle_target",
        "default_bundle_folder",
        "load_bundle",
        "save_bundle",
    ),
    "card": (
        "ModelFacts",
        "TrainingData",
        "calibration_in_words",
        "model_card",
        "model_facts",
        "network_in_words",
        "trained_on_in_words",
        "training_in_words",
    ),
    "classifier": ("LesionClassifier",),
    "corrupted": ("CorruptedImages", "predict_corrupted", "predict_under_corruptions"),
    "export": ("export_onnx",),
    "export_result": ("Export", "Parity", "Timing"),
    "familiarity": (
        "NEIGHBOURS",
        "Familiarity",
        "FamiliarityFacts",
        "measured_familiarity",
        "read_familiarity",
    ),
    "inference": ("autocast", "best_device", "keep_depthwise_in_float32", "keep_memory", "predict_logits", "to_input"),
    "onnx_network": ("PRECISIONS", "OnnxBundle", "Precision", "add_onnx", "load_onnx_bundle"),
    "patient": ("FIELD_SIZES", "PatientField", "patient_codes"),
    "predict": (
        "Outputs",
        "calibrated_predictions",
        "fastest_bundle",
        "manifest_outputs",
        "network_outputs",
        "photograph_alone",
        "predict_files",
        "predict_manifest",
    ),
    "weights": ("PretrainedWeights", "find_weights"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "FIELD_SIZES",
    "NEIGHBOURS",
    "PRECISIONS",
    "TRAINING_RECORD_COLUMNS",
    "Architecture",
    "Bundle",
    "BundleFacts",
    "Calibration",
    "CorruptedImages",
    "Export",
    "Familiarity",
    "FamiliarityFacts",
    "ImageSize",
    "LesionClassifier",
    "ModelFacts",
    "OnnxBundle",
    "Outputs",
    "Parity",
    "PatientField",
    "Precision",
    "PretrainedWeights",
    "Timing",
    "TrainingData",
    "add_onnx",
    "autocast",
    "best_device",
    "calibrated_predictions",
    "calibration_in_words",
    "check_bundle_target",
    "default_bundle_folder",
    "export_onnx",
    "fastest_bundle",
    "find_weights",
    "keep_depthwise_in_float32",
    "keep_memory",
    "load_bundle",
    "load_onnx_bundle",
    "manifest_outputs",
    "measured_familiarity",
    "model_card",
    "model_facts",
    "network_in_words",
    "network_outputs",
    "patient_codes",
    "photograph_alone",
    "predict_corrupted",
    "predict_files",
    "predict_logits",
    "predict_manifest",
    "predict_under_corruptions",
    "read_familiarity",
    "save_bundle",
    "to_input",
    "trained_on_in_words",
    "training_in_words",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.models.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.models' has no attribute '{name}'")
