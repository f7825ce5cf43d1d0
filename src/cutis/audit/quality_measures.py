"""Measures of one photograph's quality, each one figure with a unit."""

from collections.abc import Callable

import cv2
import numpy as np
import polars as pl

from cutis.audit.measured import measured
from cutis.audit.quality_areas import ELLIPSE_9, WORKING_AREA, Areas, Mask, Plane, areas_of, within, working_image
from cutis.data import Pixels

MEASURES: dict[str, str] = {
    "short_side": "shorter side of the file's image, pixels",
    "blur": "blur of the sharpest edges: standard deviation of a Gaussian, pixels of the working size; 0 is sharp",
    "noise": "standard deviation of the noise, grey levels (0–255)",
    "lightness": "median L* inside the field of view, 0–100",
    "brightest": "90th percentile of L* inside the field of view, 0–100",
    "clipped": "share of the field of view where all light, or all of two colours, is at the end of its range, 0–1",
    "lesion_share": "area of the lesion in the field of view, 0–1; missing where none is found",
    "lesion_cut": "share of the lesion's outline that lies on the image's border, 0–1; missing where none is found",
    "hair": "share of the field of view under hairs, 0–1",
    "black_corners": "share of the image outside the field of view, 0–1",
    "ruler": "how regularly marks stand beside each other, 0–1",
    "ink": "share of the field of view that is pen, gentian violet or sticker, 0–1",
    "text": "letters in the longest line of writing",
}
"""What is measured: name, meaning, unit and range."""

SKIN_MEASURES: dict[str, str] = {
    "n_skin_pixels": "healthy skin in plain sight, pixels of the working size (30,000 in all)",
    "skin_lightness": "its median L*, 0–100; missing where there are fewer than LEAST_SKIN pixels",
    "skin_yellowness": "its median b*; missing likewise",
}
LEAST_SKIN = 600

_CACHE = "audit-quality-1"  # count on whenever a measure changes
_LEAST_GRADIENT = 3.0  # grey levels a pixel: above what noise and JPEG make of flat skin
_SHARP_SHARE = 0.003
_NO_DETAIL = 5.0
_FAINT = 12  # grey levels of a mark that is not printed
_FEWEST_MARKS = 0.002
_ALONE = 0.6
_STRETCH = 64
_LEAST_TICK = 3.0  # grey levels, mean over eight rows


def image_measures(manifest: pl.DataFrame, progress: Callable[[int], None] | None = None) -> pl.DataFrame:
    """:data:`MEASURES` and :data:`SKIN_MEASURES` of each image that has a file, in one pass, kept by file content.

    Args:
        manifest: with whole paths.
        progress: called with the number of images just finished.

    Returns:
        ``source``, ``image_id`` and the measures (Float64, null where not defined).

    Raises:
        ImageError: images or masks cannot be read, all named together.
    """
    columns = [*MEASURES, *SKIN_MEASURES]
    return measured(manifest, measure_image, columns=columns, cache=_CACHE, progress=progress)


def measure_image(image: Pixels, mask: Pixels | None = None) -> dict[str, float]:
    """Every measure of one image; NaN where it is not defined.

    Args:
        image: uint8, height × width × 3, RGB.
        mask: lesion mask, above 127 inside; estimated when None.
    """
    areas = areas_of(image, mask)
    inside = within(areas.field)
    if not inside.any():
        inside = np.ones_like(inside)
    lightness, brightest = np.percentile(areas.lab[..., 0][inside][::3], [50, 90])
    return {
        "short_side": float(min(image.shape[:2])),
        "blur": blur(areas.grey, inside),
        "noise": noise(areas.grey, inside),
        "lightness": float(lightness),
        "brightest": float(brightest),
        "clipped": _clipped(areas.image, inside),
        "lesion_share": _lesion_share(areas),
        "lesion_cut": _lesion_cut(areas),
        "hair": float(areas.hair[inside].mean()),
        "black_corners": float(1 - areas.field.mean()),
        "ruler": ruler(image, areas),
        "ink": float(areas.ink[inside].mean()),
        "text": text_length(image),
        **_skin(areas),
    }


