"""What the audit's fingerprints find among all 10,015 images of HAM10000, before any pair is looked at closely.

1. Pairs of images of one lesion (other photographs: zooms, turns, other moments): the share found when each image is
   paired with its k nearest of all by CNN features, and how many candidate pairs that gives.
2. Planted copies of 200 random images (turned, mirrored, cropped, turned by any angle and enlarged, recompressed): the
   share whose original is among the k nearest of all, and within 7 bits of the perceptual hash.

    python benchmarks/fingerprints.py      three minutes on 2 cores; seconds more where the fingerprints are known

Writes ``results/fingerprints.json`` and ``results/fingerprints.md`` beside this file. The features were fitted to
half A of HAM10000's lesions (``fingerprint_whitening.py``), so only lesions of half B are counted, sought among all
images. The data are found in ``$CUTIS_DATA``, else in
``../shared/data`` from the project's root.
"""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fingerprint_whitening import in_half_a

from cutis.audit.fingerprints import (
    FeatureNetwork,
    Fingerprints,
    fingerprint_images,
    perceptual_hashes,
    views_of,
    whitened,
)
from cutis.audit.neighbours import candidate_pairs, nearest_neighbours
from cutis.data import Pixels, read_image, source
from cutis.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
KS = (1, 3, 5, 10, 20)
PLANTED = 200
HAMMING = 7


def _recompressed(image: Pixels, quality: int) -> Pixels:
    _, packed = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])


def _cropped(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    height, width = round(image.shape[0] * share), round(image.shape[1] * share)
    top, left = (int(rng.integers(0, image.shape[axis] - side + 1)) for axis, side in enumerate((height, width)))
    return image[top : top + height, left : left + width]


def _turned(image: Pixels, zoom: float, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    transform = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(20, 70), zoom)
    return np.asarray(cv2.warpAffine(image, transform, (width, height), borderMode=cv2.BORDER_REFLECT))


CHANGES: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "JPEG quality 30": lambda image, _: _recompressed(image, 30),
    "half the size": lambda image, _: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "10% brighter": lambda image, _: np.clip(image * 1.1, 0, 255).astype(np.uint8),
    "squashed to 256 × 256": lambda image, _: cv2.resize(image, (256, 256)),
    "turned by a quarter": lambda image, _: np.rot90(image),
    "mirrored": lambda image, _: image[:, ::-1],
    "turned and mirrored, JPEG 50": lambda image, _: _recompressed(np.rot90(image[:, ::-1], 3), 50),
    "cropped to 0.9 of the sides": lambda image, rng: _cropped(image, 0.9, rng),
    "cropped to 0.7 of the sides": lambda image, rng: _cropped(image, 0.7, rng),
    "cropped to 0.5 of the sides": lambda image, rng: _cropped(image, 0.5, rng),
    "turned by 20–70°, enlarged 1.4 times": lambda image, rng: _turned(image, 1.4, rng),
}


def same_lesion(known: Fingerprints, lesions: np.ndarray, counted: np.ndarray) -> dict[str, Any]:
    """Undirected pairs of one lesion found by the k nearest neighbours, for each k, and by the candidates as shipped."""
    _, lesion = np.unique(lesions, return_inverse=True)
    count = np.bincount(lesion[counted])
    total = int((count * (count - 1) // 2).sum())
    near = nearest_neighbours(known.features, max(KS))
    result: dict[str, Any] = {"pairs": total}
    for k in KS:
        rows = np.repeat(np.arange(len(lesion)), k)
        pairs = np.unique(np.sort(np.stack([rows, near.row[:, :k].ravel()], axis=1), axis=1), axis=0)
        found = int((counted[pairs[:, 0]] & (lesion[pairs[:, 0]] == lesion[pairs[:, 1]])).sum())
        result[f"{k} nearest"] = {"candidates": len(pairs), "recall": found / total}
    candidates = candidate_pairs(known)
    found = int((counted[candidates.a] & (lesion[candidates.a] == lesion[candidates.b])).sum())
    result["candidate_pairs"] = {"candidates": len(candidates.a), "recall": found / total}
    return result


def planted(known: Fingerprints, paths: list[str], counted: np.ndarray) -> dict[str, Any]:
    """For each change, where the originals of changed images come among all."""
    rng, network = np.random.default_rng(0), FeatureNetwork()
    chosen = rng.choice(np.flatnonzero(counted), PLANTED, replace=False)
    images = [read_image(paths[row]) for row in chosen]
    result = {}
    for name, change in CHANGES.items():
        changed = [np.ascontiguousarray(change(image, rng)) for image in images]
        features = whitened(network.pooled(np.stack([views_of(image) for image in changed])))
        similarity = features @ known.features.T
        own = similarity[np.arange(PLANTED), chosen]
        rank = (similarity > own[:, None]).sum(axis=1)
        hashes = np.array([perceptual_hashes(image)[0] for image in changed])
        bits = np.bitwise_count(hashes[:, None] ^ known.perceptual[chosen]).min(axis=1)
        result[name] = {f"{k} nearest": float((rank < k).mean()) for k in KS} | {
            "hash": float((bits <= HAMMING).mean()),
            "median_cosine": float(np.median(own)),
        }
    return result


def main() -> None:
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    rows = source("ham10000").import_from(data / "ham10000").frame
    counted = ~in_half_a(rows["lesion_id"]).to_numpy()
    started, used = time.perf_counter(), time.process_time()
    known = fingerprint_images(rows)
    result: dict[str, Any] = {
        "images": len(rows),
        "fingerprint_seconds": time.perf_counter() - started,
        "fingerprint_cpu_seconds": time.process_time() - used,
        "same lesion": same_lesion(known, rows["lesion_id"].to_numpy(), counted),
    }
    result["planted"] = planted(known, rows["image_path"].to_list(), counted)
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    write_json(RESULTS / "fingerprints.json", result)
    pairs = result["same lesion"]
    lines = [
        f"The {pairs['pairs']:,} pairs of one lesion in half B, sought among all {len(rows):,} images of HAM10000:",
        "",
        "| candidates | pairs to look at | recall |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {name.replace('candidate_pairs', 'as the audit takes them')} | {each['candidates']:,} | {each['recall']:.3f} |"
        for name, each in pairs.items()
        if name != "pairs"
    ]
    lines += [
        "",
        f"Planted copies of {PLANTED} images: share whose original is found.",
        "",
        "| change | " + " | ".join(f"{k} nearest" for k in KS) + f" | hash within {HAMMING} bits | median cosine |",
        "| --- |" + " --- |" * (len(KS) + 2),
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{value:.3f}" for value in each.values()) + " |"
        for name, each in result["planted"].items()
    ]
    write_text(RESULTS / "fingerprints.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
