"""The model bundle: a folder that holds all one needs to use a trained classifier and to hold it to account.

``model.safetensors`` (weights) · ``recipe.json`` (how it was trained, in full) · ``taxonomy.json`` (its classes) ·
``calibration.json`` (how logits become probabilities) · ``thresholds.json`` (where each class is called) and
``conformal.json`` (which set of classes is given), both optional · ``familiarity.json`` with
``familiarity.safetensors`` (how far from its training images an image may lie), optional · ``evaluation.json``
(figures on its validation images) · ``training_record.parquet`` (every image it saw: id, lesion, patient, hash of the
file's content) · ``MODEL_CARD.md`` · ``bundle.json`` (format, versions, hash of the weights).
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, model_validator
from safetensors import SafetensorError

from cutis import __version__
from cutis.errors import BundleError, CutisError
from cutis.evaluation import ConformalSets, Scaling, TemperatureScaling, Thresholds
from cutis.files import replacing_folder, write_json, write_text
from cutis.models.architecture import Architecture, ImageSize
from cutis.models.familiarity import Familiarity, read_familiarity
from cutis.taxonomy import ClassSet

if TYPE_CHECKING:  # reading a bundle's facts takes no torch, whose import takes seconds
    from cutis.models.classifier import LesionClassifier

FORMAT = 2
"""2 since calibration.json names the kind of its scaling; a bundle of format 1 is read as well."""

_Rule = TypeVar("_Rule", bound=BaseModel)
TRAINING_RECORD_COLUMNS = ("source", "image_id", "lesion_id", "patient_id", "group", "content_key", "role")


class Calibration(BaseModel):
    """How logits become probabilities.

    ``prior`` is the class distribution for which the probabilities hold: ``"uniform"`` for a logit-adjusted model,
    ``"training"`` for one that keeps the frequencies it was trained on. A value without a scaling is temperature
    scaling, as bundles of format 1 have it: ``{"temperature": 2.1, "prior": …, "fitted_on": …}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scaling: Scaling = TemperatureScaling(temperature=1.0)
    prior: Literal["uniform", "training"] = "uniform"
    fitted_on: str = "not fitted"

    @model_validator(mode="before")
    @classmethod
    def _of_format_1(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "temperature" not in value or "scaling" in value:
            return value
        rest = {name: each for name, each in value.items() if name != "temperature"}
        return {"scaling": {"kind": "temperature", "temperature": value["temperature"]}} | rest

    def probabilities(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """N × K probabilities, each row summing to 1."""
        return self.scaling.probabilities(logits)


@dataclass(frozen=True, kw_only=True)
class BundleFacts:
    """All that a bundle says of its network, without the network.

    Attributes:
        classes: what it tells apart, in the order of its outputs.
        recipe: the recipe it was trained with, as JSON.
        calibration: how its logits become probabilities.
        training_record: one row an image it saw; columns ``TRAINING_RECORD_COLUMNS``; ``role`` is ``train`` or ``val``.
        thresholds: where each class is called; None if none were chosen.
        conformal: which set of classes is given for an image; None if there were too few images to promise anything.
        familiarity: how unfamiliar an image is; None if that was not fitted.
        evaluation: its figures (JSON), empty if there are none.
        about: facts in words: name, data, licence, when made.
        card: the model card, Markdown.
    """

    classes: ClassSet
    recipe: dict[str, Any]
    calibration: Calibration
    training_record: pl.DataFrame
    thresholds: Thresholds | None = None
    conformal: ConformalSets | None = None
    familiarity: Familiarity | None = None
    evaluation: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    card: str = ""

    @property
    def architecture(self) -> Architecture:
        """What the network is made of."""
        return Architecture.model_validate(self.recipe["model"])

    @property
    def image(self) -> ImageSize:
        """How a photograph becomes the network's input."""
        return ImageSize.model_validate(self.recipe["image"])

    @property
    def views(self) -> int:
        """Test-time views an image."""
        return int(self.recipe["views"])

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.about.get("name", "unnamed"))


@dataclass(frozen=True, kw_only=True)
class Bundle(BundleFacts):
    """A trained classifier with everything it needs to be used and judged; ``model`` is in evaluation mode, float32."""

    model: "LesionClassifier"


def save_bundle(
    bundle: Bundle, folder: str | Path, *, half: bool = False, extra: dict[str, Path] | None = None
) -> None:
    """Write a bundle, whole or not at all; an older one at the same place is replaced.

    Args:
        bundle: what to write.
        folder: where to; refused if it holds something that is not a bundle.
        half: store the weights in half precision (half the size; they are float32 again once loaded).
        extra: files or folders to copy into it, by the name they get.
    """
    from safetensors.torch import save  # noqa: PLC0415 - imports torch

    folder = Path(folder)
    check_bundle_target(folder)
    with replacing_folder(folder) as temporary:
        state = {name: value.detach().cpu().contiguous() for name, value in bundle.model.state_dict().items()}
        if half:
            state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
        # Not save_file: it makes a file that only its owner may read.
        (temporary / "model.safetensors").write_bytes(save(state))
        write_json(temporary / "recipe.json", bundle.recipe)
        write_json(temporary / "taxonomy.json", bundle.classes.model_dump())
        write_json(temporary / "calibration.json", bundle.calibration.model_dump(mode="json"))
        for name, rule in (("thresholds.json", bundle.thresholds), ("conformal.json", bundle.conformal)):
            if rule is not None:
                write_json(temporary / name, rule.model_dump(mode="json"))
        if bundle.familiarity is not None:
            bundle.familiarity.write(temporary)
        write_json(temporary / "evaluation.json", bundle.evaluation)
        bundle.training_record.select(TRAINING_RECORD_COLUMNS).write_parquet(
            temporary / "training_record.parquet", compression="zstd", compression_level=15
        )
        write_text(temporary / "MODEL_CARD.md", bundle.card)
        # Networks for ONNX Runtime are made from a saved bundle; what it says of another folder's stays there.
        kept = {name: each for name, each in bundle.about.items() if name not in ("onnx_sha256", "serves")}
        about = kept | {
            "format": FORMAT,
            "cutis": __version__,
            "weights_sha256": sha256(temporary / "model.safetensors"),
        }
        write_json(temporary / "bundle.json", about)
        for name, source in (extra or {}).items():
            (temporary / name).parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, temporary / name)