def _skin(areas: Areas) -> dict[str, float]:
    colours = areas.lab[areas.skin]
    enough = len(colours) >= LEAST_SKIN
    return {
        "n_skin_pixels": float(len(colours)),
        "skin_lightness": float(np.median(colours[:, 0])) if enough else np.nan,
        "skin_yellowness": float(np.median(colours[:, 2])) if enough else np.nan,
    }


def blur(grey: Pixels, inside: Mask) -> float:
    """Blur of the sharpest edges: standard deviation of a Gaussian, in pixels.

    An edge blurred by σ and blurred again by σ₀ = 1 loses the factor √(σ² + σ₀²)/σ of its gradient, whatever its height
    (Zhuo & Sim 2011, doi:10.1016/j.patcog.2011.03.009). The value is that which 0.3 % of the pixels fall below, as most
    edges of a lesion are soft by nature; 5 where fewer pixels show any detail. So it reads low on a photograph: about
    1.0 to 2.0 after a blur of 2.
    """
    sharp = grey.astype(np.float32)
    first, again = _gradient(sharp), _gradient(cv2.GaussianBlur(sharp, (0, 0), 1.0))
    detail = inside & (first >= _LEAST_GRADIENT)
    enough = int(_SHARP_SHARE * inside.sum())
    if detail.sum() <= enough:
        return _NO_DETAIL
    ratio = first[detail] / np.maximum(again[detail], 1e-3)
    sigma = 1 / np.sqrt(np.maximum(ratio**2 - 1, 1 / _NO_DETAIL**2))
    return float(np.partition(sigma, enough)[enough])


def _gradient(plane: Plane) -> Plane:
    right, down = cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(right, down) / 8, dtype=np.float32)


