"""Pascal VOC: one XML file an image (Everingham et al. 2010, the development kit's ``Annotations``).

VOC counts pixels from 1, and ``xmax`` and ``ymax`` are the last pixels *inside*: the box of all of a 600 × 450 image is
1, 1, 600, 450. Some tools write edges counted from 0 instead; those files are read with ``from_zero``.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote, unquote
from xml.etree.ElementTree import (  # writes; reading goes through defusedxml
    Element,
    ElementTree,
    ParseError,
    SubElement,
    indent,
)

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from cutis.annotation.content import Box, Size
from cutis.annotation.errors import AnnotationError
from cutis.annotation.labelled import Labelled, box_of_edges
from cutis.annotation.settled_images import SettledImage
from cutis.errors import listed
from cutis.files import replacing_folder

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_pascal_voc(images: Sequence[SettledImage], folder: str | Path) -> int:
    """Write the images whose boxes are settled, also those without a box, as ``IMAGE_ID.xml``; whole or not at all.

    A box is called by the image's diagnosis (its node), or ``lesion`` where that is not settled. Characters of an
    ``image_id`` that a file's name should not hold are written as in web addresses (``/`` is ``%2F``).

    Returns:
        How many files were written.

    Raises:
        AnnotationError: the folder holds something else than such files.
    """
    folder = Path(folder)
    other = [each.name for each in folder.iterdir() if each.suffix != ".xml"] if folder.is_dir() else []
    if other:
        raise AnnotationError(
            f"holds other files, which would be lost: {listed(other)}", where=str(folder), fix="Name another folder."
        )
    written = [each for each in images if "boxes" in each.settled]
    with replacing_folder(folder) as temporary:
        for each in written:
            root = _element(each)
            indent(root)
            name = f"{quote(each.image_id, safe=' ')}.xml"
            ElementTree(root).write(temporary / name, encoding="utf-8", xml_declaration=True)
    return len(written)


def read_pascal_voc(path: str | Path, *, from_zero: bool = False) -> list[Labelled]:
    """Read a file, or all ``.xml`` files of a folder.

    Args:
        path: of the file or folder.
        from_zero: whether ``xmin`` and ``ymin`` count from 0 and ``xmax`` and ``ymax`` are edges, as some tools write.

    Raises:
        AnnotationError: all files that are no annotation, or hold boxes that are none, together.
    """
    path = Path(path)
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        what = "holds no .xml file" if path.is_dir() else "does not exist"
        raise AnnotationError(what, where=str(path), fix="Name a Pascal VOC file or a folder of them.")
    problems: list[str] = []
    found = []
    for each in files:
        try:
            found.append(_labelled(each, from_zero=from_zero))
        except (ParseError, DefusedXmlException) as error:
            problems.append(f"{each.name}: is not plain XML ({error})")
        except ValueError as error:
            problems.append(f"{each.name}: {error}")
    if problems:
        raise AnnotationError(
            f"{len(problems):,} files cannot be read: {listed(problems)}",
            where=str(path),
            fix="Correct them; nothing was imported.",
        )
    return found


def _element(image: SettledImage) -> Element:
    root = Element("annotation")
    _add(root, "folder", "")
    _add(root, "filename", image.file_name)
    source = SubElement(root, "source")
    _add(source, "database", "cutis")
    size = SubElement(root, "size")
    _add(size, "width", image.size.width)
    _add(size, "height", image.size.height)
    _add(size, "depth", 3)
    _add(root, "segmented", 0)
    for each in image.boxes:
        thing = SubElement(root, "object")
        _add(thing, "name", image.label)
        _add(thing, "pose", "Unspecified")
        touches = each.left == 0 or each.top == 0 or each.right == image.size.width or each.bottom == image.size.height
        _add(thing, "truncated", int(touches))
        _add(thing, "difficult", 0)
        edges = SubElement(thing, "bndbox")
        _add(edges, "xmin", each.left + 1)
        _add(edges, "ymin", each.top + 1)
        _add(edges, "xmax", each.right)
        _add(edges, "ymax", each.bottom)
    return root


def _add(parent: Element, name: str, value: object) -> None:
    SubElement(parent, name).text = _NOT_XML.sub("\ufffd", str(value))


def _labelled(file: Path, *, from_zero: bool) -> Labelled:
    root: Element = parse(file, forbid_dtd=True).getroot()
    if root.tag != "annotation":
        raise ValueError(f"begins with <{root.tag}>, not with <annotation>")
    size = None
    if root.find("size") is not None:
        size = Size(_whole(root, "size/width"), _whole(root, "size/height"))
    boxes: list[Box] = []
    words = []
    for number, thing in enumerate(root.findall("object"), 1):
        try:
            edges = [_number(thing, f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
            if not from_zero:
                _check_counts_from_one(edges)
                edges = [edges[0] - 1, edges[1] - 1, *edges[2:]]
            boxes.append(box_of_edges(*edges))
        except ValueError as error:
            raise ValueError(f"box {number} {error}") from error
        words.append(thing.findtext("name", "").strip())
    names = (unquote(file.stem), root.findtext("filename", "").strip())
    return Labelled(tuple(each for each in names if each), file.name, size, tuple(words), tuple(boxes))


def _check_counts_from_one(edges: list[float]) -> None:
    if min(edges[:2]) < 1:
        raise ValueError("begins at 0, and VOC counts from 1; was it written by a tool that counts from 0?")


def _number(parent: Element, name: str) -> float:
    return _read(parent, name, float)


def _whole(parent: Element, name: str) -> int:
    return int(_read(parent, name, int))


def _read(parent: Element, name: str, kind: Callable[[str], float]) -> float:
    text = parent.findtext(name)
    if text is None:
        raise ValueError(f"has no <{name.replace('/', '><')}>")
    try:
        value = kind(text.strip())
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"has '{text.strip()[:40]}' as <{name.rpartition('/')[2]}>, which is no number")
    return value
