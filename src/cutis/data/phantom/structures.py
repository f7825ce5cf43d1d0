"""The dermoscopic structures of phantom lesions, one function each, in the words of the third consensus.

Every function paints one structure on a canvas and returns where: (S, S), 0–1. ``strength`` (0–1) is how
plain it is. None but ``streaks`` paints outside the lesion's outline. What each should look like: Kittler et
al. 2016, "Standardization of terminology in dermoscopy/dermatoscopy" (J Am Acad Dermatol 74:1093).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cutis.data.phantom.canvas import Canvas, Plane, Points, ramp

_DARK_BROWN = (0.30, 0.20, 0.15)
_BLACK = (0.12, 0.09, 0.09)
_BLOOD = (0.72, 0.12, 0.17)
_KERATIN = (0.95, 0.90, 0.76)
_SCAR = (0.95, 0.87, 0.85)


def _pigment_network(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Regular: thin brown lines of one width around holes of one size, fading toward the rim."""
    from_wall, _, _ = canvas.cells(rng, rng.uniform(0.15, 0.2), 0.35)
    line = 1 - ramp(from_wall, 0.0, 0.055)
    uneven = np.clip(0.85 + 0.12 * canvas.noise(rng, 5), 0.3, 1)
    drawn: Plane = line * uneven * ramp(canvas.depth, 0.0, 0.4) * np.float32(0.2 + 0.6 * strength)
    canvas.absorb(drawn, (0.50, 0.36, 0.29))
    return drawn