def noise(grey: Pixels, inside: Mask) -> float:
    """Standard deviation of the noise, in grey levels.

    The difference of two Laplacians answers to noise and hardly to edges (Immerkær 1996, doi:10.1006/cviu.1996.0060);
    its median, not its mean, is taken, so that hairs and pigment network do not count.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    answer = np.abs(cv2.filter2D(grey.astype(np.float32), -1, kernel))
    return float(np.median(answer[inside]) / 0.6745 / 6)


def _clipped(image: Pixels, inside: Mask) -> float:
    ends = (image >= 254).sum(axis=2), (image <= 1).sum(axis=2)
    return float(((ends[0] >= 2) | (ends[1] >= 2))[inside].mean())


def _lesion_share(areas: Areas) -> float:
    share = (areas.lesion & areas.field).sum() / max(1, areas.field.sum())
    return float(share) if share > 0 else np.nan


def _lesion_cut(areas: Areas) -> float:
    lesion = areas.lesion.astype(np.uint8)
    outline = lesion - cv2.erode(lesion, np.ones((3, 3), np.uint8), borderValue=0)
    length = int(outline.sum())
    if not length:
        return float(np.nan)
    border = np.ones_like(areas.field)
    border[2:-2, 2:-2] = False
    return float((outline > 0)[border].sum() / length)


def ruler(image: Pixels, areas: Areas) -> float:
    """How regularly thin dark marks stand beside each other anywhere in the image: 0 not at all, 1 as on a ruler.

    The black-hat image is turned to twelve directions; in each, bands of eight rows are summed to a profile, and the
    profile's autocorrelation must come back at a lag of 3 to 16 pixels and again at twice that. Read at up to 2.25
    times the working area, for ticks are fine. Two thirds of the scales in ISIC 2017, most printed in the
    dermoscope's glass, are too fine for it at 256 pixels.
    """
    image = working_image(image, min(9 * WORKING_AREA // 4, image.shape[0] * image.shape[1]))
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    marks = np.minimum(cv2.subtract(cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, ELLIPSE_9), _FAINT), 40)
    height, width = marks.shape
    free = (areas.field & ~areas.lesion).astype(np.uint8)
    marks[cv2.resize(free, (width, height), interpolation=cv2.INTER_NEAREST) == 0] = 0
    side = int(np.hypot(height, width)) // 4 * 4 + 4
    if side < _STRETCH or (marks > 0).mean() < _FEWEST_MARKS:
        return 0.0
    turned = np.stack([_turned_rows(marks, degrees, side) for degrees in np.arange(0, 180, 15.0)])
    stretches, alone = _stretches(turned)
    if not len(stretches):
        return 0.0
    stretches = stretches - stretches.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(stretches, 2 * _STRETCH, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, axis=1)[:, :_STRETCH] / (1 - np.arange(_STRETCH) / _STRETCH)
    correlation /= np.maximum(correlation[:, :1], 1e-6)
    lags = np.arange(3, 17)
    once, twice = correlation[:, lags], correlation[:, 2 * lags]
    between = np.minimum.accumulate(correlation, axis=1)[:, lags]  # a slow change has no trough between its peaks
    regular = np.minimum(np.minimum(once, twice), -2 * between).max(axis=1)
    return float(np.clip((regular * np.minimum(alone / _ALONE, 1)).max(), 0, 1))


def _turned_rows(marks: Pixels, degrees: float, side: int) -> Plane:
    """The marks turned about the middle, side / 4 × side: each row the mean of four."""
    height, width = marks.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(marks, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(turned.astype(np.float32), (side, side // 4), interpolation=cv2.INTER_AREA))


def _stretches(rows: Plane) -> tuple[Plane, Plane]:
    """Stretches of 64 pixels of every band of eight rows that hold marks, S × 64, and how alone each stands, S.

    Hairs and skin are regular here and there too, but go on above and below: alone is the band's share of what lies
    within 26 rows. ``rows`` are those of all directions, D × rows × columns.
    """
    directions, height, width = rows.shape
    half = _STRETCH // 2
    pieces = np.lib.stride_tricks.sliding_window_view(rows, _STRETCH, axis=2)[:, :, ::half]
    halves = rows[..., : width // half * half].reshape(directions, height, -1, half).sum(axis=3)
    total = np.zeros((directions, height + 15, pieces.shape[2]), np.float32)  # of the rows before, 7 empty ones around
    np.cumsum(halves[..., :-1] + halves[..., 1:], axis=1, out=total[:, 8 : height + 8])
    total[:, height + 8 :] = total[:, height + 7 : height + 8]
    bands = height - 1
    band = total[:, 10 : 10 + bands] - total[:, 6 : 6 + bands]
    around = total[:, 15 : 15 + bands] - total[:, 1 : 1 + bands]
    kept = band > 0.12 * 2 * _LEAST_TICK * _STRETCH  # less cannot hold enough ticks
    stretches = (pieces[:, :-1][kept] + pieces[:, 1:][kept]) / 2
    alone = band[kept] / np.maximum(around[kept], 1e-6)
    marked = (stretches > _LEAST_TICK).mean(axis=1) > 0.12
    return stretches[marked], alone[marked]


def text_length(image: Pixels) -> float:
    """Letters in the longest line of writing: parts of one height in a row, near each other, unlike ticks not all thin.

    Read at up to four times the working area, for letters are small.
    """
    image = working_image(image, min(4 * WORKING_AREA, image.shape[0] * image.shape[1]))
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    kernel = np.ones((9, 9), np.uint8)
    return float(
        max(
            _longest_line(cv2.morphologyEx(grey, how, kernel) > 60)  # letters are drawn to be seen
            for how in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)
        )
    )


def _longest_line(strokes: Mask) -> int:
    count, _, boxes, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    if count < 4:
        return 0
    left, top, width, height, area = boxes[1:].T
    letter = (height >= 5) & (height <= 28) & (width <= 1.5 * height) & (area >= 5)
    letter &= (area / (width * height)) > 0.2
    rows, columns = strokes.shape  # ticks of a ruler run to the border, letters do not
    letter &= (left > 0) & (top > 0) & (left + width < columns) & (top + height < rows)
    left, top, width, height = (each[letter].astype(float) for each in (left, top, width, height))
    order = np.argsort(left)
    left, top, width, height = left[order], top[order], width[order], height[order]
    longest = 0
    for start in range(len(left)):
        line = [start]
        for each in range(start + 1, len(left)):
            last = line[-1]
            gap = left[each] - left[last] - width[last]
            if gap > 1.3 * height[start]:
                break
            if gap > -0.3 * height[start] and (
                abs(top[each] + height[each] - top[start] - height[start]) <= 0.25 * height[start]
                and abs(height[each] - height[start]) <= 0.3 * height[start]
            ):
                line.append(each)
        if np.mean(width[line] / height[line]) > 0.35:
            longest = max(longest, len(line))
    return longest
