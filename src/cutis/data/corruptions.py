"""Eight ways in which a photograph goes wrong, each at five strengths: what robustness is measured with.

After Hendrycks & Dietterich 2019 (ImageNet-C, arXiv:1903.12261), who took 224 × 224 pixels, and Maron 2021 (SAM-C,
doi:10.1016/j.ejca.2021.06.047), who did the same for dermoscopy. Their pixels are turned into shares of the shorter
side here, so that a strength means the same on images of any size. Where they have no such corruption, the scale is
our own and ``source`` says so. Chance (which side, which hairs, which noise) depends on the seed and the picture, not
on the strength: an image at five strengths differs in strength alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt

from cutis.data.images import Pixels
from cutis.errors import ImageError, listed

STRENGTHS = (1, 2, 3, 4, 5)
"""Weakest to strongest."""

_SIDE = 224  # of ImageNet-C's images, in pixels
_LINEAR = np.linspace(0, 1, 256)
_LINEAR = np.where(_LINEAR <= 0.04045, _LINEAR / 12.92, ((_LINEAR + 0.055) / 1.055) ** 2.4)
"""Light of each sRGB value, 0 to 1 (IEC 61966-2-1)."""
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_HAIR_COLOUR = np.array((33, 23, 18), np.float32)
_MOST_HAIRS = 48
_FINE = 2  # hairs are drawn at twice the size: soft edges, and half a pixel of width
_STEPS = np.linspace(0, 1, 12)[:, None]
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Corruption:
    """One way in which a photograph goes wrong.

    Attributes:
        name: what it is called, on the command line too.
        title: the same for a reader.
        unit: what the values are.
        values: of the five strengths.
        source: where the scale comes from.
        draw: does it, to a picture (uint8 H × W × 3) with a value, from a source of chance.
    """

    name: str
    title: str
    unit: str
    values: tuple[float, float, float, float, float]
    source: str
    draw: Callable[[Pixels, float, np.random.Generator], Pixels]


def corrupt(image: Pixels, name: str, strength: int, seed: int = 0) -> Pixels:
    """A picture gone wrong.

    Args:
        image: uint8, height × width × 3, RGB; left as it is.
        name: one of :data:`CORRUPTIONS`.
        strength: 1 (weak) to 5 (strong).
        seed: of chance; the same seed and pixels give the same result.

    Returns:
        uint8, of the same shape.

    Raises:
        ImageError: there is no such corruption or strength, or the picture is none.
    """
    if name not in CORRUPTIONS:
        raise ImageError(f"there is no corruption '{name}'", fix=f"Use one of {', '.join(CORRUPTIONS)}.")
    if strength not in STRENGTHS:
        raise ImageError(f"there is no strength {strength} of '{name}'", fix="Use 1, 2, 3, 4 or 5.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(
            f"an array of {image.dtype} and shape {listed([str(each) for each in image.shape])} is no RGB picture",
            fix="Give uint8, height × width × 3.",
        )
    picture = np.ascontiguousarray(image)
    rng = np.random.default_rng((seed, crc32(name.encode()), crc32(picture.tobytes())))
    chosen = CORRUPTIONS[name]
    return np.asarray(chosen.draw(picture, chosen.values[strength - 1], rng), dtype=np.uint8)


def _blur(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - no chance in it
    """Out of focus: each point becomes a disc, with an edge one pixel soft."""
    radius = value * _shorter_side(image)
    reach = int(np.ceil(radius + 0.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101), np.uint8)


def _noise(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    """Of the sensor: independent in each pixel and colour."""
    # As much as gives ``value`` once the image is averaged down, or up, to ImageNet-C's size.
    spread = np.float32(255 * value * _shorter_side(image) / _SIDE)
    noisy = image + spread * rng.standard_normal(image.shape, np.float32)
    return _rounded(noisy)


def _jpeg(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - no chance in it
    quality = [cv2.IMWRITE_JPEG_QUALITY, round(value)]
    _, packed = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    return np.asarray(cv2.cvtColor(cv2.imdecode(packed, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def _colour_cast(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    """A wrong white balance, warm or cold by chance; grey keeps its luminance."""
    stops = value * _side(rng)
    gains = 2 ** (stops * np.array([0.5, 0.0, -0.5]))
    return _relit(image, gains / (gains @ _LUMINANCE))


def _exposure(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    """Too light or too dark, by chance."""
    return _relit(image, np.full(3, 2 ** (value * _side(rng))))


def _zoom(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    """Nearer or farther, by chance, about the middle; what was outside the picture is mirrored in."""
    return _warped(image, 0.0, value ** _side(rng))


def _rotation(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    """Turned about the middle to either side, by chance; what was outside the picture is mirrored in."""
    return _warped(image, value * _side(rng), 1.0)


def _hair(image: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    """Dark curved strands that lie much the same way; a greater value adds some and leaves those of a smaller one."""
    height, width = image.shape[:2]
    side, hairs = _shorter_side(image), round(value)
    most = _MOST_HAIRS  # drawn by chance in any case, so that the first are the same at every strength
    angle = rng.uniform(0, np.pi) + rng.normal(0, 0.45, most)
    half = rng.uniform(0.25, 0.7, most) * side
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1) * half[:, None]
    bend = along[:, ::-1] * (-1, 1) * rng.normal(0, 0.35, (most, 1))
    middle = rng.uniform(-0.05, 1.05, (most, 2)) * (width, height)
    thick = np.maximum(1, np.round(_FINE * side * rng.uniform(0.004, 0.012, most))).astype(int)
    darkness = rng.integers(150, 243, most)
    # Quadratic Bézier curves, most × steps × 2.
    start, turn, end = ((middle + each)[:, None] for each in (-along, bend, along))
    curves = (1 - _STEPS) ** 2 * start + 2 * _STEPS * (1 - _STEPS) * turn + _STEPS**2 * end
    points = np.round(_FINE * curves * 2**_SUBPIXEL_BITS).astype(np.int32)
    drawn = np.zeros((_FINE * height, _FINE * width), np.uint8)
    for n in range(hairs):
        cv2.polylines(drawn, [points[n]], False, int(darkness[n]), int(thick[n]), cv2.LINE_AA, _SUBPIXEL_BITS)
    cover = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None]
    return _rounded(image + cover * np.float32(1 / 255) * (_HAIR_COLOUR - image))


def _shorter_side(image: Pixels) -> int:
    return int(min(image.shape[:2]))


def _side(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _relit(image: Pixels, gains: npt.NDArray[np.float64]) -> Pixels:
    """Light times a gain a colour, cut where the sensor would be full."""
    light = np.clip(_LINEAR[:, None] * gains, 0, 1)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(cv2.LUT(image, np.round(255 * srgb).astype(np.uint8)[:, None]), np.uint8)


def _warped(image: Pixels, degrees: float, factor: float) -> Pixels:
    height, width = image.shape[:2]
    if factor < 1:  # else fine structures would alias
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.35 / factor, borderType=cv2.BORDER_REFLECT_101), np.uint8)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, factor)
    out = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(out, np.uint8)


def _rounded(values: npt.NDArray[np.float32]) -> Pixels:
    return np.asarray(np.clip(values + np.float32(0.5), 0, 255), dtype=np.uint8)


def _shares(pixels: tuple[int, ...]) -> tuple[float, float, float, float, float]:
    """Pixels of an ImageNet-C image as shares of its side."""
    a, b, c, d, e = (each / _SIDE for each in pixels)
    return a, b, c, d, e


CORRUPTIONS: dict[str, Corruption] = {
    each.name: each
    for each in (
        Corruption(
            name="blur",
            title="Blur: out of focus",
            unit="radius of the disc that a point becomes, share of the shorter side",
            values=_shares((3, 4, 6, 8, 10)),
            source="ImageNet-C, defocus blur: radii of 3, 4, 6, 8 and 10 of 224 pixels",
            draw=_blur,
        ),
        Corruption(
            name="noise",
            title="Noise of the sensor",
            unit="standard deviation with the shorter side at 224 pixels, share of white",
            values=(0.08, 0.12, 0.18, 0.26, 0.38),
            source="ImageNet-C, Gaussian noise",
            draw=_noise,
        ),
        Corruption(
            name="jpeg",
            title="JPEG compression",
            unit="quality of the encoder, 100 the best; its blocks have 8 pixels whatever the image's size",
            values=(25, 18, 15, 10, 7),
            source="ImageNet-C, JPEG compression",
            draw=_jpeg,
        ),
        Corruption(
            name="colour-cast",
            title="Colour cast: wrong white balance",
            unit="stops of light between red and blue, to the warm or the cold side",
            values=(0.25, 0.5, 0.75, 1.0, 1.5),
            source="our own: a camera set to 6500 K in light of 5800, 5300, 4800, 4500 and 3900 K, or as much colder",
            draw=_colour_cast,
        ),
        Corruption(
            name="exposure",
            title="Exposure: too light or too dark",
            unit="stops of light, to either side",
            values=(0.57, 1.07, 1.5, 1.88, 2.22),
            source="ImageNet-C, brightness: what its 0.1 to 0.5 of value are at mid-grey; as in SAM-C, darker too",
            draw=_exposure,
        ),
        Corruption(
            name="zoom",
            title="Zoom: nearer or farther",
            unit="factor, or one divided by it",
            values=(1.1, 1.25, 1.4, 1.6, 1.8),
            source="our own: the distance wrong by up to four fifths",
            draw=_zoom,
        ),
        Corruption(
            name="rotation",
            title="Rotation",
            unit="degrees, to either side",
            values=(15, 30, 45, 60, 90),
            source="our own: a lesion has no upright position",
            draw=_rotation,
        ),
        Corruption(
            name="hair",
            title="Hair",
            unit="hairs, each 0.4 to 1.2 % of the shorter side thick and 0.5 to 1.4 of it long",
            values=(3, 6, 12, 24, _MOST_HAIRS),
            source="our own: from a few hairs to a chest that was not shaved",
            draw=_hair,
        ),
    )
}
"""Every corruption by name."""
