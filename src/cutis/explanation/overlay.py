"""Maps drawn over photographs: the photograph, the map over it in grey, a colour scale and a legend, as one picture.

The photograph under a map is grey, so that every colour is the map's. How strong a colour is tells how strong the map
is there, relative to the strongest place of the same image: maps of two images or two methods cannot be compared by
their colours. Unsigned maps have matplotlib's plasma, which is perceptually uniform; signed maps orange for and blue
against, which colour-blind people tell apart. Maps of single pixels are smoothed first: the eye cannot add up what is
scattered, and neighbours that speak for and against cancel out, as they do in the answer. LIME's regions are outlined
as in its paper (Ribeiro 2016, arXiv:1602.04938), green for and red against; as red and green are alike to many, what
speaks against is dashed as well.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from cutis.data import Pixels
from cutis.explanation.methods import Method

Map = npt.NDArray[np.float32]

REGIONS = ("lime",)
"""Methods that weigh regions: drawn as outlines."""
PIXELWISE = ("saliency", "smoothgrad", "integrated-gradients")
"""Methods that weigh single pixels: drawn smoothed."""
SMOOTHED_BY = 1 / 80
"""Standard deviation of the Gaussian that smooths them, in longer sides of the image."""
LEAST_WEIGHT = 0.2
"""A region of less than this share of the strongest weight is not outlined."""
FOR, AGAINST = (255, 138, 0), (38, 132, 255)
SUPPORTING, OPPOSING = (0, 200, 70), (255, 45, 45)
_MARK = (0, 235, 235)
NOT_A_DEVICE = "Shows where the network looked, not why. Research software, not a medical device."

_PHOTOGRAPH = "The photograph, as the network is shown it"
_STRONGEST = 99.5  # percentile: a few stray pixels must not take the colours from the rest
_OPAQUE = 0.7  # the lesion stays to be seen below the strongest colour
_GREYS = (20, 150)
_PANEL = 480  # pixels, the longer side
_MARGIN, _GAP = 20, 16
_BAR = (260, 16)  # width and height of a colour scale
_TEXT, _QUIET, _LINE = (24, 32, 38), (77, 90, 99), (150, 160, 166)


@dataclass(frozen=True)
class Legend:
    """What is written on a picture of a map.

    Attributes:
        title: the first line: the method and what its map speaks for.
        told: lines below it: the probability, the answer, what the method's map is.
        small: the last line before the warning: image and model.
    """

    title: str
    told: tuple[str, ...] = ()
    small: str = ""


def strength(attribution: Map, method: Method) -> tuple[npt.NDArray[np.float32], float]:
    """A map as it is drawn: smoothed where it is of single pixels, and divided by its strongest value.

    Args:
        attribution: H × W, finite.
        method: that made it.

    Returns:
        H × W in [−1, 1], and what it was divided by: the 99.5th percentile of its absolute values, at which it is cut
        (the largest where that is 0). A map that is 0 everywhere stays so, with 0.
    """
    values = np.asarray(attribution, dtype=np.float32)
    if method.name in PIXELWISE:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), SMOOTHED_BY * max(values.shape)), dtype=np.float32)
    size = np.abs(values)
    strongest = float(np.percentile(size, _STRONGEST)) or float(size.max())
    if strongest == 0:
        return np.zeros_like(values), 0.0
    return np.clip(values / np.float32(strongest), -1, 1), strongest


def laid_over(picture: Pixels, attribution: Map, method: Method) -> Pixels:
    """A map over a photograph in grey; regions are outlined, all else is coloured.

    Args:
        picture: uint8, H × W × 3.
        attribution: any h × w of the same view; scaled to H × W.
        method: that made it.

    Returns:
        uint8, H × W × 3.
    """
    height, width = picture.shape[:2]
    values, _ = strength(attribution, method)
    if method.name in REGIONS:
        return _outlined(_grey(picture), cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST))
    shown = np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    return _coloured(_grey(picture), shown, signed=method.signed)


def colour_scale(width: int, height: int, *, signed: bool) -> Pixels:
    """The colours of a map over the middle grey, from the least to the strongest: uint8, height × width × 3."""
    values = np.tile(np.linspace(-1 if signed else 0, 1, width, dtype=np.float32), (height, 1))
    return _coloured(np.full((height, width, 3), sum(_GREYS) // 2, dtype=np.uint8), values, signed=signed)


def side_by_side(picture: Pixels, attribution: Map, legend: Legend, method: Method) -> Pixels:
    """The photograph and the map over it, with what is explained, the colour scale and what the map is.

    Args:
        picture: uint8, any H × W × 3; shown with its longer side at 480 pixels.
        attribution: any h × w of the same view.
        legend: what is written.
        method: that made the map.

    Returns:
        uint8, RGB, for a PNG.
    """
    shown = sized(picture, _PANEL)
    smoothed = "smoothed, " if method.name in PIXELWISE else ""
    panels = [
        (shown, _PHOTOGRAPH),
        (laid_over(shown, attribution, method), f"{method.title}, {smoothed}over the photograph in grey"),
    ]
    key = _region_key() if method.name in REGIONS else _scale_key(signed=method.signed)
    zero = not np.any(attribution)
    told = (*legend.told, "This map is 0 everywhere: the method found nothing.") if zero else legend.told
    return _composed(panels, legend, told, key)


def marked_site(picture: Pixels, x: float, y: float, uncertain: npt.NDArray[np.bool_]) -> Pixels:
    """A photograph with a cross at a point and the outline of an area of uncertainty; it stays in colour.

    Args:
        picture: uint8, H × W × 3.
        x: of the point, as a share of the width, 0 to 1.
        y: as a share of the height.
        uncertain: any h × w of the same view.
    """
    height, width = picture.shape[:2]
    marked = picture.copy()
    centre = round(x * width), round(y * height)
    area = cv2.resize(uncertain.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    outlines, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    thin = max(1, round(width / 160))
    # A dark rim, so that the mark is seen on light and dark skin.
    for tone, thickness in (((0, 0, 0), 2 * thin + 1), (_MARK, thin)):
        cv2.drawContours(marked, outlines, -1, tone, thickness, cv2.LINE_AA)
        cv2.drawMarker(marked, centre, tone, cv2.MARKER_CROSS, max(12, width // 20), thickness, cv2.LINE_AA)
    return marked


def marked_picture(picture: Pixels, marked: Pixels, caption: str, legend: Legend) -> Pixels:
    """The photograph beside a marked one, with what is written, as :func:`side_by_side` has it; both of one size."""
    panels = [(sized(picture, _PANEL), _PHOTOGRAPH), (sized(marked, _PANEL), caption)]
    return _composed(panels, legend, legend.told, None)


def sized(picture: Pixels, longer: int) -> Pixels:
    """A picture scaled so that its longer side has ``longer`` pixels."""
    height, width = picture.shape[:2]
    scale = longer / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return picture
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)


def _grey(picture: Pixels) -> Pixels:
    """The photograph in dark grey, so that every colour is lighter than what it lies on."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    low, high = _GREYS
    return np.repeat(np.round(low + grey * ((high - low) / 255)).astype(np.uint8)[..., None], 3, axis=2)


