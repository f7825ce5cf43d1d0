"""Phantom lesions as a data set: synthetic patients, their lesions, and the truth about each image.

Nothing here shows or describes a person. The data set stands in for a real one where none may be shipped: in
`cutis demo`, in tests, and where an explanation or an audit is to be checked against what is known to be
there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from cutis.data.manifest import manifest_frame, read_manifest, write_manifest, write_table
from cutis.data.phantom.lesion import paint_lesion
from cutis.data.phantom.patients import PhantomCase, PhantomCopy, plan_cases, plan_copies
from cutis.data.phantom.structures import STRUCTURES
from cutis.data.phantom.view import CLINICAL, PhantomView, canvas_radius, draw_painted
from cutis.errors import CutisError, listed
from cutis.files import replacing_folder

_JPEG_QUALITY = 92
_FILES = {"images", "masks", "manifest.parquet", "truth.parquet"}


def make_phantoms(
    folder: Path,
    *,
    patients: int = 120,
    seed: int = 0,
    size: tuple[int, int] = (150, 200),
    clinical_fraction: float = 0.25,
    planted_duplicates: int = 6,
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Draw a data set of phantom lesions into ``folder``, whole or not at all.

    The same arguments give the same bytes. Writes ``images/*.jpg``, ``masks/*.png`` (0 or 255),
    ``manifest.parquet`` and ``truth.parquet``: for each image the structures its lesion has, the skin's
    typology angle in degrees, the artefacts, the view's geometry and the image it is a near-duplicate of. The
    diagnoses are the classes of ``class_set("ham7")``, in the proportions of the square roots of HAM10000's,
    none rarer than one lesion in fifteen patients where there are lesions enough.

    Args:
        folder: to be made; may exist only if it is empty or holds earlier phantoms, which are replaced.
        patients: how many, each with 1–3 lesions of 1–3 views.
        seed: 0 or above.
        size: height and width of the images in pixels, 48 or more each.
        clinical_fraction: the part of the images that look like a smartphone's, 0–1; the others like a
            dermoscope's.
        planted_duplicates: how many pictures are filed again under another lesion of another patient. Each
            such patient, one of ``patients``, has that picture only.
        progress: called with images drawn and images in all.

    Returns:
        The manifest, one row an image.

    Raises:
        CutisError: an argument is out of its range, or ``folder`` holds other files or cannot be written.
    """
    folder = Path(folder)
    _check(
        folder,
        patients,
        seed,
        size,
        clinical_fraction=clinical_fraction,
        planted_duplicates=planted_duplicates,
    )
    cases = plan_cases(patients - planted_duplicates, seed, clinical_fraction)
    copies = plan_copies(cases, planted_duplicates, seed)
    total = sum(len(each.views) for each in cases) + len(copies)
    rows: list[dict[str, object]] = []
    truths: list[dict[str, object]] = []
    with replacing_folder(folder) as temporary:
        for name in ("images", "masks"):
            (temporary / name).mkdir()
        for picture in _pictures(cases, copies, size):
            image_path = temporary / "images" / f"{picture.image_id}.jpg"
            mask_path = temporary / "masks" / f"{picture.image_id}.png"
            image_path.write_bytes(picture.jpeg)
            mask_path.write_bytes(_encoded(".png", picture.mask, cv2.IMWRITE_PNG_COMPRESSION, 4))
            paths = {"image_path": str(image_path), "mask_path": str(mask_path)}
            rows.append({"image_id": picture.image_id, **paths, **picture.row, **_box(picture.mask)})
            truths.append({"image_id": picture.image_id, **picture.truth})
            if progress:
                progress(len(rows), total)
        write_manifest(manifest_frame(rows), temporary / "manifest.parquet")
        write_table(pl.DataFrame(truths, infer_schema_length=None), temporary / "truth.parquet")
    return read_manifest(folder / "manifest.parquet")


def _check(
    folder: Path,
    patients: int,
    seed: int,
    size: tuple[int, int],
    *,
    clinical_fraction: float,
    planted_duplicates: int,
) -> None:
    if planted_duplicates < 0 or patients < planted_duplicates + 1:
        raise CutisError(
            f"{patients} patients cannot have {planted_duplicates} planted duplicates",
            fix="Each duplicate needs a patient of its own: ask for more patients.",
        )
    if seed < 0:
        raise CutisError(f"seed is {seed}", fix="Use 0 or above.")
    if min(size) < 48:
        raise CutisError(f"size is {size[0]} × {size[1]}", fix="Use 48 pixels or more each way.")
    if not 0 <= clinical_fraction <= 1:
        raise CutisError(f"clinical_fraction is {clinical_fraction}", fix="Use a number from 0 to 1.")
    others = sorted(each.name for each in folder.iterdir() if each.name not in _FILES) if folder.is_dir() else []
    if others:
        raise CutisError(
            f"holds other files ({listed(others, 3)}), which phantoms would replace",
            where=str(folder),
            fix="Name a new folder.",
        )


