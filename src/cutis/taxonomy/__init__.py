"""What is told apart: sets of diagnoses as training and inference classes."""

from cutis.taxonomy.classes import (
    CLASS_SETS,
    ClassSet,
    DiagnosisClass,
    class_set,
    matching_class_set,
    source_classes,
)

__all__ = ["CLASS_SETS", "ClassSet", "DiagnosisClass", "class_set", "matching_class_set", "source_classes"]