def _rgb(colour: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(colour, dtype=np.float32)


@cache
def _plasma() -> npt.NDArray[np.float32]:
    # From where it is as light as the grey on: its blues are darker.
    return np.asarray(mpl.colormaps["plasma"](np.linspace(0.3, 1, 256))[:, :3] * 255, dtype=np.float32)


def _coloured(grey: Pixels, values: npt.NDArray[np.float32], *, signed: bool) -> Pixels:
    size = np.clip(np.abs(values), 0, 1)
    if signed:
        colour = np.where(values[..., None] > 0, _rgb(FOR), _rgb(AGAINST))
        opaque = _OPAQUE * size
    else:
        colour = _plasma()[np.round(size * 255).astype(np.int64)]
        opaque = _OPAQUE * np.minimum(1, 2 * size)
    mixed = grey * (1 - opaque[..., None]) + colour * opaque[..., None]
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)


def _outlined(grey: Pixels, values: npt.NDArray[np.float32]) -> Pixels:
    """Regions by their weight: tinted and outlined, solid for, dashed against."""
    drawn = grey.copy()
    thick = max(2, round(max(grey.shape) / 160))
    for inside, colour, dashed in (
        (values >= LEAST_WEIGHT, SUPPORTING, False),
        (values <= -LEAST_WEIGHT, OPPOSING, True),
    ):
        opaque = np.where(inside, np.float32(0.45) * np.abs(values), np.float32(0))[..., None]
        drawn = np.asarray(np.round(drawn * (1 - opaque) + _rgb(colour) * opaque), dtype=np.uint8)
        outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        for each in outlines:
            _outline(drawn, each[:, 0], colour, thick, dashed=dashed)
    return drawn


