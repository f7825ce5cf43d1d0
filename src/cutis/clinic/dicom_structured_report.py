"""What a model says of a photograph, as a DICOM structured report (Comprehensive 3D SR by template TID 1500).

One measurement group a class (tracking identifier: the class's id; finding: its code) with its probability, whether it
reaches its threshold and whether the conformal set holds it; and one group, ``photograph``, for all that is said of the
photograph as a whole. Every group refers to the source instance. Classes are coded in our own scheme, ``99CUTIS``, with
the ids of the tree of diagnoses: an ICD-10-CM category is often wider than the class, and DICOM allows one code a
finding. The report is preliminary and unverified, observed by a device, and says that it is research.
"""

from collections.abc import Sequence

import highdicom as hd
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from cutis import __version__
from cutis.clinic.answer import Answer, Diagnosis
from cutis.clinic.dicom_identity import (
    CODING_SCHEME,
    DESCRIPTION,
    MANUFACTURER,
    checked_source,
    coding_scheme_item,
    uid_of,
)
from cutis.clinic.dicom_reading import DicomSource
from cutis.clinic.wording import model_version, sentences
from cutis.models import BundleFacts
from cutis.taxonomy import GRADES, RiskRule, shipped_taxonomy

_PHOTOGRAPH = (
    "photograph"  # tracking identifier of the group on the whole; no class has it, as ids of classes are checked
)
_LONGEST_MEANING = 64  # characters of a Code Meaning (VR LO)
_YES = {True: codes.SCT.Yes, False: codes.SCT.No}


def dicom_report(
    answer: Answer, bundle: BundleFacts, source: DicomSource, key: str, rule: RiskRule
) -> Comprehensive3DSR:
    """A structured report in the source's study, in a series of its own.

    Args:
        answer: what the model says.
        bundle: the model.
        source: the instance it says it of; :func:`cutis.clinic.dicom_pictures.dicom_picture` makes one of a JPEG.
        key: hash of the photograph's file (:class:`cutis.clinic.Photograph`).
        rule: for the advice.

    Raises:
        ImageError: the source has no UIDs to refer to.
    """
    header = checked_source(source.header, answer.image)
    weights = str(bundle.about["weights_sha256"])
    version = model_version(bundle)
    image = SourceImageForMeasurementGroup(
        referenced_sop_class_uid=str(header.SOPClassUID),
        referenced_sop_instance_uid=str(header.SOPInstanceUID),
        referenced_frame_numbers=[source.frame] if source.frames > 1 else None,
    )
    algorithm = AlgorithmIdentification(name=bundle.name, version=version, manufacturer=MANUFACTURER)
    parts = (key, str(source.frame), str(header.SOPInstanceUID), weights)
    groups = [
        MeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(uid=uid_of("class", each.id, *parts), identifier=each.id),
            finding_type=class_code(each),
            algorithm_id=algorithm,
            measurements=_measurements([("Probability", each.probability, codes.DCM.Probability)])
            + _measurements([("threshold", each.threshold, None)]),
            qualitative_evaluations=_evaluations({"above-threshold": each.above, "in-conformal-set": each.in_set})
            + ([QualitativeEvaluation(_ours("risk-grade"), _ours(f"risk-{each.risk}"))] if each.risk else []),
            source_images=[image],
        )
        for each in answer.diagnoses
    ]
    groups.append(_whole(answer, algorithm, image, parts))
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(
                observer_type=codes.DCM.Device,
                observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                    uid=uid_of("device", weights),
                    name=bundle.name,
                    manufacturer_name=MANUFACTURER,
                    model_name=version,
                    serial_number=weights[:16],
                ),
            )
        ),
        procedure_reported=_ours("classification"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    for each in (DESCRIPTION, *sentences(answer, rule), *source.notes):
        report[0].ContentSequence.append(
            TextContentItem(codes.DCM.Comment, each, relationship_type=RelationshipTypeValues.CONTAINS)
        )
    made = Comprehensive3DSR(
        evidence=[header],
        content=report[0],
        series_instance_uid=uid_of("report series", *parts),
        series_number=9001,
        sop_instance_uid=uid_of("report", *parts),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        manufacturer_model_name=bundle.name,
        software_versions=version,
        device_serial_number=weights[:16],
        series_description=DESCRIPTION,
        specific_character_set="ISO_IR 192",
    )
    made.CodingSchemeIdentificationSequence = [coding_scheme_item()]
    return made


def report_probabilities(report: hd.sr.Comprehensive3DSR) -> dict[str, float]:
    """The probability of each class id, from a report as ``highdicom.sr.srread`` opens it."""
    groups = MeasurementReport.from_sequence([report]).get_image_measurement_groups()
    return {
        str(group.tracking_identifier): next(each.value for each in group.get_measurements(codes.DCM.Probability))
        for group in groups
        if group.tracking_identifier != _PHOTOGRAPH
    }


def class_code(diagnosis: Diagnosis) -> CodedConcept:
    """A class as a code: its node's id where it is one node of the tree, else ``class.`` and its own id."""
    if len(diagnosis.nodes) == 1:
        node = shipped_taxonomy()[diagnosis.nodes[0]]
        return _coded(node.id, node.name)
    return _coded(f"class.{diagnosis.id}", diagnosis.name)


def _whole(
    answer: Answer, algorithm: AlgorithmIdentification, image: SourceImageForMeasurementGroup, parts: Sequence[str]
) -> MeasurementsAndQualitativeEvaluations:
    of_grades = dict(answer.risk_probabilities or {})
    measures: list[tuple[str, float | None, Code | None]] = [
        ("malignant", answer.malignant, None),
        ("unfamiliarity", answer.unfamiliarity, None),
        ("conformal-coverage", answer.conformal_coverage, None),
        *((f"probability-{each}", of_grades.get(each), None) for each in GRADES),
    ]
    strange = {None: None, 95: "stranger-95", 99: "stranger-99"}[answer.stranger_than]
    evaluations = _evaluations({"fit": not answer.unfit})
    if answer.risk:
        evaluations.append(QualitativeEvaluation(_ours("risk-grade"), _ours(f"risk-{answer.risk}")))
    if strange:
        evaluations.append(QualitativeEvaluation(_ours("strangeness"), _ours(strange)))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=uid_of(_PHOTOGRAPH, *parts), identifier=_PHOTOGRAPH),
        finding_type=_ours("photograph"),
        algorithm_id=algorithm,
        measurements=_measurements(measures),
        qualitative_evaluations=evaluations,
        source_images=[image],
    )


