"""COCO: one JSON file with images, boxes and categories (Lin et al. 2014, the form of ``instances_*.json``).

A box is left, top, width, height in pixels from 0. What COCO has no place for stands in further keys of an image, which
its tools pass over: ``cutis_image_id``, ``diagnosis_node``, ``diagnosis_confirm_type``, ``quality``, ``note``.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutis.annotation.content import Box, Size
from cutis.annotation.errors import AnnotationError
from cutis.annotation.labelled import Labelled, box_of_edges
from cutis.annotation.settled_images import LESION, SettledImage
from cutis.errors import listed
from cutis.files import write_json
from cutis.taxonomy import shipped_taxonomy


def write_coco(images: Sequence[SettledImage], path: str | Path, now: datetime, *, title: str) -> int:
    """Write the images whose boxes are settled, also those without a box; whole or not at all.

    A box's category is the image's diagnosis (its node, with its parent as super-category), or ``lesion`` where that is
    not settled.

    Returns:
        How many images were written.
    """
    written = [each for each in images if "boxes" in each.settled]
    labels = sorted({each.label for each in written if each.boxes})
    number = {each: k for k, each in enumerate(labels, 1)}
    boxes: list[dict[str, Any]] = []
    for image_number, each in enumerate(written, 1):
        for box in each.boxes:
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": image_number,
                    "category_id": number[each.label],
                    "bbox": [box.left, box.top, box.width, box.height],
                    "area": box.width * box.height,
                    "segmentation": [],
                    "iscrowd": 0,
                }
            )
    write_json(
        path,
        {
            "info": {"description": title, "version": "1.0", "year": now.year, "date_created": now.isoformat()},
            "licenses": [],
            "images": [_image(number, each) for number, each in enumerate(written, 1)],
            "annotations": boxes,
            "categories": [{"id": number[each], "name": each, "supercategory": _parent(each)} for each in labels],
        },
    )
    return len(written)


def read_coco(path: str | Path) -> list[Labelled]:
    """Read a COCO file's images with their boxes. Polygons are refused unless they come with a box.

    Raises:
        AnnotationError: it is no COCO file, or all boxes that are not right, together.
    """
    path = Path(path)
    try:
        told = _Coco.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise AnnotationError("does not exist", where=str(path), fix="Name a COCO file.") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise AnnotationError(f"is no COCO file: {listed(problems)}", where=str(path), fix="Correct it.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise AnnotationError(f"is no JSON ({error})", where=str(path), fix="Name a COCO file.") from error
    names = {each.id: each.name for each in told.categories}
    images = {each.id: each for each in told.images}
    boxes: dict[int, list[Box]] = {each: [] for each in images}
    words: dict[int, list[str]] = {each: [] for each in images}
    wrong = []
    if len(images) < len(told.images) or len(names) < len(told.categories):
        wrong.append("two images, or two categories, have the same id")
    for each in told.annotations:
        try:
            if each.image_id not in images or each.category_id not in names:
                raise ValueError("names an image or a category that is not there")  # noqa: TRY301
            if each.iscrowd:
                raise ValueError("is a crowd (iscrowd 1), which is no box")  # noqa: TRY301
            if each.bbox is None:
                raise ValueError("has no bbox")  # noqa: TRY301
            left, top, width, height = each.bbox
            boxes[each.image_id].append(box_of_edges(left, top, left + width, top + height))
            words[each.image_id].append(names[each.category_id])
        except ValueError as error:
            wrong.append(f"annotation {each.id} {error}")
    if wrong:
        raise AnnotationError(
            f"{len(wrong):,} faults: {listed(wrong)}", where=str(path), fix="Correct them; nothing was imported."
        )
    return [
        Labelled(
            tuple(each for each in (image.cutis_image_id, image.file_name) if each),
            f"image {image.id}",
            Size(image.width, image.height),
            # An image without a box can only say its diagnosis by itself.
            tuple(words[image.id]) or ((image.diagnosis_node,) if image.diagnosis_node else ()),
            tuple(boxes[image.id]),
        )
        for image in told.images
    ]


def _image(number: int, image: SettledImage) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": image.file_name,
        "width": image.size.width,
        "height": image.size.height,
        "cutis_image_id": image.image_id,
        "diagnosis_node": image.annotation.node,
        "diagnosis_confirm_type": image.annotation.confirm_type,
        "quality": list(image.annotation.quality),
        "note": image.annotation.note,
    }


def _parent(label: str) -> str:
    return "" if label == LESION else (shipped_taxonomy()[label].parent or "")


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _CocoImage(_Loose):
    id: int
    file_name: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    cutis_image_id: str | None = None
    diagnosis_node: str | None = None


class _CocoBox(_Loose):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float] | None = None
    iscrowd: int = 0


class _CocoCategory(_Loose):
    id: int
    name: str


class _Coco(_Loose):
    images: list[_CocoImage]
    annotations: list[_CocoBox]
    categories: list[_CocoCategory]
