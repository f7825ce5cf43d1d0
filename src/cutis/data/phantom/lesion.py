"""Phantom lesions: what lesions of each diagnosis look like, one chosen from them, its painting.

The diagnoses differ in the structures dermoscopy tells them apart by. They overlap on purpose: some naevi are
uneven, some melanomas are quiet, any lesion may lack what is typical of it.
"""

from dataclasses import dataclass, field
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from cutis.data.phantom.canvas import Canvas, Plane, Shape, ramp
from cutis.data.phantom.structures import STRUCTURES
from cutis.errors import CutisError, listed

Range = tuple[float, float]


@dataclass(frozen=True)
class Appearance:
    """What lesions of one diagnosis look like: even ranges, and how often each structure is there."""

    diagnosis: str  # ISIC path
    structures: dict[str, float]  # probability
    light: tuple[float, float, float]  # what the palest such lesion lets through of red, green and blue
    dark: tuple[float, float, float]  # and the darkest
    elongation: Range
    irregularity: Range
    rim: Range  # width of the border, in lesion radii
    mottling: Range  # unevenness of the colour
    centre: Range  # how much denser the colour is in the middle than at the rim; below 0: paler
    diameter_mm: Range


APPEARANCES: dict[str, Appearance] = {
    "akiec": Appearance(
        diagnosis="Indeterminate:Indeterminate epidermal proliferations:Solar or actinic keratosis",
        structures={
            "scale": 0.7, "red_pseudonetwork": 0.7, "strawberry_pattern": 0.5,
            "globules": 0.06, "several_colours": 0.06,
        },
        light=(0.97, 0.82, 0.78), dark=(0.86, 0.62, 0.57),
        elongation=(1.0, 1.5), irregularity=(0.25, 0.7), rim=(0.2, 0.5),
        mottling=(0.25, 0.5), centre=(-0.1, 0.3), diameter_mm=(4.5, 9.5),
    ),
    "bcc": Appearance(
        diagnosis="Malignant:Malignant adnexal epithelial proliferations - Follicular:Basal cell carcinoma",
        structures={
            "arborising_vessels": 0.75, "ovoid_nests": 0.55, "milia_like_cysts": 0.05,
            "scale": 0.08, "globules": 0.08, "central_white_patch": 0.06,
        },
        light=(1.0, 0.84, 0.85), dark=(0.88, 0.66, 0.66),
        elongation=(1.0, 1.4), irregularity=(0.1, 0.5), rim=(0.08, 0.25),
        mottling=(0.1, 0.3), centre=(-0.1, 0.2), diameter_mm=(3.5, 9),
    ),
    "bkl": Appearance(
        diagnosis="Benign:Benign epidermal proliferations:Seborrheic keratosis",
        structures={
            "milia_like_cysts": 0.7, "comedo_like_openings": 0.65, "pigment_network": 0.1,
            "scale": 0.08, "globules": 0.05, "several_colours": 0.05,
        },
        light=(0.84, 0.70, 0.52), dark=(0.48, 0.35, 0.24),
        elongation=(1.0, 1.5), irregularity=(0.1, 0.55), rim=(0.03, 0.08),
        mottling=(0.1, 0.35), centre=(-0.1, 0.15), diameter_mm=(4, 9.5),
    ),
    "df": Appearance(
        diagnosis="Benign:Benign soft tissue proliferations - Fibro-histiocytic:Dermatofibroma",
        structures={
            "central_white_patch": 0.85, "peripheral_network": 0.8,
            "globules": 0.06, "red_pseudonetwork": 0.05,
        },
        light=(0.93, 0.76, 0.68), dark=(0.66, 0.48, 0.40),
        elongation=(1.0, 1.25), irregularity=(0.0, 0.2), rim=(0.15, 0.35),
        mottling=(0.05, 0.25), centre=(-0.2, 0.3), diameter_mm=(4, 8),
    ),
    "mel": Appearance(
        diagnosis="Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma, NOS",
        structures={
            "atypical_network": 0.65, "streaks": 0.45, "blue_white_veil": 0.5, "several_colours": 0.55,
            "globules": 0.2, "pigment_network": 0.12, "milia_like_cysts": 0.04, "central_white_patch": 0.04,
        },
        light=(0.72, 0.56, 0.46), dark=(0.36, 0.24, 0.20),
        elongation=(1.0, 1.5), irregularity=(0.3, 1.0), rim=(0.04, 0.2),
        mottling=(0.25, 0.65), centre=(-0.1, 0.5), diameter_mm=(4, 10),
    ),
    "nv": Appearance(
        diagnosis="Benign:Benign melanocytic proliferations:Nevus",
        structures={
            "pigment_network": 0.6, "globules": 0.4, "atypical_network": 0.1, "several_colours": 0.06,
            "streaks": 0.04, "milia_like_cysts": 0.04, "blue_white_veil": 0.03,
        },
        light=(0.82, 0.66, 0.54), dark=(0.44, 0.30, 0.25),
        elongation=(1.0, 1.4), irregularity=(0.0, 0.45), rim=(0.06, 0.3),
        mottling=(0.05, 0.35), centre=(0.0, 0.6), diameter_mm=(3, 9),
    ),
    "vasc": Appearance(
        diagnosis="Benign:Benign soft tissue proliferations - Vascular:Hemangioma",
        structures={"lacunae": 0.88, "scale": 0.04, "blue_white_veil": 0.05, "central_white_patch": 0.03},
        light=(0.92, 0.56, 0.60), dark=(0.62, 0.26, 0.36),
        elongation=(1.0, 1.35), irregularity=(0.05, 0.4), rim=(0.03, 0.12),
        mottling=(0.05, 0.3), centre=(0.0, 0.3), diameter_mm=(3, 7),
    ),
}  # fmt: skip
"""One entry a class of ``class_set("ham7")``."""


