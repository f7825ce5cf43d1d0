"""The files that a watched folder gives for one photograph: JSON, FHIR or DICOM."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from cutis.clinic.answer import Answer, Patient, Photograph, answers, photograph
from cutis.clinic.dicom_mark import is_dicom
from cutis.clinic.fhir import Release, fhir_bundle
from cutis.clinic.wording import STATEMENT, model_version, sentences
from cutis.errors import ImageError
from cutis.models import OnnxBundle
from cutis.taxonomy import RiskRule

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from cutis.clinic.dicom_reading import DicomSource

Format = Literal["json", "fhir", "dicom"]


def photograph_results(
    content: bytes,
    name: str,
    bundle: OnnxBundle,
    rule: RiskRule,
    *,
    form: Format = "json",
    release: Release = "R4",
    frame: int | None = None,
    secret: bytes | None = None,
) -> Mapping[str, bytes]:
    """Answer one photograph.

    Args:
        content: a JPEG, PNG, WebP or DICOM file.
        name: what it is called.
        bundle: the model.
        rule: costs and grades of risk.
        form: of the results.
        release: of FHIR.
        frame: of a DICOM image with several.
        secret: what leaves is de-identified when given: new UIDs are made from it, the file's name is not told.

    Returns:
        Suffix → content, in the order in which they are to be written: what is referred to comes first.

    Raises:
        ImageError: it cannot be answered.
    """
    patient: Patient = Patient.model_validate({})
    source: DicomSource | None = None
    if is_dicom(content):
        try:
            from cutis.clinic.dicom_reading import dicom_photograph  # noqa: PLC0415 - needed for DICOM only
        except ModuleNotFoundError as error:
            raise ImageError(
                f"is DICOM, which needs the package '{error.name}'", where=name, fix="Run: pip install 'cutis[dicom]'"
            ) from error
        taken, patient, source = dicom_photograph(content, name, frame=frame)
    else:
        taken = photograph(content, name)
    if secret is not None:
        taken = Photograph(taken.key[:16], taken.pixels, taken.key)
    (answer,) = answers(bundle, [taken], [patient], rule=rule)
    if form == "dicom":
        return _dicom(answer, taken, patient, source, bundle, rule, secret)
    study = source.uid("StudyInstanceUID") if source is not None and secret is None else None
    if form == "fhir":
        now = datetime.now(UTC)
        key = taken.key if source is None or source.frames == 1 else f"{taken.key}.{source.frame}"
        made = fhir_bundle(answer, bundle, key, rule=rule, when=now, release=release, patient=patient, study_uid=study)
        return {".fhir.json": _json(made)}
    told: dict[str, Any] = {
        "statement": STATEMENT,
        "model_version": model_version(bundle),
        "sentences": sentences(answer, rule),
        "answer": answer.model_dump(mode="json"),
    }
    if source is not None:
        told["dicom"] = {"frame": source.frame, "frames": source.frames, "notes": list(source.notes)}
        if secret is None:
            keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
            told["dicom"] |= {each: source.uid(each) for each in keywords}
    return {".json": _json(told)}


def _dicom(
    answer: Answer,
    taken: Photograph,
    patient: Patient,
    source: "DicomSource | None",
    bundle: OnnxBundle,
    rule: RiskRule,
    secret: bytes | None,
) -> dict[str, bytes]:
    from cutis.clinic.dicom_identity import dicom_bytes  # noqa: PLC0415 - needed for DICOM only
    from cutis.clinic.dicom_pictures import dicom_picture, source_of  # noqa: PLC0415
    from cutis.clinic.dicom_structured_report import dicom_report  # noqa: PLC0415

    made: dict[str, Dataset] = {}
    if source is None:
        picture = dicom_picture(taken, patient)
        made[".sc.dcm"] = picture
        source = source_of(picture)
    made[".sr.dcm"] = dicom_report(answer, bundle, source, taken.key, rule)
    if secret is not None:
        from cutis.clinic.deidentification import deidentified  # noqa: PLC0415

        made = {suffix: deidentified(each, key=secret).dataset for suffix, each in made.items()}
    return {suffix: dicom_bytes(each) for suffix, each in made.items()}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
