"""Data sets' words and the ISIC archive's values for them.

Anatomical sites are nodes of ISIC's hierarchy, written as paths; diagnoses are nodes of cutis's tree, most of which
have an ISIC path too. What each data set's words for diagnoses mean stands in ``taxonomy/words.toml``. A word goes to
the deepest node that is certainly right: ``"back"`` is ``"Trunk:Posterior trunk"``; ``"acral"`` may be hand or foot and
goes nowhere.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import polars as pl
from isic_metadata.fields import AnatomSiteEnum, DiagnosisEnum

from cutis.errors import ManifestError, TaxonomyError, listed
from cutis.taxonomy import shipped_taxonomy, vocabulary

HAM_SITES = {
    "abdomen": "Trunk:Anterior trunk:Anterior abdomen",
    "back": "Trunk:Posterior trunk",
    "chest": "Trunk:Anterior trunk:Anterior chest",
    "ear": "Head and neck:Head:Ear",
    "face": "Head and neck:Head:Face",
    "foot": "Lower extremity:Foot",
    "genital": "Anogenital region:Genital region",
    "hand": "Upper extremity:Hand",
    "lower extremity": "Lower extremity",
    "neck": "Head and neck:Neck",
    "scalp": "Head and neck:Head:Scalp",
    "trunk": "Trunk",
    "upper extremity": "Upper extremity",
}
ISIC_SITES = {  # the challenges' anatom_site_general; "palms/soles" and "oral/genital" are two places each
    "anterior torso": "Trunk:Anterior trunk",
    "head/neck": "Head and neck",
    "lateral torso": "Trunk:Lateral trunk",
    "lower extremity": "Lower extremity",
    "posterior torso": "Trunk:Posterior trunk",
    "torso": "Trunk",
    "upper extremity": "Upper extremity",
}
PAD_SITES = {
    "ABDOMEN": "Trunk:Anterior trunk:Anterior abdomen",
    "ARM": "Upper extremity",  # upper arm or shoulder: the paper does not say
    "BACK": "Trunk:Posterior trunk",
    "CHEST": "Trunk:Anterior trunk:Anterior chest",
    "EAR": "Head and neck:Head:Ear",
    "FACE": "Head and neck:Head:Face",
    "FOOT": "Lower extremity:Foot",
    "FOREARM": "Upper extremity:Forearm",
    "HAND": "Upper extremity:Hand",
    "LIP": "Head and neck:Head:Face:Oral region:Lip",
    "NECK": "Head and neck:Neck",
    "NOSE": "Head and neck:Head:Face:Nose",
    "SCALP": "Head and neck:Head:Scalp",
    "THIGH": "Lower extremity:Thigh",
}

NO_VALUE = ("unknown", "unk", "na", "n/a", "nan", "none", "-1")
"""How tables write that they do not know (an empty cell is missing anyway)."""

SEXES = {"female": "female", "f": "female", "male": "male", "m": "male"}
SKIN_TYPES = dict(zip(("1", "2", "3", "4", "5", "6"), ("I", "II", "III", "IV", "V", "VI"), strict=True))


class Diagnosis(NamedTuple):
    """What a word means: the node of the tree, and the ISIC archive's path; None where there is none."""

    node: str | None
    isic: str | None


@cache
def diagnosis_of(word: str) -> Diagnosis | None:
    """What a word for a diagnosis means; None if it is not known.

    Known are ISIC's paths and their last names, the archive's older words, and every word of the tree of diagnoses
    (``"BCC"``, ``"basal cell carcinoma"``, ``"rodent ulcer"``).
    """
    taxonomy = shipped_taxonomy()
    path = _isic_paths().get(folded(word))
    if path is not None:
        above = path
        while above and taxonomy.of_isic(above) is None:  # "Benign:Benign - Other" has no node of its own
            above = above.rpartition(":")[0]
        return Diagnosis(taxonomy.of_isic(above), path)
    for lookup in (vocabulary("isic-archive").node_of, taxonomy.find):
        try:
            node = lookup(word)
        except TaxonomyError:
            continue
        return Diagnosis(node, _isic_of(node)) if node else None
    return None


def diagnosis_columns(column: str, words: Mapping[str, str]) -> list[pl.Expr]:
    """The columns ``diagnosis_node`` and ``diagnosis`` of a text column.

    Args:
        column: the data set's own words.
        words: the node of each (:func:`cutis.taxonomy.vocabulary`).
    """
    paths = {word: path for word, node in words.items() if (path := _isic_of(node))}
    return [mapped(column, words).alias("diagnosis_node"), mapped(column, paths).alias("diagnosis")]


