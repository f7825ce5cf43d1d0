"""Label trouble: what a manifest says of its images that cannot all be true, or is likely a slip."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import polars as pl

from cutis.data import isic_anatom_site
from cutis.evaluation import counted, joined
from cutis.taxonomy import shipped_taxonomy

Severity = Literal["error", "check"]
"""``error``: not all of it can be true. ``check``: it may be true; a person should look."""

TROUBLE_SCHEMA: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "source": pl.String(),
    "image_ids": pl.List(pl.String()),
    "told": pl.String(),
    "severity": pl.String(),
}

_AGE_ROUNDING = 5  # years: the ISIC archive gives ages rounded to five
_DAYS_A_YEAR = 365.25
_OLDEST_LIKELY, _OLDEST_POSSIBLE = 110, 120  # the manifest's own limit is 120
_SITES_OF_ONE_SEX = {
    "Anogenital region:Genital region:Penis": "male",
    "Anogenital region:Genital region:Scrotum": "male",
    "Anogenital region:Genital region:Vulva": "female",
    "Anogenital region:Genital region:Vagina": "female",
}
_NO_CHANGE = "serial imaging showing no change"


class _Finding(NamedTuple):
    kind: str
    source: str | None
    image_ids: list[str]
    told: str
    severity: Severity


def label_trouble(manifest: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Everything about the labels that contradicts itself or should be looked at.

    Two diagnoses contradict each other if neither is the other's ancestor in the tree of diagnoses; an ancestor says
    the same less finely. Ids count together with their source. Ages of one patient may differ by the time between the
    images and five years of rounding, and are compared only where the times are known.

    Args:
        manifest: as :func:`cutis.data.read_manifest` gives it.
        pairs: the pairs that an audit found in the images: ``source_a``, ``image_id_a``, ``source_b``, ``image_id_b``
            and ``verdict``, of which only ``"same"`` counts.

    Returns:
        One row a finding: ``kind``, ``source`` (both, joined by "and", where it lies between two data sets),
        ``image_ids`` (every image it concerns), ``told`` (one sentence) and ``severity`` (``"error"`` where not all can
        be true, else ``"check"``). Errors first, then by kind, source and images.
    """
    findings = [
        *_of_lesions(manifest),
        *_of_people(manifest, "patient_id", "patient"),
        # Where patients are not named, a lesion's images must still agree on whose it is.
        *_of_people(manifest.filter(pl.col("patient_id").is_null()), "lesion_id", "lesion"),
        *_of_near_copies(manifest, pairs),
        *_of_ages(manifest),
        *_of_sites(manifest),
        *_of_confirmation(manifest),
    ]
    table = pl.DataFrame(findings, schema=TROUBLE_SCHEMA, orient="row")
    order = pl.col("severity") != "error"
    return table.sort(order, "kind", "source", pl.col("image_ids").list.first(), "told", maintain_order=True)


def _groups(frame: pl.DataFrame, column: str) -> Iterator[tuple[str | None, str, pl.DataFrame]]:
    """Source, id and rows of each lesion or patient that has several images, in order."""
    several = frame.filter(pl.col(column).is_not_null() & (pl.len().over("source", column) > 1))
    several = several.sort("source", column, "image_id")
    for (source, value), rows in several.group_by("source", column, maintain_order=True):
        yield source, str(value), rows


def _of_lesions(manifest: pl.DataFrame) -> Iterator[_Finding]:
    columns = ("diagnosis_node", "source_diagnosis", "anatom_site", "patient_id")
    mixed = pl.any_horizontal(pl.col(each).drop_nulls().n_unique().over("source", "lesion_id") > 1 for each in columns)
    for source, lesion, rows in _groups(manifest.filter(mixed), "lesion_id"):
        images = rows["image_id"].to_list()
        labels = rows.select("diagnosis_node", "source_diagnosis").rows()
        verdict = _disagreement(labels)
        if verdict:
            words = joined(sorted({_named(each) for each in labels if any(each)}))
            by = rows.filter(pl.col("diagnosis_confirm_type") == "histopathology")
            proven = joined(sorted({_named(each) for each in by.select("diagnosis_node", "source_diagnosis").rows()}))
            more = f"; histopathology confirms {proven}" if proven else ""
            kind, severity = _DIAGNOSES[verdict]
            yield _Finding(f"one lesion, {kind}", source, images, f"Lesion {lesion} is called {words}{more}.", severity)
        sites = sorted(set(rows["anatom_site"].drop_nulls()))
        if any(not _path_within(a, b) and not _path_within(b, a) for a in sites for b in sites):
            told = f"Lesion {lesion} lies at {joined(sites)}."
            yield _Finding("one lesion, two sites", source, images, told, "error")
        patients = sorted(set(rows["patient_id"].drop_nulls()))
        if len(patients) > 1:
            told = f"Lesion {lesion} belongs to the patients {joined(patients)}."
            yield _Finding("one lesion, two patients", source, images, told, "error")