@dataclass(frozen=True)
class PhantomLesion:
    """One synthetic lesion. The same values always give the same picture.

    ``structures`` maps names of :data:`STRUCTURES` to their strength, 0–1; ``dataclasses.replace(lesion,
    structures={…})`` plants exactly those in an otherwise unchanged lesion. ``pigment`` is what the lesion
    lets through of the skin's red, green and blue. The other numbers are in the units of :class:`Appearance`.
    """

    diagnosis: str  # class id, e.g. "mel"
    seed: int
    pigment: tuple[float, float, float]
    elongation: float = 1.15
    irregularity: float = 0.2
    rim: float = 0.1
    mottling: float = 0.15
    centre: float = 0.2
    diameter_mm: float = 7.0
    structures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.structures) - set(STRUCTURES))
        if unknown:
            raise CutisError(
                f"no phantom structure is called {listed(unknown)}",
                fix=f"Use some of {', '.join(STRUCTURES)}.",
            )


def phantom_lesion(diagnosis: str, seed: int) -> PhantomLesion:
    """A lesion of this diagnosis, drawn at random from its :class:`Appearance`.

    Args:
        diagnosis: a class id of ``class_set("ham7")``.
        seed: 0 or above; the same seed gives the same lesion.

    Raises:
        CutisError: there are no phantoms of this diagnosis.
    """
    if diagnosis not in APPEARANCES:
        raise CutisError(f"there are no phantoms of '{diagnosis}'", fix=f"Use one of {', '.join(APPEARANCES)}.")
    look = APPEARANCES[diagnosis]
    rng = np.random.default_rng((seed, crc32(diagnosis.encode())))
    shade = rng.uniform()
    pigment = np.asarray(look.light) * (1 - shade) + np.asarray(look.dark) * shade + rng.normal(0, 0.035, 3)
    # Every structure takes its two numbers, there or not: to change one probability shifts no other.
    present, strength = rng.random(len(STRUCTURES)), rng.uniform(0.15, 1, len(STRUCTURES))
    structures = {
        name: float(strength[index])
        for index, name in enumerate(STRUCTURES)
        if present[index] < look.structures.get(name, 0.0)
    }
    return PhantomLesion(
        diagnosis=diagnosis,
        seed=seed,
        pigment=(float(pigment[0]), float(pigment[1]), float(pigment[2])),
        elongation=rng.uniform(*look.elongation),
        irregularity=rng.uniform(*look.irregularity),
        rim=rng.uniform(*look.rim),
        mottling=rng.uniform(*look.mottling),
        centre=rng.uniform(*look.centre),
        diameter_mm=rng.uniform(*look.diameter_mm),
        structures=structures,
    )


@dataclass(frozen=True)
class Painted:
    """A lesion without skin, on a square canvas: ``colour = skin · transmitted + reflected``."""

    radius: int  # pixels a lesion radius
    transmitted: NDArray[np.float32]  # (S, S, 3)
    reflected: NDArray[np.float32]  # (S, S, 3)
    mask: NDArray[np.uint8]  # (S, S) 0 or 255
    structures: dict[str, NDArray[np.uint8]]  # the same for each structure


def paint_lesion(lesion: PhantomLesion, radius: int) -> Painted:
    """Paint the lesion and its structures, deep ones first, ``radius`` pixels to the lesion's radius."""
    canvas = Canvas(radius, Shape(lesion.elongation, lesion.irregularity), lesion.seed)
    _paint_body(canvas, lesion)
    structures = {
        name: _where(paint(canvas, canvas.generator(name), lesion.structures[name]))
        for name, paint in STRUCTURES.items()
        if name in lesion.structures
    }
    mask = _where(canvas.inside)
    if "streaks" in structures:  # they alone leave the outline
        mask = cv2.bitwise_or(mask, structures["streaks"])
    return Painted(radius, canvas.transmitted, canvas.reflected, mask, structures)


def _paint_body(canvas: Canvas, lesion: PhantomLesion) -> None:
    """The lesion's own colour: pigment by Beer and Lambert, unevenly dense, thinning over the rim."""
    rng = canvas.generator("body")
    density = ramp(canvas.depth, -lesion.rim / 2, lesion.rim / 2)
    density = density * (
        1 + lesion.centre * (np.clip(canvas.depth, 0, 1) - 0.4) + lesion.mottling * canvas.noise(rng, 4) * 0.8
    )
    density = density * (1 + 0.06 * canvas.noise(rng, 26, octaves=1))
    absorbance = np.log(np.clip(lesion.pigment, 0.05, 1.05)).astype(np.float32)
    canvas.transmitted *= np.exp(np.maximum(density, 0).astype(np.float32)[..., None] * absorbance)
    if lesion.diagnosis == "bkl":  # stuck on, with a waxy shine
        canvas.cover(canvas.inside * np.float32(0.14), (0.72, 0.58, 0.38))
    elif lesion.diagnosis == "bcc":  # a pearly, shiny ground
        canvas.cover(canvas.inside * ramp(canvas.noise(rng, 4), -0.2, 1.6) * np.float32(0.3), (1.0, 0.90, 0.92))


def _where(amount: Plane) -> NDArray[np.uint8]:
    where: NDArray[np.uint8] = (amount > 0.04).astype(np.uint8) * np.uint8(255)
    return where
