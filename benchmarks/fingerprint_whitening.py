"""Learn the whitening of the audit's CNN features, which ships with cutis, from pairs that show one lesion.

Directions in which two photographs of one lesion differ most are shrunk most (within-pair whitening, Mikolajczyk &
Matas 2007; Radenović 2018). Two kinds of pairs count alike:

- the pairs of one lesion in half A of HAM10000's lesions, as ``audit_calibration.py`` divides them (CC BY-NC 4.0). Half
  B is not used, so it can measure the result;
- the training images of ISIC 2017 (CC0), each drawn twice with zoom, turning, framing, light, focus and compression at
  random.

    python benchmarks/fingerprint_whitening.py     two minutes on 2 cores

Writes ``src/cutis/audit/fingerprint_whitening.npz``; no image can be had back from it. New numbers make new features:
run ``fingerprints.py`` and ``audit_calibration.py`` again. The data are found in ``$CUTIS_DATA``, else in
``../shared/data`` from the project's root.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.audit.fingerprints import WHITENING, FeatureNetwork, views_of
from cutis.data import Pixels, read_image, source
from cutis.files import replacing

ROOT = Path(__file__).resolve().parents[1]
# Directions in which a pair hardly differs are not stretched beyond this share of the mean variance.
FLOOR = 0.03
# Of the halves of HAM10000's lesions, as in audit_calibration.py.
SEED = 5


def photographed_again(image: Pixels, rng: np.random.Generator) -> Pixels:
    """The same lesion, as another photograph may show it."""
    height, width = image.shape[:2]
    share = np.exp(rng.uniform(np.log(0.4), 0))
    shift = rng.uniform(-0.35, 0.35, 2) * (1 - share)
    stretch = np.exp(rng.uniform(-0.1, 0.1))
    transform = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(0, 360), 1 / share)
    transform[0] *= stretch
    transform[:, 2] += shift * (width, height) / share
    side = int(rng.integers(80, 257))
    transform *= np.array([[side / width], [side / height]])
    blurred = cv2.GaussianBlur(image, (0, 0), max(0.3, 0.4 * width * share / side))  # what shrinking would alias
    drawn = cv2.warpAffine(blurred, transform, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.5:
        drawn = drawn[:, ::-1]
    light = np.exp(rng.uniform(-0.2, 0.2) + rng.uniform(-0.07, 0.07, 3))
    lit = 255 * np.clip(drawn / 255 * light, 0, 1) ** np.exp(rng.uniform(-0.2, 0.2))
    if rng.random() < 0.5:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.3, 1.5))
    quality = int(rng.integers(40, 96))
    _, packed = cv2.imencode(
        ".jpg", np.ascontiguousarray(lit[..., ::-1]).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])


Pooled = npt.NDArray[np.float64]


def pooled(network: FeatureNetwork, images: Iterator[Pixels]) -> Pooled:
    """The network's answer to each: N × 352."""
    parts = []
    while part := list(itertools.islice(images, 32)):
        parts.append(network.pooled(np.stack([views_of(image) for image in part])))
    return np.concatenate(parts).astype(np.float64)


def in_half_a(lesions: pl.Series) -> pl.Series:
    """Whether each row's lesion is in the half of the lesions that is learnt from."""
    distinct = lesions.unique().sort()
    half_a = distinct.filter(pl.Series(np.random.default_rng(SEED).integers(0, 2, len(distinct)) == 0))
    return lesions.is_in(half_a.implode())


def pairs_of_half_a(network: FeatureNetwork, data: Path) -> tuple[Pooled, Pooled]:
    """Each two photographs of one lesion in half A of HAM10000."""
    rows = source("ham10000").import_from(data / "ham10000").frame
    rows = rows.filter(in_half_a(rows["lesion_id"]) & (pl.len().over("lesion_id") > 1)).with_row_index()
    each = pooled(network, (read_image(path) for path in rows["image_path"]))
    pairs = [
        pair for group in rows.group_by("lesion_id").agg("index")["index"] for pair in itertools.combinations(group, 2)
    ]
    one, other = np.array(sorted(pairs)).T
    return each[one], each[other]


def pairs_drawn_again(network: FeatureNetwork, data: Path) -> tuple[Pooled, Pooled]:
    """Each training image of ISIC 2017, drawn twice."""
    rows = source("isic2017").import_from(data / "isic2017").frame.filter(pl.col("subset") == "train")
    rng = np.random.default_rng(0)
    one, other = (
        pooled(network, (photographed_again(read_image(path), rng) for path in rows["image_path"])) for _ in range(2)
    )
    return one, other


def learnt(kinds: list[tuple[Pooled, Pooled]]) -> tuple[Pooled, Pooled]:
    """Mean (352) and matrix (352 × 352) from the pairs of each kind, all kinds counting alike."""
    everything = np.concatenate([side for pairs in kinds for side in pairs])
    mean, spread = everything.mean(axis=0), everything.std(axis=0)
    within = np.zeros((len(mean), len(mean)))
    for one, other in kinds:
        differing = (one - other) / spread
        covariance = differing.T @ differing
        within += covariance / np.trace(covariance)
    variance, axes = np.linalg.eigh(within)
    return mean, axes / np.sqrt(variance + FLOOR * variance.mean()) / spread[:, None]


def main() -> None:
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    network = FeatureNetwork()
    kinds = [pairs_of_half_a(network, data), pairs_drawn_again(network, data)]
    mean, matrix = learnt(kinds)
    with replacing(WHITENING) as place:
        np.savez_compressed(place, mean=mean.astype(np.float32), matrix=matrix.astype(np.float32))
    print(f"{' and '.join(f'{len(one):,}' for one, _ in kinds)} pairs, {WHITENING.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
