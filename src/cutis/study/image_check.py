"""The check of the cases' image quality by somebody who reads none of them and is not told the truth.

They get a folder of images under codes, without metadata, in random order, and a table to fill in. What they refuse is
replaced by the next case of the same stratum (:func:`cutis.study.choose_cases`), which is then to be checked too.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from PIL import Image

from cutis.data import read_image, read_table
from cutis.errors import listed
from cutis.files import replacing_folder
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError
from cutis.study.random_order import draw, random_order

_FIT = {"yes": True, "y": True, "1": True, "true": True, "no": False, "n": False, "0": False, "false": False}


class Mark(NamedTuple):
    """Whether an image is fit to be read, and why not."""

    fit: bool
    reason: str


def write_image_check(
    folder: str | Path, design: StudyDesign, cases: Sequence[StudyCase], marked: Collection[str] = ()
) -> list[str]:
    """Write ``sheet.csv`` (code, fit, reason) and ``images/CODE.jpg`` for the cases not marked yet.

    Args:
        folder: to be made; replaced if it is there.
        design: the study's.
        cases: as chosen.
        marked: image ids that were checked before.

    Returns:
        The image ids written, in the order of the sheet; empty, and no folder, where all are marked.

    Raises:
        ImageError: an image cannot be read.
        CutisError: the folder cannot be written.
    """
    path_of = {each.image_id: each.image_path for each in cases if each.image_id not in marked}
    order = random_order(path_of, design.seed, "image check")
    if not order:
        return []
    with replacing_folder(folder) as temporary:
        (temporary / "images").mkdir()
        for image_id in order:
            # Decoded and encoded again: what the file said of its patient, place or diagnosis stays behind.
            pixels = read_image(path_of[image_id])
            Image.fromarray(pixels).save(temporary / "images" / f"{_code(design, image_id)}.jpg", quality=95)
        codes = [_code(design, each) for each in order]
        empty = [None] * len(codes)
        pl.DataFrame({"code": codes, "fit": empty, "reason": empty}).write_csv(temporary / "sheet.csv")
    return order


def read_image_check(path: str | Path, design: StudyDesign, cases: Sequence[StudyCase]) -> dict[str, Mark]:
    """The marks of a filled-in sheet, by image id.

    Args:
        path: the table, with the columns ``code``, ``fit`` (yes or no) and ``reason``.
        design: the one the sheet was written with.
        cases: those of the sheet, and perhaps more.

    Raises:
        StudyError: a column is missing; codes are unknown or stand twice; ``fit`` is empty or neither yes nor no; an
            unfit image has no reason. All rows are told together.
        ManifestError: the file is not there or is no table.
    """
    table = read_table(path)
    missing = [each for each in ("code", "fit", "reason") if each not in table.columns]
    if missing:
        raise StudyError(
            f"column '{missing[0]}' is missing (found: {listed(table.columns)})",
            where=str(path),
            fix="Give the columns code, fit and reason.",
        )
    image_of = {_code(design, each.image_id): each.image_id for each in cases}
    marks: dict[str, Mark] = {}
    problems = []
    for row, cells in enumerate(table.select("code", "fit", "reason").iter_rows(), 1):
        code, fit, reason = ("" if each is None else str(each).strip() for each in cells)
        known = _FIT.get(fit.lower())
        if code not in image_of:
            problems.append(f"row {row}: '{code}' is no code of this study")
        elif image_of[code] in marks:
            problems.append(f"row {row}: '{code}' stands twice")
        elif known is None:
            problems.append(f"row {row} ({code}): fit is '{fit}', not yes or no")
        elif not known and not reason:
            problems.append(f"row {row} ({code}): the reason is missing")
        else:
            marks[image_of[code]] = Mark(known, reason)
    if problems:
        raise StudyError(
            f"{len(problems)} rows cannot be used: {listed(problems)}", where=str(path), fix="Correct them."
        )
    return marks


def unfit_images(marks: Mapping[str, Mark]) -> list[str]:
    """The image ids that were refused."""
    return sorted(image_id for image_id, mark in marks.items() if not mark.fit)


def _code(design: StudyDesign, image_id: str) -> str:
    """A name for an image that tells nothing and needs no list to be read back."""
    return f"{draw(design.seed, 'code', image_id):016x}"