def _outline(
    drawn: Pixels, points: npt.NDArray[np.int32], colour: tuple[int, int, int], thick: int, *, dashed: bool
) -> None:
    if not dashed:
        cv2.polylines(drawn, [points], isClosed=True, color=colour, thickness=thick, lineType=cv2.LINE_AA)
        return
    dash = 4 * thick
    for start in range(0, len(points), 2 * dash):
        piece = points[start : start + dash]
        cv2.polylines(drawn, [piece], isClosed=False, color=colour, thickness=thick, lineType=cv2.LINE_AA)


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    # matplotlib brings it along; a machine need not have any font.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def _wrapped(words: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _composed(
    panels: list[tuple[Pixels, str]], legend: Legend, told: tuple[str, ...], key: Image.Image | None
) -> Pixels:
    height, panel = panels[0][0].shape[:2]
    inner = 2 * panel + _GAP
    title, plain, small = _font(23, bold=True), _font(16), _font(14)
    above = [(line, title, _TEXT, 32) for line in _wrapped(legend.title, title, inner)]
    above += [(line, plain, _TEXT, 23) for each in told for line in _wrapped(each, plain, inner)]
    below = [
        (line, small, _QUIET, 20)
        for each in (NOT_A_DEVICE, legend.small)
        if each
        for line in _wrapped(each, small, inner)
    ]
    captions = [_wrapped(words, small, panel) for _, words in panels]
    top = _MARGIN + sum(step for *_, step in above) + 8
    under = top + height + 6 + 20 * max(len(each) for each in captions) + 10
    end = under + (key.height + 12 if key else 0)
    sheet = Image.new("RGB", (inner + 2 * _MARGIN, end + sum(step for *_, step in below) + _MARGIN), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    _write(draw, _MARGIN, _MARGIN, above)
    for place, ((picture, _), lines) in enumerate(zip(panels, captions, strict=True)):
        left = _MARGIN + place * (panel + _GAP)
        sheet.paste(Image.fromarray(picture), (left, top))
        _write(draw, left, top + height + 6, [(line, small, _QUIET, 20) for line in lines])
    if key:
        sheet.paste(key, (_MARGIN + max(0, inner - key.width), under))
    _write(draw, _MARGIN, end, below)
    return np.asarray(sheet)


def _write(
    draw: ImageDraw.ImageDraw,
    left: int,
    top: int,
    lines: list[tuple[str, ImageFont.FreeTypeFont, tuple[int, int, int], int]],
) -> None:
    for words, font, colour, step in lines:
        draw.text((left, top), words, font=font, fill=colour)
        top += step


def _scale_key(*, signed: bool) -> Image.Image:
    """The colour scale with its numbers, and in words what its ends mean."""
    font = _font(14)
    width, height = _BAR
    ends = ("speaks against", "speaks for") if signed else ("no influence", "strongest in this image")
    ticks = ((0.0, "−1"), (0.5, "0"), (1.0, "+1")) if signed else ((0.0, "0"), (0.5, "0.5"), (1.0, "1"))
    first = round(font.getlength(ends[0])) + 10
    key = Image.new("RGB", (first + width + 10 + round(font.getlength(ends[1])), height + 24), (255, 255, 255))
    draw = ImageDraw.Draw(key)
    draw.text((0, 0), ends[0], font=font, fill=_TEXT)
    key.paste(Image.fromarray(colour_scale(width, height, signed=signed)), (first, 0))
    draw.rectangle((first, 0, first + width - 1, height - 1), outline=_LINE)
    for share, words in ticks:
        at = first + share * (width - 1)
        draw.line((at, height, at, height + 4), fill=_TEXT)
        draw.text((at, height + 5), words, font=font, fill=_TEXT, anchor="ma")
    draw.text((first + width + 10, 0), ends[1], font=font, fill=_TEXT)
    return key


def _region_key() -> Image.Image:
    font = _font(14)
    words = ("region speaks for", f"speaks against (weights from {LEAST_WEIGHT:.0%} of the strongest)")
    wide = [round(font.getlength(each)) for each in words]
    key = Image.new("RGB", (2 * 50 + 24 + sum(wide), 24), (255, 255, 255))
    draw = ImageDraw.Draw(key)
    left = 0
    for text, length, value in zip(words, wide, (1.0, -1.0), strict=True):
        key.paste(Image.fromarray(region_swatch(40, 20, value)), (left, 0))
        draw.text((left + 50, 1), text, font=font, fill=_TEXT)
        left += 50 + length + 24
    return key


def region_swatch(width: int, height: int, weight: float) -> Pixels:
    """A region of this weight (−1 to 1) as it is drawn over the middle grey: uint8, height × width × 3."""
    values = np.zeros((height, width), dtype=np.float32)
    values[4:-4, 4:-4] = weight
    return _outlined(np.full((height, width, 3), sum(_GREYS) // 2, dtype=np.uint8), values)