def check_bundle_target(folder: str | Path) -> None:
    """Raise BundleError if a bundle may not be written to ``folder`` because something else lies there."""
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / "bundle.json").exists()):
        raise BundleError("exists and is not a model bundle", where=str(folder), fix="Name another folder with -o.")


def load_bundle(folder: str | Path | None = None) -> Bundle:
    """Read a bundle with its network in torch; the model that comes with cutis when ``folder`` is None.

    Raises:
        BundleError: not a bundle, incomplete, damaged, or of a newer format.
    """
    import torch  # noqa: PLC0415 - takes seconds, and reading the facts needs none
    from safetensors.torch import load_file  # noqa: PLC0415

    from cutis.models.classifier import LesionClassifier  # noqa: PLC0415

    folder = Path(folder) if folder is not None else default_bundle_folder()
    facts = read_facts(folder)
    with _damage_told(folder):
        if facts.about["weights_sha256"] != sha256(folder / "model.safetensors"):
            raise BundleError("the weights are damaged", where=str(folder), fix="Copy the bundle again.")
        model = LesionClassifier(facts.architecture, len(facts.classes.ids), facts.image.inference)
        state = load_file(folder / "model.safetensors")
        model.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
        )
        return Bundle(**vars(facts), model=model.eval().to(memory_format=torch.channels_last))


def read_facts(folder: Path) -> BundleFacts:
    """Everything in a bundle but the network.

    Raises:
        BundleError: not a bundle, incomplete, damaged, or of a newer format.
    """
    if not folder.is_dir():
        what = "is a file, not a bundle folder" if folder.exists() else "does not exist"
        raise BundleError(what, where=str(folder), fix="Name a folder made by `cutis train`.")
    with _damage_told(folder):
        about = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        if about["format"] > FORMAT:
            raise BundleError(f"has format {about['format']}", where=str(folder), fix="Install a newer cutis.")
        facts = BundleFacts(
            classes=ClassSet.model_validate_json((folder / "taxonomy.json").read_text(encoding="utf-8")),
            recipe=json.loads((folder / "recipe.json").read_text(encoding="utf-8")),
            calibration=Calibration.model_validate_json((folder / "calibration.json").read_text(encoding="utf-8")),
            training_record=pl.read_parquet(folder / "training_record.parquet").select(TRAINING_RECORD_COLUMNS),
            thresholds=_optional(folder / "thresholds.json", Thresholds),
            conformal=_optional(folder / "conformal.json", ConformalSets),
            familiarity=read_familiarity(folder),
            evaluation=json.loads((folder / "evaluation.json").read_text(encoding="utf-8")),
            about=about,
            card=(folder / "MODEL_CARD.md").read_text(encoding="utf-8"),
        )
        _ = facts.architecture, facts.image, facts.views  # a recipe that lacks them is damaged
        _check_classes(facts, folder)
        return facts


def _optional(path: Path, kind: type[_Rule]) -> _Rule | None:
    return kind.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def _check_classes(facts: BundleFacts, folder: Path) -> None:
    """Raise BundleError if thresholds or sets are of other classes: by their order, they are applied to columns."""
    for name, rule in (
        ("thresholds.json", facts.thresholds and facts.thresholds.classes),
        ("conformal.json", facts.conformal and facts.conformal.limits),
    ):
        if rule is not None and tuple(rule) != facts.classes.ids:
            raise BundleError(f"'{name}' is of other classes", where=str(folder), fix="Copy the bundle again.")


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    """Turn whatever a missing or damaged file raises into one BundleError."""
    try:
        yield
    except BundleError:
        raise
    except CutisError as error:  # of its classes or its backbone
        raise BundleError(f"cannot be used ({error.problem})", where=str(folder), fix=error.fix) from error
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise BundleError(
            f"'{missing}' is missing", where=str(folder), fix="Name a folder made by `cutis train`."
        ) from error
    except (ValueError, KeyError, TypeError, SafetensorError, pl.exceptions.PolarsError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise BundleError(f"is damaged ({reason})", where=str(folder), fix="Copy the bundle again.") from error


def default_bundle_folder() -> Path:
    """The folder of the model that comes with cutis.

    Raises:
        BundleError: this installation has none.
    """
    folder = Path(str(resources.files("cutis.models") / "default"))
    if not folder.is_dir():
        raise BundleError("this installation has no built-in model", fix="Install cutis again, or name a bundle.")
    return folder


def sha256(path: Path) -> str:
    """Hash of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