def _isic_of(node: str) -> str | None:
    # The archive files HAM10000's akiec, which is actinic keratosis or carcinoma in situ, as actinic keratosis.
    return shipped_taxonomy()["actinic-keratosis" if node == "akiec" else node].isic


@cache
def _isic_paths() -> Mapping[str, str]:
    paths = [each.value for each in DiagnosisEnum]
    return {folded(path.rpartition(":")[2]): path for path in paths} | {folded(path): path for path in paths}


def folded(word: str) -> str:
    """The word in lower case with single spaces; an underscore is a space (``"Basal_cell carcinoma"``)."""
    return re.sub(r"[\s_]+", " ", word).strip().lower()


def isic_anatom_site(word: str) -> str | None:
    """The ISIC path for an anatomical site (``"scalp"``, ``"Posterior trunk"``, the path itself), or None."""
    paths = [each.value for each in AnatomSiteEnum]
    words = {folded(path.rpartition(":")[2]): path for path in reversed(paths)}
    words |= {folded(path): path for path in paths}
    words |= {folded(site): path for sites in (ISIC_SITES, HAM_SITES) for site, path in sites.items()}
    return words.get(folded(word))


def mapped(column: str, words: Mapping[str, str]) -> pl.Expr:
    """The ISIC value of each word in a text column, missing where there is none."""
    return pl.col(column).replace_strict(dict(words), default=None, return_dtype=pl.String)


def need_words(frame: pl.DataFrame, column: str, words: Mapping[str, str], where: object) -> None:
    """Raise ManifestError if the column holds a word, or no word, where one of ``words`` must stand."""
    wrong = frame.with_row_index("_row").filter(~pl.col(column).is_in(list(words)).fill_null(value=False))
    if wrong.is_empty():
        return
    rows = [
        f"row {row + 1}: " + (f"'{word}'" if word else "nothing")
        for row, word in wrong.select("_row", column).iter_rows()
    ]
    raise ManifestError(
        f"column '{column}' holds in {len(rows):,} rows what the data set does not use: {listed(rows)}",
        where=str(where),
        fix=f"Use one of {', '.join(words)}, or import the table with `cutis data import csv`.",
    )


def sex_of(column: str) -> pl.Expr:
    """``female``, ``male`` or missing."""
    return pl.col(column).str.to_lowercase().replace_strict(SEXES, default=None, return_dtype=pl.String)


def skin_type_of(column: str) -> pl.Expr:
    """Fitzpatrick I–VI from ``"3"``, ``"3.0"`` or ``"iii"``; missing for anything else."""
    romans = {each: each for each in SKIN_TYPES.values()}
    words = pl.col(column).str.to_uppercase().str.strip_suffix(".0")
    return words.replace_strict(SKIN_TYPES | romans, default=None, return_dtype=pl.String)


def age_of(column: str, *, zero_is_unknown: bool = False) -> pl.Expr:
    """Age in years as text: words for unknown are missing, the archive's ``"85+"`` is 85.

    Args:
        column: a text column.
        zero_is_unknown: whether 0 is missing too (see :data:`AGE_ZERO_NOTE`).
    """
    unknown = (*NO_VALUE, "0", "0.0") if zero_is_unknown else NO_VALUE
    age = pl.col(column).str.strip_suffix("+")
    return pl.when(~age.str.to_lowercase().is_in(unknown)).then(age)


AGE_ZERO_NOTE = (
    "age 0 in {count:,} rows is left out: HAM10000 and the challenges made from it give it to acquired "
    "lesions such as benign keratoses too, so it cannot be told from 'unknown'"
)


def age_zero_notes(frame: pl.DataFrame, column: str) -> list[str]:
    """The note on ages of 0 that are left out, if there are any."""
    count = int(frame[column].is_in(["0", "0.0"]).sum())
    return [AGE_ZERO_NOTE.format(count=count)] if count else []


def unmapped_note(frame: pl.DataFrame, column: str, what: str, kept_in: str, words: Mapping[str, str]) -> list[str]:
    """The note that lists words no ISIC value fits, with their counts, if there are any.

    Args:
        frame: rows with the text column.
        column: the data set's own column.
        what: what the words are, e.g. ``"anatomical sites"``.
        kept_in: the manifest column that keeps them.
        words: the words that have an ISIC value.
    """
    left = frame[column].drop_nulls()
    left = left.filter(~left.is_in(list(words)) & ~left.str.to_lowercase().is_in(NO_VALUE))
    counts = left.value_counts(sort=True, name="n").sort("n", column, descending=[True, False])
    told = [f"'{word}' ({n:,})" for word, n in counts.iter_rows()]
    return [f"{what} that no ISIC value fits, kept in {kept_in}: {listed(told, 20)}"] if told else []