_OURS = {
    "classification": "Classification of a photograph of the skin",
    "photograph": "Photograph of the skin as a whole",
    "threshold": "Threshold of the class",
    "above-threshold": "Reaches its threshold",
    "in-conformal-set": "Is in the conformal set",
    "conformal-coverage": "Share of images whose conformal set holds the diagnosis",
    "malignant": "Probability of a malignant or premalignant class",
    "unfamiliarity": "Unfamiliarity: 0 usual, 1 at the 95% limit",
    "strangeness": "Strangeness to the model",
    "stranger-95": "Stranger than 95% of the validation images",
    "stranger-99": "Stranger than 99% of the validation images",
    "fit": "Photograph is fit to be judged",
    "risk-grade": "Risk grade",
    "risk-low": "Low risk",
    "risk-high": "High risk",
    "risk-dangerous": "Dangerous",
    "probability-low": "Probability of the grade low",
    "probability-high": "Probability of the grade high",
    "probability-dangerous": "Probability of the grade dangerous",
}


def _ours(name: str) -> CodedConcept:
    return _coded(name, _OURS[name])


def _coded(value: str, meaning: str) -> CodedConcept:
    shown = meaning if len(meaning) <= _LONGEST_MEANING else meaning[: _LONGEST_MEANING - 1] + "…"
    return CodedConcept(value=value, scheme_designator=CODING_SCHEME, meaning=shown, scheme_version=__version__)


def _measurements(values: Sequence[tuple[str, float | None, Code | None]]) -> list[Measurement]:
    return [
        Measurement(name=code or _ours(name), value=float(value), unit=codes.UCUM.NoUnits)
        for name, value, code in values
        if value is not None
    ]


def _evaluations(values: dict[str, bool | None]) -> list[QualitativeEvaluation]:
    return [QualitativeEvaluation(_ours(name), _YES[value]) for name, value in values.items() if value is not None]
