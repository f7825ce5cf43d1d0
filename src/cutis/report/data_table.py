"""Who and what was evaluated: images, lesions, age, sex and other recorded facts."""

from dataclasses import dataclass

import polars as pl

from cutis.evaluation import MALIGNANCY_WORDS, NOT_DEFINED, Evaluation, ScoredImages, counted, percent

FACTS = {
    "source": "Data set",
    "image_type": "Kind of image",
    "diagnosis_confirm_type": "How the diagnosis was confirmed",
    "anatom_site": "Site",
    "fitzpatrick_skin_type": "Fitzpatrick skin type",
    "license": "Licence of the images",
}
_MOST_VALUES = 8


@dataclass(frozen=True)
class DataRow:
    """One class, or all of them, in words."""

    name: str
    malignancy: str
    images: str
    share: str
    lesions: str
    age: str
    women: str


def data_rows(evaluation: Evaluation, scored: ScoredImages) -> list[DataRow]:
    """One row a class and one for all."""
    people = scored.frame.select("age_approx", "sex")
    rows = [
        _row(each.name, MALIGNANCY_WORDS[each.malignancy], people.filter(scored.truth == k), len(people), each.lesions)
        for k, each in enumerate(evaluation.by_class)
    ]
    return [*rows, _row("All", "", people, len(people), evaluation.lesions)]


def recorded_facts(scored: ScoredImages) -> list[tuple[str, str]]:
    """What the manifest records of the images, e.g. ``("Site", "Trunk 612 · Head and neck 201 · not recorded
    4")``.

    Columns that record nothing are left out.
    """
    facts = []
    for column, heading in FACTS.items():
        values = scored.frame[column]
        if values.null_count() == len(values):
            continue
        counts = values.drop_nulls().alias("value").value_counts().with_columns(pl.col("value").cast(pl.String))
        if column == "anatom_site":  # the region is enough here
            region = pl.col("value").str.split(":").list.first()
            counts = counts.group_by(region).agg(pl.col("count").sum())
        table = counts.sort("count", "value", descending=[True, False])
        told = [f"{value} {count:,}" for value, count in table.head(_MOST_VALUES).iter_rows()]
        rest = int(table[_MOST_VALUES:]["count"].sum())
        if rest:
            told.append(f"{len(table) - _MOST_VALUES} others {rest:,}")
        if values.null_count():
            told.append(f"not recorded {values.null_count():,}")
        facts.append((heading, " · ".join(told)))
    return facts


def _row(name: str, malignancy: str, frame: pl.DataFrame, images: int, lesions: int | None) -> DataRow:
    return DataRow(
        name=name,
        malignancy=malignancy,
        images=f"{len(frame):,}",
        share=percent(len(frame) / images, 1),
        lesions=f"{lesions:,}" if lesions else NOT_DEFINED,
        age=_age(frame["age_approx"]),
        women=_women(frame["sex"]),
    )


def _age(ages: pl.Series) -> str:
    known = ages.drop_nulls()
    if known.is_empty():
        return NOT_DEFINED
    low, middle, high = (known.quantile(share, "linear") for share in (0.25, 0.5, 0.75))
    return f"{middle:.0f} ({low:.0f}–{high:.0f}){_not_recorded(ages)}"


def _women(sexes: pl.Series) -> str:
    known = sexes.drop_nulls()
    if known.is_empty():
        return NOT_DEFINED
    return f"{percent(int((known == 'female').sum()) / len(known))}{_not_recorded(sexes)}"


def _not_recorded(values: pl.Series) -> str:
    missing = values.null_count()
    return f"; {counted(missing, 'image')} not recorded" if missing else ""
