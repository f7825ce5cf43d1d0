"""What a model says of one photograph: all that a clinic's page, the API, FHIR and DICOM tell of it.

A photograph is decoded once, from what was sent; nothing is written to a disk, cached or kept here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cutis.audit import photograph_quality
from cutis.data import FITZPATRICK_SKIN_TYPES, Pixels, content_key, fit_image, isic_anatom_site, manifest_frame
from cutis.data import read_photograph as read_sent
from cutis.evaluation import differential_lists
from cutis.models import BundleFacts, OnnxBundle, calibrated_predictions, network_outputs
from cutis.taxonomy import GRADES, Risk, RiskRule, decide, grade_probabilities, risk_grades, shipped_taxonomy

MOST_PIXELS = 50_000_000
"""Of a photograph that is sent; the largest phones take 200 megapixels, but send 12 to 50."""


SENT = "sent"
"""The source of photographs that are in no data set."""


class Patient(BaseModel):
    """What is known of the patient; every field may be missing, and models use the fields they were trained with.

    ``site`` is any word for a body site that an importer knows; it becomes the ISIC archive's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    age: int | None = Field(None, ge=0, le=120, description="Years", examples=[61])
    sex: Literal["female", "male"] | None = Field(None, examples=["female"])
    site: str | None = Field(None, max_length=80, description="Where on the body", examples=["posterior trunk"])
    skin_type: str | None = Field(None, description="Fitzpatrick skin type, I to VI", examples=["II"])

    @field_validator("site")
    @classmethod
    def _site_is_known(cls, site: str | None) -> str | None:
        if not site:
            return None
        found = isic_anatom_site(site)
        if found is None:
            raise ValueError("is no site of the body in the ISIC archive's words; try e.g. scalp or posterior trunk")
        return found

    @field_validator("skin_type")
    @classmethod
    def _skin_type_is_known(cls, skin_type: str | None) -> str | None:
        if skin_type and skin_type not in FITZPATRICK_SKIN_TYPES:
            raise ValueError(f"is none of {', '.join(FITZPATRICK_SKIN_TYPES)}")
        return skin_type or None

    def columns(self) -> dict[str, object]:
        """As a manifest's columns."""
        return {
            "age_approx": self.age,
            "sex": self.sex,
            "anatom_site": self.site,
            "fitzpatrick_skin_type": self.skin_type,
        }


@dataclass(frozen=True, eq=False)
class Photograph:
    """A decoded photograph: ``pixels`` uint8, height × width × 3, upright; ``key`` the hash of its file's content."""

    name: str
    pixels: Pixels
    key: str


class Diagnosis(BaseModel):
    """One class of the model for a photograph.

    ``above``: whether it reaches its threshold; ``in_set``: whether the conformal set holds it; both None where the
    bundle has no thresholds or no sets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    nodes: tuple[str, ...]
    malignancy: str
    risk: Risk | None
    probability: float = Field(ge=0, le=1)
    threshold: float | None
    above: bool | None
    in_set: bool | None


class Answer(BaseModel):
    """All that a model says of one photograph.

    Attributes:
        image: the photograph's name, as it was given.
        model: the bundle's name.
        diagnoses: every class, the most probable first.
        differential: ids of the classes that reach their own thresholds, the furthest above first (Han 2018); where
            none does, the one that comes nearest. Empty without thresholds.
        above: whether any reaches its threshold; None without thresholds.
        malignant: probability that it is malignant or a precursor, a sum over classes; None where a class is neither
            one nor the other.
        conformal_coverage: in which share of images like those calibrated on the set holds the diagnosis; None without.
        conformal_set: ids of its classes, the most probable first.
        always_in_set: ids of classes that are in every set, as too few of their images were seen.
        risk: the grade of least expected cost (Zhao 2019); None where a class has no grade.
        risk_probabilities: of low, high and dangerous.
        unfamiliarity: 0 is a median validation image, 1 the limit that 95 % of them keep; None where it cannot say.
        stranger_than: of how many percent of the validation images it is surely stranger: 95, 99, or not said.
        seen_in_training: what the model was trained on of it: "no", "image"; None where that is not known.
        unfit: why the photograph should be taken again; empty when it is fit.
        notes: what else is in it, such as a ruler.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str
    model: str
    diagnoses: tuple[Diagnosis, ...]
    differential: tuple[str, ...]
    above: bool | None
    malignant: float | None
    conformal_coverage: float | None
    conformal_set: tuple[str, ...]
    always_in_set: tuple[str, ...]
    risk: Risk | None
    risk_probabilities: dict[Risk, float] | None
    unfamiliarity: float | None
    stranger_than: Literal[95, 99] | None
    seen_in_training: str | None
    unfit: tuple[str, ...]
    notes: tuple[str, ...]