def _of_people(frame: pl.DataFrame, column: str, word: str) -> Iterator[_Finding]:
    dated_age = pl.when(pl.col("acquired_at").is_not_null()).then("age_approx")
    mixed = pl.any_horizontal(
        each.drop_nulls().n_unique().over("source", column) > 1
        for each in (pl.col("sex"), pl.col("fitzpatrick_skin_type"), dated_age, pl.col("acquired_at"))
    )
    for source, value, rows in _groups(frame.filter(mixed), column):
        images = rows["image_id"].to_list()
        if rows["sex"].drop_nulls().n_unique() > 1:
            told = f"The {word} {value} is given both as female and as male."
            yield _Finding(f"one {word}, two sexes", source, images, told, "error")
        skin = sorted(set(rows["fitzpatrick_skin_type"].drop_nulls()))
        if len(skin) > 1:
            told = f"The {word} {value} is given the skin types {joined(skin)}."
            yield _Finding(f"one {word}, two skin types", source, images, told, "check")
        yield from _ages_and_times(source, value, word, rows)


def _ages_and_times(source: str | None, value: str, word: str, rows: pl.DataFrame) -> Iterator[_Finding]:
    """The two images whose ages lie furthest from what the time between them allows."""
    dated = rows.drop_nulls(["age_approx", "acquired_at"])
    if len(dated) < 2:
        return
    years = (pl.col("acquired_at") - dated["acquired_at"].min()).dt.total_days() / _DAYS_A_YEAR
    # An age less the years gone by is the age at the first image: the same for all, but for rounding.
    start = dated.with_columns(_start=pl.col("age_approx") - years).sort("_start", "image_id")
    spread = start["_start"][-1] - start["_start"][0]
    if spread > _AGE_ROUNDING:
        images = sorted([start["image_id"][0], start["image_id"][-1]])
        ages = [dated.filter(pl.col("image_id") == each).row(0, named=True) for each in images]
        words = joined([f"{each['age_approx']} on {each['acquired_at']:%Y-%m-%d}" for each in ages])
        told = f"The {word} {value} is {words}."
        yield _Finding("age differs by more than the time between images", source, images, told, "error")


def _of_near_copies(manifest: pl.DataFrame, pairs: pl.DataFrame) -> Iterator[_Finding]:
    labels = manifest.select("source", "image_id", "diagnosis_node", "source_diagnosis")
    same = pairs.filter(pl.col("verdict") == "same").select("source_a", "image_id_a", "source_b", "image_id_b")
    for side in ("a", "b"):
        of_side = labels.rename({each: f"{each}_{side}" for each in labels.columns})
        same = same.join(of_side, on=[f"source_{side}", f"image_id_{side}"], how="inner", nulls_equal=True)
    for row in same.iter_rows(named=True):
        both = [(row[f"diagnosis_node_{side}"], row[f"source_diagnosis_{side}"]) for side in ("a", "b")]
        if row["source_a"] != row["source_b"] and not all(node for node, _ in both):
            continue  # words of two data sets: their difference means nothing
        verdict = _disagreement(both)
        if verdict:
            images = [row["image_id_a"], row["image_id_b"]]
            sources = list(dict.fromkeys(each for each in (row["source_a"], row["source_b"]) if each))
            words = [f"{image} ({_named(label)})" for image, label in zip(images, both, strict=True)]
            kind, severity = _DIAGNOSES[verdict]
            what = "different diagnoses" if verdict == "contradiction" else kind
            told = f"{joined(words)} show the same lesion."
            yield _Finding(f"near-identical images, {what}", joined(sources) or None, images, told, severity)


