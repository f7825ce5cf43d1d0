"""Label Studio: a project's export in the form *JSON*, a list of tasks.

Read are rectangles (``RectangleLabels``, in percent of the image) and choices. What we cannot keep faithfully is
refused by name: turned rectangles, turned images, other shapes. Predictions and cancelled annotations are passed over:
nobody has said them.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from cutis.annotation.content import Box, Size
from cutis.annotation.errors import AnnotationError
from cutis.annotation.labelled import Labelled, box_of_edges
from cutis.errors import listed

_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file


def read_label_studio(path: str | Path, *, by: str | None = None, choices: str | None = None) -> list[Labelled]:
    """Read an export: the tasks that somebody has annotated.

    Args:
        path: of the JSON file.
        by: takes only annotations completed by this person: their number or e-mail address in Label Studio.
        choices: the name (``from_name``) of the choices that hold the diagnosis, where a project has several.

    Raises:
        AnnotationError: it is no such export, or all tasks that cannot be taken, together and each with the reason.
    """
    path = Path(path)
    problems: list[str] = []
    found: list[Labelled] = []
    tasks = _tasks(path)
    blocks = sorted({name for task in tasks for each in task.annotations for name in _choice_blocks(each)})
    if choices is None and len(blocks) > 1:
        raise AnnotationError(
            f"has choices of several names: {listed(blocks)}",
            where=str(path),
            fix="Say with --choices which of them holds the diagnosis.",
        )
    if choices is not None and choices not in blocks:
        raise AnnotationError(
            f"has no choices '{choices}' (there are: {listed(blocks) or 'none'})", where=str(path), fix="Name another."
        )
    for task in tasks:
        said = [each for each in task.annotations if not each.was_cancelled and (by is None or by in _people(each))]
        where = f"task {task.id}"
        if len(said) > 1:
            who = listed([min(_people(each), default="?") for each in said])
            problems.append(f"{where}: has {len(said)} annotations (by {who}); take one person's with --by")
        elif said:
            try:
                found.append(_labelled(task, said[0], where, choices or (blocks[0] if blocks else None)))
            except ValueError as error:
                problems.append(f"{where}: {error}")
    if problems:
        raise AnnotationError(
            f"{len(problems):,} tasks cannot be taken: {listed(problems)}",
            where=str(path),
            fix="Correct them; nothing was imported.",
        )
    if not found:
        raise AnnotationError(
            f"holds no annotation{'' if by is None else f' by {by}'}", where=str(path), fix="Check the export."
        )
    return found


def _labelled(task: "_Task", said: "_Said", where: str, choices: str | None) -> Labelled:
    boxes: list[Box] = []
    of_boxes: list[str] = []
    chosen: list[str] = []
    sizes: set[Size] = set()
    for each in said.result:
        kind = each.type.lower()
        if kind == "choices":
            if each.from_name == choices:
                chosen += [str(word) for word in each.value.get("choices", [])]
        elif kind in ("rectanglelabels", "rectangle"):
            box, size = _box(each)
            sizes.add(size)
            boxes.append(box)
            of_boxes += [str(word) for word in each.value.get("rectanglelabels", [])]
        elif kind not in ("textarea", "rating", "number", "datetime", "relation"):  # these mark no place in the image
            raise ValueError(f"holds a shape of the type '{each.type}', only rectangles can be taken")
    if len(sizes) > 1:
        raise ValueError("tells two sizes of the image")
    return Labelled(_names(task), where, sizes.pop() if sizes else None, tuple(chosen or of_boxes), tuple(boxes))


def _box(each: "_Result") -> tuple[Box, Size]:
    value = each.value
    rotation, image_rotation = value.get("rotation", 0) or 0, each.image_rotation or 0
    if rotation != 0:
        raise ValueError(f"rectangle '{each.id}' is turned by {rotation} degrees, a box cannot be")
    if image_rotation != 0:
        raise ValueError(f"the image was turned by {image_rotation} degrees for annotating")
    try:
        left, top, width, height = (float(value[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"rectangle '{each.id}' lacks x, y, width or height as numbers") from error
    if not each.original_width or not each.original_height:
        raise ValueError(f"rectangle '{each.id}' does not tell the image's original_width and original_height")
    size = Size(each.original_width, each.original_height)
    try:
        return (
            box_of_edges(
                left * size.width / 100,
                top * size.height / 100,
                (left + width) * size.width / 100,
                (top + height) * size.height / 100,
            ),
            size,
        )
    except ValueError as error:
        raise ValueError(f"rectangle '{each.id}' {error}") from error


def _names(task: "_Task") -> tuple[str, ...]:
    """By what the image may be known: an ``image_id`` in the task's data, then names of files."""
    names: list[str] = []
    given = task.data.get("image_id")
    if isinstance(given, str | int):
        names.append(str(given))
    for value in [task.file_upload, *task.data.values()]:
        if not isinstance(value, str) or "." not in value:
            continue
        parts = urlsplit(value)
        local = parse_qs(parts.query).get("d", [""])[0]  # /data/local-files/?d=folder/name.jpg
        name = unquote(local or parts.path).replace("\\", "/").rpartition("/")[2]
        names += [name, _UPLOADED.sub("", name)]
    return tuple(dict.fromkeys(each for each in names if each))


def _tasks(path: Path) -> "list[_Task]":
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AnnotationError("does not exist", where=str(path), fix="Name a Label Studio export.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise AnnotationError(f"is no JSON ({error})", where=str(path), fix="Export the project as JSON.") from error
    if not isinstance(told, list) or not all(isinstance(each, dict) and "annotations" in each for each in told):
        raise AnnotationError(
            "is no list of tasks with annotations",
            where=str(path),
            fix="Export the project in the form JSON (not JSON-MIN or CSV).",
        )
    try:
        return [_Task.model_validate(each) for each in told]
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise AnnotationError(
            f"is no Label Studio export: {listed(problems)}", where=str(path), fix="Export the project again."
        ) from error


def _choice_blocks(said: "_Said") -> list[str]:
    return [] if said.was_cancelled else [each.from_name for each in said.result if each.type.lower() == "choices"]


def _people(said: "_Said") -> set[str]:
    """How the person who made it may be called."""
    who = said.completed_by
    if isinstance(who, dict):
        return {str(who[name]) for name in ("id", "email") if who.get(name) is not None}
    return set() if who is None else {str(who)}


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Result(_Loose):
    id: str = ""
    type: str
    from_name: str = ""
    value: dict[str, Any] = {}
    original_width: int | None = None
    original_height: int | None = None
    image_rotation: float | None = None


class _Said(_Loose):
    was_cancelled: bool = False
    completed_by: int | str | dict[str, Any] | None = None
    result: list[_Result] = []


class _Task(_Loose):
    id: int | str
    data: dict[str, Any]
    file_upload: str | None = None
    annotations: list[_Said]
