"""What is known of the patient, as numbers for a model: age, sex, anatomical site, skin type; each may be missing.

Every field is a small whole number; 0 always means *missing*, which has its own learned embedding, so that one model
serves with and without the metadata.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data import FITZPATRICK_SKIN_TYPES

PatientField = Literal["age", "sex", "site", "skin_type"]

_SEXES = ("female", "male")
_SITES = (
    "Head and neck:Head:Scalp",
    "Head and neck:Head:Ear",
    "Head and neck:Head:Face",
    "Head and neck:Neck",
    "Head and neck",
    "Trunk:Anterior trunk:Anterior chest",
    "Trunk:Anterior trunk:Anterior abdomen",
    "Trunk:Anterior trunk",
    "Trunk:Posterior trunk",
    "Trunk:Lateral trunk",
    "Trunk",
    "Upper extremity:Hand",
    "Upper extremity",
    "Lower extremity:Foot",
    "Lower extremity",
    "Anogenital region",
)
_AGE_STEP, _OLDEST = 5, 85

FIELD_SIZES: dict[PatientField, int] = {
    "age": _OLDEST // _AGE_STEP + 2,
    "sex": len(_SEXES) + 1,
    "site": len(_SITES) + 1,
    "skin_type": len(FITZPATRICK_SKIN_TYPES) + 1,
}
"""How many values each field takes, *missing* included."""


def patient_codes(manifest: pl.DataFrame, fields: tuple[PatientField, ...]) -> npt.NDArray[np.int64]:
    """The patient metadata of a manifest as codes.

    Args:
        manifest: N rows; a column that is absent counts as missing.
        fields: the F fields wanted, in order.

    Returns:
        int64 array, N × F; 0 is missing. Age is in five-year steps up to 85, the site is the deepest listed node of
        the ISIC hierarchy that holds it.
    """
    columns = [[_CODERS[field](value) for value in _values(manifest, _COLUMNS[field])] for field in fields]
    return np.array(columns, dtype=np.int64).reshape(len(fields), len(manifest)).T.copy()


def _values(manifest: pl.DataFrame, column: str) -> list[object]:
    return manifest[column].to_list() if column in manifest.columns else [None] * len(manifest)


def _age_code(age: object) -> int:
    return 0 if age is None else min(int(str(age)), _OLDEST) // _AGE_STEP + 1


def _sex_code(sex: object) -> int:
    return _SEXES.index(str(sex)) + 1 if sex in _SEXES else 0


def _site_code(site: object) -> int:
    best = 0
    for code, node in enumerate(_SITES, start=1):
        if (site == node or str(site).startswith(f"{node}:")) and (best == 0 or len(node) > len(_SITES[best - 1])):
            best = code
    return best


def _skin_type_code(skin_type: object) -> int:
    return FITZPATRICK_SKIN_TYPES.index(str(skin_type)) + 1 if skin_type in FITZPATRICK_SKIN_TYPES else 0


_COLUMNS: dict[PatientField, str] = {
    "age": "age_approx",
    "sex": "sex",
    "site": "anatom_site",
    "skin_type": "fitzpatrick_skin_type",
}
_CODERS = {"age": _age_code, "sex": _sex_code, "site": _site_code, "skin_type": _skin_type_code}