def photograph(content: bytes, name: str, *, most_pixels: int = MOST_PIXELS) -> Photograph:
    """Decode what was sent; see :func:`cutis.data.read_photograph`.

    Raises:
        ImageError: it is no photograph, damaged or too large.
    """
    return Photograph(name, read_sent(content, name, most_pixels=most_pixels), content_key(content))


def answers(
    bundle: OnnxBundle,
    photographs: Sequence[Photograph],
    patients: Sequence[Patient] | None = None,
    *,
    rule: RiskRule,
    quality: bool = True,
) -> list[Answer]:
    """What a model says of N photographs, in one batch.

    Args:
        bundle: the model.
        photographs: N.
        patients: N, what is known of each patient; None: nothing.
        rule: costs and grades of risk.
        quality: whether to measure the photographs' quality, which takes longer than the network itself.

    Raises:
        TaxonomyError: the rule names nodes that are not in the tree.
    """
    if not photographs:
        return []
    height, width = bundle.image.decoded
    known = patients or [Patient()] * len(photographs)
    # Names may double; rows of a manifest may not. A source of their own keeps these names apart from a data set's.
    rows = [{"image_id": str(row), "source": SENT, **each.columns()} for row, each in enumerate(known)]
    manifest = manifest_frame(rows)
    images = [fit_image(each.pixels, height, width, bundle.image.aspect) for each in photographs]
    outputs = network_outputs(bundle, manifest, images, [each.key for each in photographs], None)
    predictions = calibrated_predictions(bundle, manifest, outputs)
    probabilities = predictions.probabilities
    classes = bundle.classes.classes
    lists = differential_lists(probabilities, bundle.thresholds) if bundle.thresholds else None
    held = bundle.conformal.sets(probabilities) if bundle.conformal else None
    grades = class_risks(bundle, rule)
    by_grade = grade_probabilities(probabilities, grades) if grades else None
    decided = decide(by_grade, rule) if by_grade is not None else None
    malignant = _malignant_columns(bundle)
    found = []
    for row, each in enumerate(photographs):
        order = np.argsort(-probabilities[row], kind="stable")
        diagnoses = tuple(
            Diagnosis(
                id=classes[k].id,
                name=classes[k].name,
                nodes=classes[k].nodes,
                malignancy=classes[k].malignancy,
                risk=grades[k] if grades else None,
                probability=min(1.0, float(probabilities[row, k])),
                **_threshold(bundle, classes[k].id, float(probabilities[row, k])),
                in_set=None if held is None else bool(held[row, k]),
            )
            for k in order
        )
        score = None if predictions.unfamiliarity is None else float(predictions.unfamiliarity[row])
        judged = photograph_quality(each.pixels) if quality else None
        found.append(
            Answer(
                image=each.name,
                model=bundle.name,
                diagnoses=diagnoses,
                differential=lists[row].classes if lists else (),
                above=lists[row].above if lists else None,
                malignant=None if malignant is None else float(probabilities[row, malignant].sum()),
                conformal_coverage=bundle.conformal.coverage if bundle.conformal else None,
                conformal_set=tuple(one.id for one in diagnoses if one.in_set),
                always_in_set=bundle.conformal.always_included if bundle.conformal else (),
                risk=decided[row] if decided else None,
                risk_probabilities=(
                    None
                    if by_grade is None
                    else {grade: float(p) for grade, p in zip(GRADES, by_grade[row], strict=True)}
                ),
                unfamiliarity=score,
                stranger_than=(
                    None if score is None or bundle.familiarity is None else bundle.familiarity.stranger_than(score)
                ),
                seen_in_training=predictions.seen[row] if predictions.seen else None,
                unfit=judged.reasons if judged else (),
                notes=judged.notes if judged else (),
            )
        )
    return found


def class_risks(bundle: BundleFacts, rule: RiskRule) -> tuple[Risk, ...] | None:
    """Each class's grade; None where a class is no node of the tree, such as "other diseases"."""
    nodes = [each.nodes for each in bundle.classes.classes]
    return risk_grades(shipped_taxonomy(), nodes, rule).grades if all(nodes) else None


def _threshold(bundle: BundleFacts, class_id: str, probability: float) -> dict[str, Any]:
    if bundle.thresholds is None:
        return {"threshold": None, "above": None}
    value = bundle.thresholds.classes[class_id].value
    return {"threshold": value, "above": value is not None and probability >= value}


def _malignant_columns(bundle: BundleFacts) -> list[int] | None:
    words = [each.malignancy for each in bundle.classes.classes]
    if any(each not in ("benign", "premalignant", "malignant") for each in words):
        return None
    return [k for k, each in enumerate(words) if each != "benign"]
