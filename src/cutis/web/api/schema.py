"""What the API answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cutis.clinic import Answer
from cutis.models import BundleFacts
from cutis.taxonomy import Risk, RiskRule, shipped_taxonomy
from cutis.web.api.rendering import STATEMENT
from cutis.web.clinic.engine import Limits

_RESEARCH = Field(description="What has to be shown beside every answer.", examples=[STATEMENT["en"]])


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelName(_Told):
    """Which model answered: ``version`` is its date and ``sha256`` the hash of its weights."""

    name: str = Field(examples=["cutis ham7"])
    version: str = Field(examples=["2026-11-21T18:23:19+00:00"])
    sha256: str


class AdviceTold(_Told):
    """What a patient is told about the risk; ``review`` has to be shown where it is not empty."""

    title: str
    text: str
    review: str


class ImageAnswer(Answer):
    """All that the model says of one photograph; ``unfit`` and ``notes`` are empty where quality was not measured."""

    advice: AdviceTold | None


class Predictions(_Told):
    """Answers in the order of the photographs."""

    request_id: str
    model: ModelName
    statement: str = _RESEARCH
    language: str = Field(description="Of advice and statement.", examples=["en"])
    quality_measured: bool
    answers: tuple[ImageAnswer, ...]


class ExplanationTold(_Told):
    """Where the network looked: Grad-CAM. ``overlay``, ``map`` and ``scale`` are PNG files in base64.

    ``map`` is grey and of the network's resolution: 128 no influence, 255 what speaks most for the diagnosis in this
    photograph, 1 as much against it. Maps of two photographs cannot be compared by their brightness.
    """

    request_id: str
    model: ModelName
    statement: str = _RESEARCH
    image: str
    node: str = Field(description="The class, or node of the tree, that is explained.", examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    probability: float
    method: str = Field(examples=["Grad-CAM"])
    told: str = Field(description="What such a map tells.")
    unclear: bool = Field(description="Whether the map points nowhere.")
    overlay: str
    map: str
    scale: str


class NodeCodes(_Told):
    """A node of the tree that a class holds, with its codes."""

    node: str
    name: str
    icd10cm: tuple[str, ...]
    icd11: tuple[str, ...]
    isic: str | None


class ClassTold(_Told):
    """A class of the model."""

    id: str = Field(examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    malignancy: str = Field(examples=["malignant"])
    threshold: float | None
    nodes: tuple[NodeCodes, ...]


class Takes(_Told):
    """What the server takes; ``formats`` are told from a file's content."""

    formats: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp")
    bytes_per_file: int
    files_per_request: int
    bytes_per_request: int
    pixels_per_photograph: int
    seconds_for_an_answer: float


class ModelTold(_Told):
    """A model that answers here."""

    name: str
    version: str
    sha256: str
    patient_fields: tuple[str, ...] = Field(description="What it uses of what is known of a patient.")
    classes: tuple[ClassTold, ...]
    metrics: dict[str, Any] = Field(description="Figures with 95 % intervals, and on which images they were measured.")
    card: str = Field(description="The model card, Markdown.")
    limits: Takes


class Models(_Told):
    """The models that answer here: one."""

    statement: str = _RESEARCH
    models: tuple[ModelTold, ...]


class Health(_Told):
    """Whether the server lives, and whether it can answer now."""

    alive: bool
    ready: bool


def model_name(bundle: BundleFacts) -> ModelName:
    """Which model a bundle is."""
    about = bundle.about
    return ModelName(
        name=bundle.name, version=str(about.get("created", "not known")), sha256=str(about.get("weights_sha256", ""))
    )


def model_told(bundle: BundleFacts, limits: Limits) -> ModelTold:
    """All that is told of a bundle."""
    tree = shipped_taxonomy()
    measured = bundle.evaluation
    kept = ("images", "lesions", "sources", "subset", "training_data_known", "evaluated_at", "warnings")
    figures = {name: measured[name] for name in kept if name in measured}
    overall = measured.get("overall") or {}
    figures |= {name: overall[name] for name in ("balanced_accuracy", "accuracy", "macro_auc") if name in overall}
    classes = ("id", "images", "sensitivity", "specificity", "auc")
    figures["by_class"] = [{name: each.get(name) for name in classes} for each in measured.get("by_class", ())]
    return ModelTold(
        **model_name(bundle).model_dump(),
        patient_fields=bundle.architecture.patient,
        classes=tuple(
            ClassTold(
                id=each.id,
                name=each.name,
                malignancy=each.malignancy,
                threshold=bundle.thresholds.classes[each.id].value if bundle.thresholds else None,
                nodes=tuple(
                    NodeCodes(
                        node=node,
                        name=tree[node].name,
                        icd10cm=tree[node].icd10cm,
                        icd11=tree[node].icd11,
                        isic=tree[node].isic,
                    )
                    for node in each.nodes
                    if node in tree
                ),
            )
            for each in bundle.classes.classes
        ),
        metrics=figures,
        card=bundle.card,
        limits=Takes(
            bytes_per_file=limits.file_bytes,
            files_per_request=limits.files,
            bytes_per_request=limits.body_bytes,
            pixels_per_photograph=limits.pixels,
            seconds_for_an_answer=limits.seconds,
        ),
    )


def image_answer(answer: Answer, rule: RiskRule, language: str) -> dict[str, Any]:
    """One answer as JSON holds it, with its advice."""
    return answer.model_dump(mode="json") | {"advice": _advice(answer.risk, rule, language)}


def _advice(risk: Risk | None, rule: RiskRule, language: str) -> dict[str, str] | None:
    if risk is None:
        return None
    advice = rule.advice_for(risk, language)
    return {"title": advice.title, "text": advice.text, "review": "" if advice.reviewed else rule.review}
