"""What a model says of a photograph, as a FHIR Bundle: DiagnosticReport, Observations, RiskAssessment and the Device.

For R4 (4.0.1) and R5 (5.0.0); plain JSON values, so nothing of FHIR has to be installed to write it. Everything is
``preliminary`` and labelled as asserted by artificial intelligence (``AIAST``). Nothing identifies a patient unless a
reference is given. No ``conclusionCode`` is written: a system might file it as a diagnosis.

ICD-10-CM codes are those of the tree of diagnoses, where a class is one node and the node has one; a class always has
its code in our own system. Probabilities are of unit 1, but percentages in RiskAssessment, as the specification says.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Literal

from cutis.clinic.answer import Answer, Diagnosis, Patient
from cutis.clinic.wording import STATEMENT, model_version, sentences
from cutis.models import BundleFacts
from cutis.taxonomy import GRADES, RiskRule, shipped_taxonomy

Release = Literal["R4", "R5"]
Json = dict[str, Any]

BASE = "https://cutis.invalid/fhir"
"""Of our code systems and extensions. It resolves to nothing (RFC 2606); docs/hospital_formats.md tells them."""

ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
_AI = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_UNKNOWN_SUBJECT = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}


def fhir_bundle(
    answer: Answer,
    bundle: BundleFacts,
    key: str,
    *,
    rule: RiskRule,
    when: datetime,
    release: Release = "R4",
    patient: Patient | None = None,
    subject: str | None = None,
    study_uid: str | None = None,
) -> Json:
    """A Bundle of type ``collection``, as JSON values.

    Args:
        answer: what the model says.
        bundle: the model.
        key: hash of the photograph's file (:class:`cutis.clinic.Photograph`); ids are made of it and of the model's
            weights, so the same answer made twice has the same ids.
        rule: for the advice.
        when: the answer was given; with a time zone.
        release: of FHIR.
        patient: the site is written where it is known; age and sex are not.
        subject: a reference to the patient, such as ``Patient/123``; nothing is said of the patient without.
        study_uid: Study Instance UID of a DICOM source.
    """
    made = _Resources(answer, bundle, key, when, release, patient, subject)
    observations = [
        made.observation("class-probabilities", "Probability of each class", component=_probabilities(answer)),
        made.observation(
            "photograph-quality",
            "Photograph is fit to be judged",
            valueBoolean=not answer.unfit,
            **({"note": [{"text": f"To be taken again: {', '.join(answer.unfit)}."}]} if answer.unfit else {}),
        ),
    ]
    if answer.conformal_coverage is not None:
        observations.append(
            made.observation(
                "conformal-set",
                f"Set that holds the diagnosis in {answer.conformal_coverage:.0%} of images like those calibrated on",
                extension=[_extension("conformal-coverage", "Decimal", answer.conformal_coverage)],
                component=[
                    {"code": class_concept(each), "valueBoolean": bool(each.in_set)} for each in answer.diagnoses
                ],
            )
        )
    if answer.unfamiliarity is not None:
        strange = f"Stranger than {answer.stranger_than}% of the images the model was validated on"
        observations.append(
            made.observation(
                "unfamiliarity",
                "Unfamiliarity of the photograph to the model",
                valueQuantity=_ratio(answer.unfamiliarity),
                referenceRange=[{"high": _ratio(1.0), "text": "1 is the limit that 95% of the validation images keep"}],
                **({"interpretation": [{"text": strange}]} if answer.stranger_than else {}),
            )
        )
    if answer.risk is not None:
        observations.append(
            made.observation(
                "risk-grade", "Risk grade of least expected cost", valueCodeableConcept=_grade(answer.risk)
            )
        )
    resources = [made.report(observations, sentences(answer, rule), study_uid), *observations]
    if answer.risk is not None or answer.malignant is not None:
        resources.append(made.risk_assessment(observations[0], rule))
    resources.append(made.device())
    return {
        "resourceType": "Bundle",
        "id": made.id("bundle"),
        "meta": {"security": [_AI]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{made.id('bundle')}"},
        "type": "collection",
        "timestamp": when.isoformat(timespec="seconds"),
        "entry": [{"fullUrl": f"urn:uuid:{each['id']}", "resource": each} for each in resources],
    }


def class_concept(diagnosis: Diagnosis) -> Json:
    """A class as a CodeableConcept: our code, and ICD-10-CM where it is one node of the tree that has one code."""
    if len(diagnosis.nodes) != 1:
        return _concept("diagnosis-class", diagnosis.id, diagnosis.name)
    node = shipped_taxonomy()[diagnosis.nodes[0]]
    concept = _concept("diagnosis", node.id, diagnosis.name, display=node.name)
    if len(node.icd10cm) == 1:
        concept["coding"].append({"system": ICD_10_CM, "code": node.icd10cm[0]})
    return concept


class _Resources:
    """Makes the resources of one answer: what they share is said once."""

    def __init__(
        self,
        answer: Answer,
        bundle: BundleFacts,
        key: str,
        when: datetime,
        release: Release,
        patient: Patient | None,
        subject: str | None,
    ) -> None:
        self.answer = answer
        self.bundle = bundle
        self.key = key
        self.release = release
        self.when = when.isoformat(timespec="seconds")
        self.site = patient.site if patient else None
        self.subject = None if subject is None else {"reference": subject}

    def id(self, what: str) -> str:
        weights = str(self.bundle.about["weights_sha256"])
        of = "\x1f".join(
            ("fhir", what, weights) if what == "device" else ("fhir", what, self.key, weights, self.release)
        )
        return str(uuid.UUID(bytes=hashlib.sha256(of.encode()).digest()[:16], version=5))

    def reference(self, what: str) -> Json:
        return {"reference": f"urn:uuid:{self.id(what)}"}

    def start(self, kind: str, what: str, told: Sequence[str]) -> Json:
        lines = "".join(f"<p>{escape(each)}</p>" for each in (*told, *(() if STATEMENT in told else (STATEMENT,))))
        return {
            "resourceType": kind,
            "id": self.id(what),
            "meta": {"security": [_AI]},
            "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{lines}</div>'},
        }

    def of_patient(self) -> Json:
        return {"subject": self.subject} if self.subject else {}

    def observation(self, code: str, text: str, **content: Any) -> Json:
        return {
            **self.start("Observation", code, [f"{text}."]),
            **({"extension": content.pop("extension")} if "extension" in content else {}),
            "status": "preliminary",
            "category": [
                {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}
                    ]
                }
            ],
            "code": _concept("measure", code, text),
            **self.of_patient(),
            "effectiveDateTime": self.when,
            "issued": self.when,
            **({"bodySite": {"text": self.site}} if self.site else {}),
            "method": {"text": model_version(self.bundle)},
            "device": self.reference("device"),
            **content,
        }

    def report(self, observations: Sequence[Mapping[str, Any]], told: Sequence[str], study_uid: str | None) -> Json:
        study = {"R4": "imagingStudy", "R5": "study"}[self.release]
        identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid}"}
        return {
            **self.start("DiagnosticReport", "report", told),
            "status": "preliminary",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "IMG"}]}],
            "code": _concept("measure", "photograph-classification", "Classification of a photograph of the skin"),
            **self.of_patient(),
            "effectiveDateTime": self.when,
            "issued": self.when,
            "result": [{"reference": f"urn:uuid:{each['id']}"} for each in observations],
            **({study: [{"type": "ImagingStudy", "identifier": identifier}]} if study_uid else {}),
            "conclusion": "\n".join(told),
        }

    def risk_assessment(self, basis: Mapping[str, Any], rule: RiskRule) -> Json:
        answer = self.answer
        predictions = []
        if answer.malignant is not None:
            outcome = _concept("measure", "malignant", "Malignant or premalignant lesion")
            predictions.append({"outcome": outcome, "probabilityDecimal": _percent(answer.malignant)})
        for grade in GRADES if answer.risk_probabilities else ():
            value = _percent((answer.risk_probabilities or {})[grade])
            predictions.append({"outcome": _grade(grade), "probabilityDecimal": value})
        advice = rule.advice_for(answer.risk) if answer.risk else None
        return {
            **self.start("RiskAssessment", "risk", [f"Risk grade: {advice.title}." if advice else "Risk."]),
            "status": "preliminary",
            "method": {"text": f"Sums over the classes of each grade; {model_version(self.bundle)}"},
            "code": _concept("measure", "risk", "Risk grades of a skin lesion (Zhao 2019)"),
            "subject": self.subject or _UNKNOWN_SUBJECT,  # must be there in both releases
            "occurrenceDateTime": self.when,
            "performer": self.reference("device"),
            "basis": [{"reference": f"urn:uuid:{basis['id']}"}],
            "prediction": predictions,
            **({"mitigation": f"{advice.text}{'' if advice.reviewed else ' ' + rule.review}"} if advice else {}),
            "note": [{"text": STATEMENT}],
        }

    def device(self) -> Json:
        name, kind = self.bundle.name, {"text": "Classifier of photographs of the skin: research software"}
        named: dict[str, Json] = {
            "R4": {"deviceName": [{"name": name, "type": "model-name"}], "type": kind},
            "R5": {"name": [{"value": name, "type": "user-friendly-name"}], "type": [kind]},
        }
        weights = str(self.bundle.about["weights_sha256"])
        return {
            **self.start("Device", "device", [f"{name}, {model_version(self.bundle)}."]),
            "identifier": [{"system": f"{BASE}/weights-sha256", "value": weights}],
            "status": "active",
            "manufacturer": "cutis",
            **named[self.release],
            "version": [{"value": model_version(self.bundle)}],
            "note": [{"text": STATEMENT}],
        }


def _probabilities(answer: Answer) -> list[Json]:
    components = []
    for each in answer.diagnoses:
        extensions = []
        if each.threshold is not None:
            extensions.append(_extension("threshold", "Decimal", round(each.threshold, 6)))
        if each.above is not None:
            extensions.append(_extension("above-threshold", "Boolean", each.above))
        if each.risk is not None:
            extensions.append(_extension("risk-grade", "Code", each.risk))
        component: Json = {"code": class_concept(each), "valueQuantity": _ratio(each.probability)}
        components.append({"extension": extensions, **component} if extensions else component)
    return components


def _concept(system: str, code: str, text: str, display: str | None = None) -> Json:
    coding = {"system": f"{BASE}/CodeSystem/{system}", "code": code, "display": display or text}
    return {"coding": [coding], "text": text}


def _grade(grade: str) -> Json:
    return _concept("risk-grade", grade, {"low": "Low risk", "high": "High risk", "dangerous": "Dangerous"}[grade])


def _extension(name: str, kind: str, value: object) -> Json:
    return {"url": f"{BASE}/StructureDefinition/{name}", f"value{kind}": value}


def _ratio(value: float) -> Json:
    return {"value": round(value, 6), "unit": "1", "system": "http://unitsofmeasure.org", "code": "1"}


def _percent(value: float) -> float:
    return round(min(100.0, 100 * value), 4)