def _of_ages(manifest: pl.DataFrame) -> Iterator[_Finding]:
    suspect = manifest.filter((pl.col("age_approx") <= 0) | (pl.col("age_approx") > _OLDEST_LIKELY))
    for source, rows in _by_source(suspect):
        for age in sorted(set(rows["age_approx"])):
            given = rows.filter(pl.col("age_approx") == age)
            diagnoses = counted(given["diagnosis_node"].drop_nulls().n_unique(), "diagnosis", "diagnoses")
            told = f"Age {age} is given in {counted(len(given), 'image')} of {diagnoses}"
            if age == 0:
                told += ", which often stands for a missing age"
            impossible = age < 0 or age > _OLDEST_POSSIBLE
            images = sorted(given["image_id"])
            yield _Finding("age 0 or over 110", source, images, f"{told}.", "error" if impossible else "check")


def _of_sites(manifest: pl.DataFrame) -> Iterator[_Finding]:
    sites = manifest.drop_nulls("anatom_site")
    unknown = [each for each in sorted(set(sites["anatom_site"])) if isic_anatom_site(each) != each]
    for source, rows in _by_source(sites.filter(pl.col("anatom_site").is_in(unknown))):
        for site in sorted(set(rows["anatom_site"])):
            images = sorted(rows.filter(pl.col("anatom_site") == site)["image_id"])
            told = f"The site '{site}' of {counted(len(images), 'image')} is none that the ISIC archive knows."
            yield _Finding("unknown site", source, images, told, "error")
    for site, sex in _SITES_OF_ONE_SEX.items():
        at = (pl.col("anatom_site") == site) | pl.col("anatom_site").str.starts_with(f"{site}:")
        for source, rows in _by_source(sites.filter(at & (pl.col("sex") != sex))):
            images = sorted(rows["image_id"])
            name = site.rpartition(":")[2].lower()
            told = f"{counted(len(images), 'image')} of the {name} are of a {rows['sex'][0]} patient."
            yield _Finding("site of the other sex", source, images, told, "error")


def _of_confirmation(manifest: pl.DataFrame) -> Iterator[_Finding]:
    """Malignant lesions that were confirmed by not changing: HAM10000 takes that as proof of a benign nevus."""
    taxonomy = shipped_taxonomy()
    nodes = [each for each in manifest["diagnosis_node"].drop_nulls().unique() if each in taxonomy]
    malignant = sorted(each for each in nodes if taxonomy[each].malignancy == "malignant")
    unchanged = manifest.filter(
        pl.col("diagnosis_node").is_in(malignant) & (pl.col("diagnosis_confirm_type") == _NO_CHANGE)
    )
    for source, rows in _by_source(unchanged):
        for node in sorted(set(rows["diagnosis_node"])):
            images = sorted(rows.filter(pl.col("diagnosis_node") == node)["image_id"])
            told = (
                f"{taxonomy[node].name} in {counted(len(images), 'image')} is confirmed by {_NO_CHANGE}, "
                "which is how benign lesions are confirmed (Tschandl 2018)."
            )
            yield _Finding("malignant, confirmed by no change", source, images, told, "check")


def _by_source(frame: pl.DataFrame) -> Iterator[tuple[str | None, pl.DataFrame]]:
    for (source,), rows in frame.sort("source", "image_id").group_by("source", maintain_order=True):
        yield source, rows


_DIAGNOSES: dict[str, tuple[str, Severity]] = {
    "contradiction": ("two diagnoses", "error"),
    "other words": ("two words for its diagnosis", "check"),
    "coarser": ("one diagnosis coarser than the other", "check"),
}


def _disagreement(labels: Iterable[tuple[str | None, str | None]]) -> str:
    """How labels (node, the data set's word) disagree: a key of ``_DIAGNOSES``; empty where they agree."""
    taxonomy = shipped_taxonomy()
    distinct = [each for each in dict.fromkeys(labels) if any(each)]
    nodes = [node for node in dict.fromkeys(node for node, _ in distinct) if node]
    known = [each for each in nodes if each in taxonomy]
    apart = any(not taxonomy.is_within(a, b) and not taxonomy.is_within(b, a) for a in known for b in known)
    if apart or len(known) < len(nodes) > 1:
        return "contradiction"
    # A word without a node has no place in the tree: whether it contradicts another, a person must say.
    if any(node is None for node, _ in distinct) and len({word for _, word in distinct}) > 1:
        return "other words"
    return "coarser" if len(nodes) > 1 else ""


def _path_within(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}:")


def _named(label: tuple[Any, ...]) -> str:
    node, word = label
    taxonomy = shipped_taxonomy()
    return (taxonomy[node].name if node in taxonomy else node) if node else word or "no diagnosis"
