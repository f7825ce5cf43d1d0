"""Whether a photograph can carry a result: measures held against limits that a person can read and change."""

import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from cutis.audit.quality_measures import MEASURES, image_measures, measure_image
from cutis.data import Pixels, known_columns
from cutis.errors import CutisError, ManifestError

_HELD_OUT = ("val", "test")


class QualityRule(BaseModel):
    """One limit: an image of which ``measure`` lies beyond it is unfit, or gets a note."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    above: float | None = None
    below: float | None = None
    effect: Literal["unfit", "note"]
    because: str = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "QualityRule":
        if self.measure not in MEASURES:
            raise ValueError(f"there is no measure '{self.measure}'; there are {', '.join(MEASURES)}")
        if (self.above is None) == (self.below is None):
            raise ValueError("give 'above' or 'below', one of the two")
        if (self.above or self.below or 0) <= 0:
            raise ValueError("the limit must be above 0")
        return self

    def beyond(self) -> pl.Expr:
        """Whether the rule applies; false where the measure is missing."""
        value = pl.col(self.measure)
        return ((value > self.above) if self.above is not None else (value < self.below)).fill_null(value=False)

    def score(self) -> pl.Expr:
        """1 far inside the limit, 0.5 at it, towards 0 beyond: 1 / (1 + (measure / limit)²), or its mirror image."""
        value = pl.col(self.measure).fill_null(0.0)
        if self.above is not None:
            return 1 / (1 + (value / self.above) ** 2)
        return pl.col(self.measure).pow(2) / (pl.col(self.measure).pow(2) + (self.below or 1.0) ** 2)


class QualityThresholds(RootModel[dict[str, QualityRule]]):
    """Rules by the reason that a person reads."""

    model_config = ConfigDict(frozen=True)


def read_quality_thresholds(path: str | Path | None = None) -> QualityThresholds:
    """Thresholds from a TOML file, or those that come with cutis (``audit/quality.toml``).

    Raises:
        CutisError: there is no such file, it is not TOML, or a key is unknown, missing or out of range: one line that
            names it.
    """
    if path is None:
        where, text = "quality.toml", resources.files("cutis.audit").joinpath("quality.toml").read_text("utf-8")
    else:
        where = str(path)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8 text"
            raise CutisError(f"cannot be read ({reason})", where=where, fix="Name a .toml file.") from error
    try:
        return QualityThresholds.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CutisError(f"is not valid TOML ({error})", where=where, fix="Correct that line.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        said = first["msg"].removeprefix("Value error, ")
        raise CutisError(
            f"'{key}': {said}{more}", where=where, fix="See the head of cutis/audit/quality.toml."
        ) from error


class PhotographQuality(NamedTuple):
    """Whether a photograph is fit: ``score``, ``reasons`` and ``notes`` as :func:`image_quality` gives them."""

    score: float
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def image_quality(
    manifest: pl.DataFrame,
    thresholds: QualityThresholds | str | Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """Measure every image that has a file, and hold it against the thresholds.

    Measured at one working size of 30,000 pixels (200 × 150), so that small and large files compare; ``short_side`` is
    the file's own. The lesion is the manifest's mask where there is one, else an estimate
    (:func:`cutis.audit.quality_areas.estimated_lesion`: mean intersection over union 0.79 on HAM10000). Measures are
    kept by file content, so a second run reads no image.

    Args:
        manifest: with whole paths, as :func:`cutis.data.read_manifest` returns it.
        thresholds: read ones, a TOML file, or None for those that come with cutis.
        progress: called with the number of images just finished.

    Returns:
        ``source``, ``image_id``, each of :data:`cutis.audit.quality_measures.MEASURES` (Float64, null where not
        defined), ``score`` (0–1: the least over the rules of effect "unfit" of 1 / (1 + (measure / limit)²); below 0.5
        is unfit), ``reasons`` (List[String], why it is unfit; empty when it is fit), ``notes`` (List[String], what else
        is in it).

    Raises:
        ImageError: images or masks cannot be read, all named together.
        CutisError: the thresholds are not valid.
    """
    rules = thresholds if isinstance(thresholds, QualityThresholds) else read_quality_thresholds(thresholds)
    return _judged(image_measures(manifest, progress).select("source", "image_id", *MEASURES), rules)


def photograph_quality(image: Pixels, thresholds: QualityThresholds | None = None) -> PhotographQuality:
    """One photograph that is in no manifest, such as one just taken: measured and judged, and nothing is kept.

    Args:
        image: uint8, height × width × 3, RGB.
        thresholds: those that come with cutis when None.
    """
    measures = measure_image(image)
    frame = pl.DataFrame({name: [measures[name]] for name in MEASURES}, schema=dict.fromkeys(MEASURES, pl.Float64))
    row = _judged(frame.fill_nan(None), thresholds or read_quality_thresholds()).row(0, named=True)
    return PhotographQuality(row["score"], tuple(row["reasons"]), tuple(row["notes"]))


def _judged(frame: pl.DataFrame, rules: QualityThresholds) -> pl.DataFrame:
    unfit = {reason: rule for reason, rule in rules.root.items() if rule.effect == "unfit"}
    notes = {reason: rule for reason, rule in rules.root.items() if rule.effect == "note"}
    return frame.with_columns(
        pl.min_horizontal(pl.lit(1.0), *[rule.score() for rule in unfit.values()]).alias("score"),
        _reasons(unfit).alias("reasons"),
        _reasons(notes).alias("notes"),
    )


def _reasons(rules: dict[str, QualityRule]) -> pl.Expr:
    if not rules:
        return pl.lit([], dtype=pl.List(pl.String))
    each = [pl.when(rule.beyond()).then(pl.lit(reason)) for reason, rule in rules.items()]
    return pl.concat_list(each).list.drop_nulls()


def leave_out_unfit(manifest: pl.DataFrame, quality: pl.DataFrame) -> pl.DataFrame:
    """Esteva's rule: unfit images leave the validation and test sets and stay in training (Esteva 2017, Methods).

    Args:
        manifest: with ``subset``.
        quality: of :func:`image_quality`.

    Returns:
        The manifest, unfit rows of ``val`` and ``test`` now ``excluded``, and how many, told in ``split_rule``.

    Raises:
        ManifestError: the manifest has no ``subset``, or an image in ``val`` or ``test`` was not measured.
    """
    known_columns(manifest, ["subset"])
    judged = quality.select("source", "image_id", (pl.col("reasons").list.len() > 0).alias("_unfit"))
    joined = manifest.join(
        judged, on=["source", "image_id"], how="left", nulls_equal=True, maintain_order="left", validate="m:1"
    )
    held_out = pl.col("subset").is_in(list(_HELD_OUT))
    unknown = joined.filter(held_out & pl.col("_unfit").is_null())["image_id"].to_list()
    if unknown:
        raise ManifestError(
            f"{len(unknown):,} images of the validation and test sets were not measured, the first is '{unknown[0]}'",
            fix="Measure the quality of this manifest's own images.",
        )
    leaves = held_out & pl.col("_unfit")
    count = joined.select(leaves.sum()).item()
    if not count:
        return manifest
    told = f"{count:,} unfit images left out of validation and test"
    return joined.with_columns(
        pl.when(leaves).then(pl.lit("excluded")).otherwise("subset").alias("subset"),
        pl.concat_str(["split_rule", pl.lit(told)], separator="; ", ignore_nulls=True).alias("split_rule"),
    ).drop("_unfit")