def _atypical_network(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Thick and thin black-brown lines around holes of many sizes, in patches, ending abruptly."""
    from_wall, _, _ = canvas.cells(rng, rng.uniform(0.2, 0.28), 0.9)
    width = np.clip(0.05 + 0.03 * canvas.noise(rng, 4), 0.02, 0.1)
    line = np.clip((width - from_wall) / np.float32(0.05), 0, 1)
    patch = ramp(canvas.noise(rng, 3), -0.7, 0.2)
    drawn: Plane = line * patch * canvas.inside * np.float32(0.25 + 0.6 * strength)
    canvas.absorb(drawn, (0.26, 0.18, 0.16))
    return drawn


def _globules(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Round brown dots of one size, evenly spread."""
    size = rng.uniform(0.045, 0.07)
    places = canvas.points(rng, int(rng.integers(18, 42)), apart=3.1 * size, depth=0.12)
    dots = canvas.blobs(places, size * rng.uniform(0.85, 1.15, len(places)), softness=0.025)
    drawn: Plane = dots * canvas.inside * np.float32(0.3 + 0.6 * strength)
    canvas.absorb(drawn, _DARK_BROWN)
    return drawn


def _streaks(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Dark radial spikes that leave the rim, on a part of it."""
    middle, arc = rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 2.4)
    angles = middle + np.linspace(-arc / 2, arc / 2, int(7 * arc))
    angles += rng.normal(0, 0.05, len(angles))
    ray = np.linspace(0.2, 1.6, 57)
    spikes = []
    for angle in angles:
        outward = np.array([np.cos(angle), np.sin(angle)])
        within = ray[canvas.depth_at(ray[:, None] * outward) > 0]
        rim = within.max() if len(within) else 0.5
        sideways = np.array([-outward[1], outward[0]]) * rng.uniform(0.035, 0.06)
        lean = sideways * rng.normal(0, 0.6)
        tip = outward * min(rim + rng.uniform(0.14, 0.26), 1.66) + lean
        foot = outward * (rim - rng.uniform(0.15, 0.3))
        spikes.append(np.array([foot - sideways, foot + sideways, tip + sideways * 0.12, tip - sideways * 0.12]))
    drawn: Plane = canvas.polygons(spikes, softness=0.025) * np.float32(0.35 + 0.55 * strength)
    canvas.absorb(drawn, (0.26, 0.18, 0.15))
    return drawn


def _blue_white_veil(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """A structureless blue area under a whitish ground-glass haze, off the centre."""
    centre = canvas.points(rng, 1, apart=0, depth=0.45)
    centre = centre if len(centre) else np.zeros((1, 2))
    area = canvas.blobs(
        centre,
        rng.uniform(0.38, 0.62),
        softness=0.12,
        roundness=rng.uniform(0.6, 1),
        turn=rng.uniform(0, 180),
    )
    area *= ramp(canvas.noise(rng, 5), -1.3, 0.2) * canvas.inside
    drawn: Plane = area * np.float32(0.35 + 0.5 * strength)
    canvas.cover(drawn, (0.37, 0.42, 0.54))
    canvas.cover(area * ramp(canvas.noise(rng, 6), 0.1, 1.8) * np.float32(0.55), (0.80, 0.84, 0.92))
    return drawn


def _several_colours(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Patches of black, red, dark brown and white-grey (regression), each in its own quarter."""
    drawn = np.zeros_like(canvas.depth)
    start = rng.uniform(0, 2 * np.pi)
    colours = [
        (_BLACK, False),
        ((0.86, 0.42, 0.40), False),
        ((0.33, 0.20, 0.14), False),
        ((0.78, 0.75, 0.76), True),
    ]
    for quarter, (colour, opaque) in enumerate(colours):
        if rng.random() < 0.2:
            continue
        angle = start + quarter * np.pi / 2 + rng.normal(0, 0.3)
        place = np.array([[np.cos(angle), np.sin(angle)]]) * rng.uniform(0.35, 0.6)
        patch = canvas.blobs(
            place,
            rng.uniform(0.24, 0.4),
            softness=0.08,
            roundness=rng.uniform(0.5, 1),
            turn=rng.uniform(0, 180),
        )
        patch *= ramp(canvas.noise(rng, 6), -1.2, 0.3) * canvas.inside * np.float32(0.5 + 0.35 * strength)
        (canvas.cover if opaque else canvas.absorb)(patch, colour)
        drawn = np.maximum(drawn, patch)
    return drawn


def _arborising_vessels(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Bright red trees in focus: a thick stem from the rim that branches into finer and finer twigs."""
    paths: list[Points] = []
    widths: list[float] = []

    def grow(place: Points, heading: float, width: float, steps: int) -> None:
        path = [place]
        for step in range(steps):
            heading += rng.normal(0, 0.22)
            place = place + 0.075 * np.array([np.cos(heading), np.sin(heading)])
            path.append(place)
            if width > 0.02 and step > 1 and rng.random() < 0.34:
                grow(
                    place,
                    heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1),
                    width * 0.62,
                    max(3, steps - step),
                )
        paths.append(np.asarray(path))
        widths.append(width)

    for angle in rng.uniform(0, 2 * np.pi, int(rng.integers(2, 4))):
        rim = 0.95 * np.array([np.cos(angle), np.sin(angle)])
        grow(rim, angle + np.pi + rng.normal(0, 0.35), rng.uniform(0.04, 0.055), int(rng.integers(10, 17)))
    drawn: Plane = canvas.lines(paths, widths) * canvas.inside * np.float32(0.35 + 0.55 * strength)
    canvas.cover(drawn, _BLOOD)
    return drawn


def _ovoid_nests(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Large, well-outlined blue-grey eggs, apart from each other."""
    places = canvas.points(rng, int(rng.integers(3, 8)), apart=0.38, depth=0.22)
    nests = canvas.blobs(
        places,
        rng.uniform(0.11, 0.21, len(places)),
        softness=0.03,
        roundness=rng.uniform(0.55, 0.9, len(places)),
        turn=rng.uniform(0, 180, len(places)),
    )
    drawn: Plane = nests * canvas.inside * np.float32(0.4 + 0.5 * strength)
    canvas.cover(drawn, (0.34, 0.35, 0.46))
    return drawn


def _milia_like_cysts(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Small round white-yellow spots that shine like stars in a cloud."""
    places = canvas.points(rng, int(rng.integers(7, 20)), apart=0.15, depth=0.12)
    size = rng.uniform(0.03, 0.06, len(places))
    glow = canvas.blobs(places, 1.5 * size, softness=0.035) * canvas.inside * np.float32(0.4 * (0.5 + 0.5 * strength))
    canvas.cover(glow, (0.96, 0.90, 0.74))
    core = canvas.blobs(places, size, softness=0.015) * canvas.inside * np.float32(0.55 + 0.45 * strength)
    canvas.cover(core, (1.0, 0.97, 0.86))
    drawn: Plane = np.maximum(glow, core)
    return drawn


def _comedo_like_openings(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Keratin plugs: brown-black, sharply edged craters of many sizes with a paler wall."""
    places = canvas.points(rng, int(rng.integers(6, 15)), apart=0.21, depth=0.15)
    size = rng.uniform(0.045, 0.1, len(places))
    form = {"roundness": rng.uniform(0.6, 1, len(places)), "turn": rng.uniform(0, 180, len(places))}
    wall = canvas.blobs(places, size + 0.035, softness=0.02, **form) * canvas.inside * np.float32(0.25 + 0.2 * strength)
    canvas.cover(wall, (0.78, 0.64, 0.46))
    plug = canvas.blobs(places, size, softness=0.012, **form) * canvas.inside * np.float32(0.65 + 0.35 * strength)
    canvas.cover(plug, (0.20, 0.13, 0.08))
    drawn: Plane = np.maximum(wall, plug)
    return drawn


def _scale(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Dry white-yellow flakes with sharp edges, in heaps on the surface."""
    heap = ramp(canvas.noise(rng, 4), -0.2, 0.7)
    crust = canvas.noise(rng, 22, octaves=2)
    flake = ramp(crust + 1.3 * (heap - 1), -0.45, -0.15) * heap
    drawn: Plane = flake * canvas.inside * np.float32(0.4 + 0.5 * strength)
    bright = np.clip(0.88 + 0.1 * canvas.noise(rng, 30, octaves=1), 0.6, 1)[..., None].astype(np.float32)
    canvas.cover(drawn, bright * np.asarray(_KERATIN, np.float32))
    return drawn


def _red_pseudonetwork(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Red meshes of small vessels around the follicles' pale holes."""
    from_wall, _, _ = canvas.cells(canvas.generator("follicles"), 0.24, 0.45)
    mesh = 1 - ramp(from_wall, 0.01, 0.09)
    uneven = ramp(canvas.noise(rng, 5), -1.8, 0.4) * ramp(canvas.depth, 0.0, 0.3)
    drawn: Plane = mesh * uneven * np.float32(0.3 + 0.6 * strength)
    canvas.absorb(drawn, (0.92, 0.52, 0.50))
    return drawn


def _strawberry_pattern(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """The seeds of the strawberry: follicles with a white halo and a yellow keratin plug."""
    _, _, centres = canvas.cells(canvas.generator("follicles"), 0.24, 0.45)
    places = centres[(canvas.depth_at(centres) > 0.1) & (rng.random(len(centres)) < 0.85)]
    size = rng.uniform(0.75, 1.2, len(places))
    halo = canvas.blobs(places, 0.07 * size, softness=0.03) * canvas.inside * np.float32(0.3 + 0.45 * strength)
    canvas.cover(halo, (0.97, 0.86, 0.80))
    plug = canvas.blobs(places, 0.032 * size, softness=0.015) * canvas.inside * np.float32(0.4 + 0.5 * strength)
    canvas.cover(plug, (0.82, 0.63, 0.36))
    drawn: Plane = np.maximum(halo, plug)
    return drawn


def _central_white_patch(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """A scar-like white centre with frayed edges and a few shiny white lines."""
    reach = rng.uniform(0.36, 0.52)
    frayed = np.hypot(canvas.x, canvas.y) + np.float32(0.11) * canvas.noise(rng, 9)
    patch = (1 - ramp(frayed, reach - 0.2, reach + 0.12)) * canvas.inside * np.float32(0.35 + 0.45 * strength)
    canvas.cover(patch, _SCAR)
    turn = rng.uniform(0, np.pi)
    lines = []
    for _ in range(int(rng.integers(4, 9))):
        along = np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(0.12, 0.3)
        middle = rng.normal(0, reach * 0.5, 2)
        lines.append(np.stack([middle - along, middle + along]))
        turn += rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.1)
    shine = canvas.lines(lines, [0.02] * len(lines)) * canvas.inside * np.float32(0.45 * strength)
    canvas.cover(shine, (1.0, 0.97, 0.96))
    drawn: Plane = np.maximum(patch, shine)
    return drawn


def _peripheral_network(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """A delicate light-brown network in a ring at the rim."""
    from_wall, _, _ = canvas.cells(rng, rng.uniform(0.15, 0.18), 0.3)
    line = 1 - ramp(from_wall, 0.0, 0.045)
    ring = ramp(canvas.depth, 0.0, 0.1) * (1 - ramp(canvas.depth, 0.45, 0.62))
    drawn: Plane = line * ring * np.float32(0.25 + 0.6 * strength)
    canvas.absorb(drawn, (0.55, 0.40, 0.33))
    return drawn


def _lacunae(canvas: Canvas, rng: np.random.Generator, strength: float) -> Plane:
    """Round lagoons of blood, red to blue-black, closely packed between pale walls."""
    from_wall, cell, centres = canvas.cells(rng, rng.uniform(0.3, 0.46), 0.6)
    filled = (rng.random(len(centres)) < 0.88) & (canvas.depth_at(centres) > 0.08)
    walled = (from_wall > 0.028).astype(np.float32) * filled.astype(np.float32)[cell]
    lagoon = ramp(canvas.blurred(walled, 0.045), 0.4, 0.7)  # blurred and cut again: corners become round
    drawn: Plane = lagoon * canvas.inside * np.float32(0.5 + 0.45 * strength)
    palette = np.array(
        [(0.66, 0.08, 0.15), (0.50, 0.05, 0.20), (0.36, 0.10, 0.34), (0.22, 0.11, 0.36), (0.16, 0.05, 0.12)]
    )
    weights = rng.dirichlet([2.5, 2.0, 1.2, 0.8, 0.4])
    blood = palette[rng.choice(len(palette), len(centres), p=weights)] + rng.normal(0, 0.02, (len(centres), 3))
    colour: NDArray[np.float32] = np.clip(blood, 0, 1).astype(np.float32)[cell]
    canvas.cover(drawn, colour)
    return drawn


STRUCTURES: dict[str, Callable[[Canvas, np.random.Generator, float], Plane]] = {
    # In the order of painting: what lies deep comes first.
    "several_colours": _several_colours,
    "ovoid_nests": _ovoid_nests,
    "lacunae": _lacunae,
    "red_pseudonetwork": _red_pseudonetwork,
    "pigment_network": _pigment_network,
    "atypical_network": _atypical_network,
    "peripheral_network": _peripheral_network,
    "globules": _globules,
    "streaks": _streaks,
    "central_white_patch": _central_white_patch,
    "blue_white_veil": _blue_white_veil,
    "arborising_vessels": _arborising_vessels,
    "strawberry_pattern": _strawberry_pattern,
    "comedo_like_openings": _comedo_like_openings,
    "milia_like_cysts": _milia_like_cysts,
    "scale": _scale,
}
"""Every structure a phantom lesion can have, by name, with what paints it."""
