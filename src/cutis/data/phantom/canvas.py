"""The canvas on which a phantom lesion is painted: its outline, two ways to paint, and shared shapes.

A canvas keeps no skin. It holds, for each pixel and colour, how the lesion changes what lies beneath:
``colour = skin · transmitted + reflected``. So one painted lesion can be laid on skin of any tone, in any
view. Lengths are in lesion radii; the lesion's centre is (0, 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Plane = NDArray[np.float32]  # one value a pixel
Points = NDArray[np.float64]  # (N, 2): x to the right, y downwards
Colour = Sequence[float]  # red, green, blue, 0–1

EXTENT = 1.75  # half the canvas' side
_OUTLINE_STEPS = 720
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Shape:
    """A lesion's form: long by short axis, and irregularity from 0 (an ellipse) to 1 (a ragged coast)."""

    elongation: float
    irregularity: float


class Canvas:
    """A square of side ``2 · EXTENT`` lesion radii, ``radius`` pixels to the radius.

    The same ``seed`` gives the same lesion.

    Attributes:
        depth: (S, S) distance to the outline, positive inside the lesion.
        inside: (S, S) 1 inside, falling to 0 at the outline: what is painted through it stays in the lesion.
        transmitted, reflected: (S, S, 3) the paint.
    """

    def __init__(self, radius: int, shape: Shape, seed: int) -> None:
        self.radius = radius
        self.seed = seed
        rng = self.generator("outline")
        self.x, self.y = _grid(radius)
        self.side = self.x.shape[0]
        stretch = np.sqrt(shape.elongation)
        distance, angle = cv2.cartToPolar(self.x / np.float32(stretch), self.y * np.float32(stretch))
        outline = _outline(shape.irregularity, rng)
        reach = outline[np.minimum((angle * (_OUTLINE_STEPS / (2 * np.pi))).astype(np.int32), _OUTLINE_STEPS - 1)]
        coast = 0.03 + 0.1 * shape.irregularity
        self.depth: Plane = reach - distance + np.float32(coast) * self.noise(rng, 7, octaves=2)
        # The lesion ends before its canvas does, whatever the noise.
        edge = EXTENT - 0.08 - np.maximum(np.abs(self.x), np.abs(self.y))
        self.depth = np.minimum(self.depth, edge).astype(np.float32)
        self.inside: Plane = ramp(self.depth, 0.0, 0.06)
        self.transmitted = np.ones((self.side, self.side, 3), np.float32)
        self.reflected = np.zeros((self.side, self.side, 3), np.float32)

    def generator(self, purpose: str) -> np.random.Generator:
        """This lesion's random numbers for one purpose: leaving one structure out changes no other."""
        return np.random.default_rng((self.seed, crc32(purpose.encode())))

    def absorb(self, amount: Plane, colour: Colour) -> None:
        """Let through only ``colour`` (0–1 each) where ``amount`` is 1, all where it is 0: melanin, blood."""
        kept = 1 - amount[..., None] * (1 - np.asarray(colour, np.float32))
        self.transmitted *= kept
        self.reflected *= kept

    def cover(self, amount: Plane, colour: Colour | NDArray[np.float32]) -> None:
        """Lay an opaque ``colour``, (3,) or (S, S, 3), over all where ``amount`` is 1: keratin, scar."""
        covering = amount[..., None]
        self.transmitted *= 1 - covering
        self.reflected += covering * (np.asarray(colour, np.float32) - self.reflected)

    def noise(self, rng: np.random.Generator, cells: int, *, octaves: int = 3) -> Plane:
        """Noise of mean about 0 and spread about 1; ``cells`` bumps along a side, finer ones weaker."""
        return smooth_noise(rng, (self.side, self.side), cells, octaves=octaves)

    def cells(
        self, rng: np.random.Generator, spacing: float, disorder: float
    ) -> tuple[Plane, NDArray[np.int32], Points]:
        """A honeycomb: distance to the nearest wall, index of each pixel's cell, and the cells' centres.

        Args:
            rng: places the cells.
            spacing: between the centres of neighbours, in lesion radii.
            disorder: 0 is a perfect honeycomb, 1 a shattered one.
        """
        row_height = spacing * np.sqrt(3) / 2
        rows = np.arange(-EXTENT, EXTENT, row_height)
        columns = np.arange(-EXTENT, EXTENT, spacing)
        y, x = (each.astype(float) for each in np.meshgrid(rows, columns, indexing="ij"))
        x[1::2] += spacing / 2
        centres = np.stack([x.ravel(), y.ravel()], axis=1)
        centres += rng.normal(0, disorder * spacing * 0.45, centres.shape)
        column, row = np.clip(self.pixels(centres).round().astype(int), 0, self.side - 1).T
        free = np.full((self.side, self.side), 255, np.uint8)
        free[row, column] = 0
        _, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        cell_of_label = np.zeros(int(label.max()) + 1, np.int32)
        cell_of_label[label[row, column]] = np.arange(len(centres))
        wall = np.ones((self.side, self.side), np.uint8)
        wall[:, 1:][label[:, 1:] != label[:, :-1]] = 0
        wall[1:][label[1:] != label[:-1]] = 0
        from_wall = cv2.distanceTransform(wall, cv2.DIST_L2, 5) / np.float32(self.radius)
        return from_wall, cell_of_label[label], centres

    def points(self, rng: np.random.Generator, count: int, *, apart: float, depth: float) -> Points:
        """At most ``count`` places, at least ``depth`` inside the outline and ``apart`` from each other."""
        candidates = rng.uniform(-EXTENT, EXTENT, (12 * count + 40, 2))
        candidates = candidates[self.depth_at(candidates) > depth]
        chosen: list[Points] = []
        for each in candidates:
            if len(chosen) == count:
                break
            if not chosen or np.min(np.linalg.norm(np.asarray(chosen) - each, axis=1)) >= apart:
                chosen.append(each)
        return np.asarray(chosen, float).reshape(-1, 2)

    def depth_at(self, places: Points) -> NDArray[np.float32]:
        """The depth at each of these places."""
        column, row = np.clip(self.pixels(places).round().astype(int), 0, self.side - 1).T
        values: NDArray[np.float32] = self.depth[row, column]
        return values

    def pixels(self, places: Points) -> Points:
        """Places in lesion radii as (column, row) in pixels."""
        return (places + EXTENT) * self.radius - 0.5

    def blobs(
        self,
        places: Points,
        radii: ArrayLike,
        *,
        softness: float,
        roundness: ArrayLike = 1.0,
        turn: ArrayLike = 0.0,
    ) -> Plane:
        """Filled ellipses, 0–1; ``roundness`` is short by long axis, ``turn`` in degrees, the rest radii."""
        plane = np.zeros((self.side, self.side), np.uint8)
        count = len(places)
        columns = [np.broadcast_to(np.asarray(each, float), count) for each in (radii, roundness, turn)]
        for (column, row), radius, short, degrees in zip(self.pixels(places), *columns, strict=True):
            long = max(radius * self.radius, 0.6)
            centre = (round(column * 2**_SUBPIXEL_BITS), round(row * 2**_SUBPIXEL_BITS))
            axes = (round(long * 2**_SUBPIXEL_BITS), round(max(long * short, 0.6) * 2**_SUBPIXEL_BITS))
            cv2.ellipse(plane, centre, axes, float(degrees), 0, 360, 255, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
        return self._softened(plane, softness)

    def lines(self, paths: Sequence[Points], widths: Sequence[float], *, softness: float = 0.012) -> Plane:
        """Open lines through the points of each path, 0–1. ``widths`` in lesion radii."""
        plane = np.zeros((self.side, self.side), np.uint8)
        for path, width in zip(paths, widths, strict=True):
            whole = np.round(self.pixels(path) * 2**_SUBPIXEL_BITS).astype(np.int32)
            thick = max(1, round(width * self.radius))
            cv2.polylines(plane, [whole], False, 255, thick, cv2.LINE_AA, _SUBPIXEL_BITS)
        return self._softened(plane, softness)

    def polygons(self, corners: Sequence[Points], *, softness: float = 0.012) -> Plane:
        """Filled polygons, 0–1."""
        plane = np.zeros((self.side, self.side), np.uint8)
        for each in corners:
            whole = np.round(self.pixels(each) * 2**_SUBPIXEL_BITS).astype(np.int32)
            cv2.fillPoly(plane, [whole], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        return self._softened(plane, softness)

    def _softened(self, plane: NDArray[np.uint8], softness: float) -> Plane:
        return self.blurred(plane.astype(np.float32) / np.float32(255), softness)

    def blurred(self, plane: Plane, softness: float) -> Plane:
        """Blurred by a Gaussian of this sigma, in lesion radii."""
        sigma = softness * self.radius
        return cv2.GaussianBlur(plane, (0, 0), sigma) if sigma > 0.3 else plane


def ramp(values: Plane, low: float, high: float) -> Plane:
    """0 below ``low``, 1 above ``high``, a smooth step between."""
    step = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    smooth: Plane = (step * step * (3 - 2 * step)).astype(np.float32)
    return smooth


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: float, *, octaves: int = 3) -> Plane:
    """Noise of mean about 0, spread about 1, on (height, width) pixels; ``cells`` bumps along the height."""
    height, width = size
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        rows = max(2, round(cells * 2**octave) + 1)
        columns = max(2, round(cells * 2**octave * width / height) + 1)
        grid = rng.standard_normal((rows, columns), np.float32)
        total += np.float32(0.5**octave) * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


@lru_cache(maxsize=4)
def _grid(radius: int) -> tuple[Plane, Plane]:
    half = int(np.ceil(EXTENT * radius))
    axis = ((np.arange(2 * half) + 0.5) / radius - EXTENT).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def _outline(irregularity: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """The lesion's reach in each direction, as a Fourier series: low waves make lobes, high ones notches."""
    wave = np.arange(1, 10)
    amplitude = (0.03 + 0.2 * irregularity) * rng.normal(size=wave.size) / wave**0.9
    phase = rng.uniform(0, 2 * np.pi, wave.size)
    angle = np.linspace(0, 2 * np.pi, _OUTLINE_STEPS, endpoint=False)[:, None]
    reach = 1 + (amplitude * np.cos(wave * angle + phase)).sum(axis=1)
    clipped: NDArray[np.float32] = np.clip(reach, 0.5, 1.45).astype(np.float32)
    return clipped