@dataclass(frozen=True)
class _Picture:
    image_id: str
    row: dict[str, object]  # of the manifest
    truth: dict[str, object]
    jpeg: bytes
    mask: NDArray[np.uint8]


def _pictures(cases: list[PhantomCase], copies: list[PhantomCopy], size: tuple[int, int]) -> Iterator[_Picture]:
    copied = {each.of for each in copies}
    originals: dict[tuple[int, int], _Picture] = {}
    number = 0
    for index, case in enumerate(cases):
        painted = paint_lesion(case.lesion, canvas_radius(size))
        for view_index, view in enumerate(case.views):
            number += 1
            drawn = draw_painted(painted, case.lesion.diameter_mm, view, size)
            jpeg = _jpeg(drawn.image, _JPEG_QUALITY)
            picture = _Picture(_image_id(number), _row(case, view_index), _truth(case, view), jpeg, drawn.mask)
            if (index, view_index) in copied:
                originals[index, view_index] = picture
            yield picture
    for copy in copies:
        number += 1
        original = originals[copy.of]
        image = cv2.cvtColor(cv2.imdecode(np.frombuffer(original.jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        brightened = np.clip(_cropped(image, copy, cv2.INTER_LINEAR) * np.float32(copy.brightness), 0, 255)
        truth = {
            **_truth(copy.case, copy.case.views[0]),
            "duplicate_of": original.image_id,
            "mirrored": copy.mirrored,
            "cropped_to": copy.crop[2],
        }
        jpeg = _jpeg(brightened.astype(np.uint8), copy.quality)
        mask = _cropped(original.mask, copy, cv2.INTER_NEAREST)
        yield _Picture(_image_id(number), _row(copy.case, 0), truth, jpeg, mask)


def _image_id(number: int) -> str:
    return f"PHANTOM_{number:07d}"


def _cropped(plane: NDArray[np.uint8], copy: PhantomCopy, interpolation: int) -> NDArray[np.uint8]:
    height, width = plane.shape[:2]
    left, top, kept = copy.crop
    part = plane[round(top * height) : round((top + kept) * height), round(left * width) : round((left + kept) * width)]
    whole: NDArray[np.uint8] = cv2.resize(part, (width, height), interpolation=interpolation)
    return np.ascontiguousarray(whole[:, ::-1]) if copy.mirrored else whole


def _row(case: PhantomCase, view: int) -> dict[str, object]:
    return {
        "lesion_id": case.lesion_id,
        "patient_id": case.patient_id,
        **case.record,
        "image_type": case.views[view].image_type,
        "acquired_at": case.acquired_at[view],
    }


def _truth(case: PhantomCase, view: PhantomView) -> dict[str, object]:
    return {
        "lesion_id": case.lesion_id,
        "diagnosis_class": case.lesion.diagnosis,
        **{name: name in case.lesion.structures for name in STRUCTURES},
        "ita_degrees": case.ita,
        "clinical": view.image_type == CLINICAL,
        "hairs": view.hairs,
        "light_hair": view.light_hair and view.hairs > 0,
        "ruler": view.ruler,
        "bubbles": view.bubbles,
        "dark_corners": view.dark_corners > 0,
        "gradient": view.gradient,
        "exposure": view.exposure,
        "cast_red": view.cast[0],
        "cast_green": view.cast[1],
        "cast_blue": view.cast[2],
        "blur": view.blur,
        "noise": view.noise,
        "width_mm": view.width_mm,
        "diameter_mm": case.lesion.diameter_mm,
        "rotation_degrees": view.rotation,
        "shift_x": view.shift[0],
        "shift_y": view.shift[1],
        "duplicate_of": None,
        "mirrored": False,
        "cropped_to": 1.0,
    }


def _box(mask: NDArray[np.uint8]) -> dict[str, int]:
    left, top, width, height = cv2.boundingRect(mask)
    return {"box_left": left, "box_top": top, "box_width": width, "box_height": height}


def _jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    return _encoded(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), cv2.IMWRITE_JPEG_QUALITY, quality)


def _encoded(form: str, image: NDArray[np.uint8], option: int, value: int) -> bytes:
    encoded: bytes = cv2.imencode(form, image, [option, value])[1].tobytes()
    return encoded
