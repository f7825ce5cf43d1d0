"""How sure is a link? Fits and tests the score by which the audit joins images of one lesion.

HAM10000 names the lesion of each image. Its lesions are divided at random into two halves: on half A a logistic
regression learns to tell candidate pairs of one lesion (positives) from candidate pairs of different diagnoses
(negatives, weighted to stand for all candidate pairs of different lesions); everything told here of recall, precision
and calibration is from half B. Then: drawn phantoms with planted copies; the pairs across lesions of HAM10000; the
near-identical pairs within ISIC 2017; ISIC 2017 against HAM10000.

Writes ``results/audit_calibration.json`` and ``results/audit_calibration.md`` beside this file, and with ``--ship`` the
weights and limits to ``src/cutis/audit/link_thresholds.toml``.

    python benchmarks/audit_calibration.py    about ten minutes on 2 cores the first time, two from the cache

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from PIL import Image
from sklearn.linear_model import LogisticRegression

from cutis.audit.fingerprints import Fingerprints, fingerprint_images
from cutis.audit.link_calibration import SHIPPED, TERMS, LinkThresholds, link_scores, read_link_thresholds, score_terms
from cutis.audit.links import find_links, link_groups
from cutis.audit.neighbours import CandidatePairs, candidate_pairs
from cutis.audit.verification import Verified, verify_pairs
from cutis.data import draw_phantom, manifest_frame, phantom_lesion, phantom_view, source
from cutis.evaluation import wilson_interval
from cutis.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
SAME, SUSPECTED = 0.9, 0.5
CANDIDATES = ((5, 0.3), (3, 0.3), (2, 0.3), (1, 0.3), (5, 0.4), (5, 0.5))
PHANTOMS = 40
SEED = 5

# What a person saw in the lists (contact sheets at 200 × 150 pixels, by one of the builders, no dermatologist).
BY_EYE_TOLD = (
    "of the 102 pairs of HAM10000 all but one show one lesion; ISIC_0025647 and ISIC_0026660 are doubtful (two small "
    "nevi beside the same ruler). Of the 82 of ISIC 2017, 80 do; ISIC_0012930 and ISIC_0013232, ISIC_0013737 and "
    "ISIC_0013738 are held together by the scale that was drawn into them. Among the suspected of ISIC 2017 such scales "
    "are the commonest reason."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ship", action="store_true", help="write the weights and limits into the package")
    ship = parser.parse_args().ship
    data = Path(os.environ.get("CUTIS_DATA") or ROOT.parent / "shared" / "data")
    ham = Compared(source("ham10000").import_from(data / "ham10000").frame)
    half = ham.halves()
    thresholds = fitted(ham, half)
    if ship:
        write_text(SHIPPED, as_toml(thresholds))
    else:
        thresholds = read_link_thresholds()
    isic = source("isic2017").import_from(data / "isic2017").frame
    both = Compared(pl.concat([ham.manifest, isic], how="diagonal"), across_sources=True)
    result = {
        "thresholds": thresholds.model_dump(),
        "ham10000": on_ham(ham, half, thresholds),
        "phantoms": on_phantoms(thresholds),
        "fewer_candidates": by_candidates(ham, half, thresholds),
        "across_lesions": across_lesions(ham, thresholds),
        "isic2017": within_isic(Compared(isic), thresholds),
        "isic2017_ham10000": across_sets(both, thresholds),
    }
    write_json(RESULTS / "audit_calibration.json", result)
    write_text(RESULTS / "audit_calibration.md", as_markdown(result))
    print(as_markdown(result))


class Compared:
    """A manifest with its candidate pairs and what was measured of them."""

    def __init__(self, manifest: pl.DataFrame, *, across_sources: bool = False, **settings: Any) -> None:
        self.manifest = manifest
        self.fingerprints: Fingerprints = fingerprint_images(manifest)
        found = candidate_pairs(self.fingerprints, **settings)
        if across_sources:
            kept = self.column("source")[found.a] != self.column("source")[found.b]
            found = CandidatePairs(*(each[kept] for each in found[:4]), found.recall)
        self.candidates = found
        start = time.perf_counter()
        self.verified: Verified = verify_pairs(
            manifest["image_path"].to_list(),
            (self.candidates.a, self.candidates.b),
            keys=self.fingerprints.keys,
            progress=lambda _: None,
        )
        self.seconds = time.perf_counter() - start
        self.a, self.b = self.candidates.a, self.candidates.b

    def column(self, name: str) -> np.ndarray:
        """Its values, one an image."""
        return self.manifest[name].to_numpy()

    @property
    def same_lesion(self) -> np.ndarray:
        """Of each pair."""
        return self.column("lesion_id")[self.a] == self.column("lesion_id")[self.b]

    @property
    def other_diagnosis(self) -> np.ndarray:
        """Of each pair."""
        return self.column("source_diagnosis")[self.a] != self.column("source_diagnosis")[self.b]

    def halves(self) -> np.ndarray:
        """0 or 1 for each image, the same for all of a lesion."""
        lesions = self.manifest["lesion_id"].unique().sort().to_list()
        drawn = dict(zip(lesions, np.random.default_rng(SEED).integers(0, 2, len(lesions)), strict=True))
        return np.array([drawn[each] for each in self.manifest["lesion_id"]])

    def scores(self, thresholds: LinkThresholds) -> np.ndarray:
        """Of each pair."""
        return link_scores(self.verified, thresholds)

    def links(self, thresholds: LinkThresholds) -> pl.DataFrame:
        """The pairs listed."""
        return find_links(self.manifest, self.fingerprints, self.candidates, self.verified, thresholds)


def fitted(ham: Compared, half: np.ndarray) -> LinkThresholds:
    """The score, learnt from half A."""
    inside = (half[ham.a] == 0) & (half[ham.b] == 0)
    positive, negative = inside & ham.same_lesion, inside & ham.other_diagnosis
    # Negatives of two diagnoses stand for all candidate pairs of two lesions.
    standing = (inside & ~ham.same_lesion).sum() / negative.sum()
    used = positive | negative
    terms = score_terms(ham.verified)[used]
    model = LogisticRegression(C=1.0, max_iter=1000)
    model.fit(terms, positive[used], sample_weight=np.where(positive[used], 1.0, standing))
    return LinkThresholds(
        same=SAME,
        suspected=SUSPECTED,
        intercept=round(float(model.intercept_[0]), 4),
        weights={term: round(float(each), 4) for term, each in zip(TERMS, model.coef_[0], strict=True)},
        fitted_on=f"HAM10000, a random half of its lesions: {positive.sum():,} candidate pairs of one lesion, "
        f"{negative.sum():,} of two diagnoses, each of these counted {standing:.2f} times",
    )


def as_toml(thresholds: LinkThresholds) -> str:
    weights = "\n".join(f"{term} = {value}" for term, value in thresholds.weights.items())
    return (
        "# How the audit scores a pair of images, and from which score it takes both to show the same lesion (`same`:\n"
        "# joined) or asks a person (`suspected`: listed). Written by benchmarks/audit_calibration.py, which tells how\n"
        "# often that is right; terms: cutis.audit.link_calibration.TERMS.\n"
        f"same = {thresholds.same}\nsuspected = {thresholds.suspected}\nintercept = {thresholds.intercept}\n"
        f'fitted_on = "{thresholds.fitted_on}"\n\n[weights]\n{weights}\n'
    )


def on_ham(ham: Compared, half: np.ndarray, thresholds: LinkThresholds) -> dict[str, Any]:
    """Recall and precision on half B."""
    scores = ham.scores(thresholds)
    inside = (half[ham.a] == 1) & (half[ham.b] == 1)
    positive, other = inside & ham.same_lesion, inside & ~ham.same_lesion
    negative = inside & ham.other_diagnosis
    pairs = pairs_of_one_lesion(ham.manifest.filter(pl.Series(half == 1)))
    standing = other.sum() / negative.sum()
    at = []
    for limit in sorted({0.1, 0.3, 0.99, thresholds.same, thresholds.suspected}):
        true, false = int((positive & (scores >= limit)).sum()), int((negative & (scores >= limit)).sum())
        across = int((other & (scores >= limit)).sum())
        expected = false * standing
        at.append(
            {
                "limit": limit,
                "found": true,
                "recall": interval(true, pairs),
                "recall_of_candidates": interval(true, int(positive.sum())),
                "two_diagnoses": false,
                "two_diagnoses_rate": interval(false, int(negative.sum())),
                "expected_false": expected,
                "precision": true / max(true + expected, 1),
                "across_lesions": across,
                "precision_at_worst": interval(true, true + across),
            }
        )
    weight = np.where(positive, 1.0, standing)
    bins = []
    for low, high in ((0, 0.01), (0.01, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 0.99), (0.99, 1.0)):
        within = (positive | negative) & (scores >= low) & ((scores < high) | (high == 1.0))
        total = float(weight[within].sum())
        told = float((weight * scores)[within].sum()) / total if total else None
        seen = float(weight[within & positive].sum()) / total if total else None
        bins.append({"from": low, "to": high, "pairs": int(within.sum()), "told": told, "observed": seen})
    groups = link_groups(ham.manifest.with_columns(lesion_id=None), ham.fingerprints, ham.links(thresholds))
    joined = groups.with_columns(
        lesion=ham.manifest["lesion_id"], half=pl.Series(half), several=pl.len().over(ham.manifest["lesion_id"]) > 1
    ).filter((pl.col("half") == 1) & pl.col("several"))
    whole = joined.group_by("lesion").agg(pl.col("group").n_unique() == 1)["group"]
    with_another = joined.select(pl.len().over("lesion", "group") > 1).to_series()
    return {
        "images": len(ham.manifest),
        "candidates": len(ham.a),
        "candidates_of_one_lesion": int(ham.same_lesion.sum()),
        "seconds": ham.seconds,
        "half_b": {
            "pairs_of_one_lesion": pairs,
            "candidates_of_one_lesion": int(positive.sum()),
            "candidates_of_two_lesions": int(other.sum()),
            "candidates_of_two_diagnoses": int(negative.sum()),
            "candidate_recall": interval(int(positive.sum()), pairs),
            "at": at,
            "calibration": bins,
            "lesions_joined_whole": interval(int(whole.sum()), len(whole)),
            "images_joined_to_another_of_their_lesion": interval(int(with_another.sum()), len(with_another)),
        },
    }


def interval(count: int, total: int) -> dict[str, float]:
    low, high = (float(each) for each in wilson_interval(count, total))
    return {"count": count, "of": total, "value": count / max(total, 1), "low": low, "high": high}


def by_candidates(ham: Compared, half: np.ndarray, thresholds: LinkThresholds) -> list[dict[str, Any]]:
    """What looking at fewer candidates saves and loses: recall on half B, pairs across lesions of all."""
    pairs = pairs_of_one_lesion(ham.manifest.filter(pl.Series(half == 1)))
    rows = []
    for neighbours, floor in CANDIDATES:
        fewer = Compared(ham.manifest, neighbours=neighbours, floor=floor)
        same = fewer.scores(thresholds) >= thresholds.same
        true = fewer.same_lesion & (half[fewer.a] == 1)
        rows.append(
            {
                "neighbours": neighbours,
                "floor": floor,
                "candidates": len(fewer.a),
                "of_one_lesion": interval(int(true.sum()), pairs),
                "found": interval(int((true & same).sum()), pairs),
                "across_lesions": int((~fewer.same_lesion & same).sum()),
            }
        )
    return rows


def pairs_of_one_lesion(manifest: pl.DataFrame) -> int:
    sizes = manifest.group_by("lesion_id").len()["len"]
    return int((sizes * (sizes - 1) // 2).sum())


def across_lesions(ham: Compared, thresholds: LinkThresholds) -> dict[str, Any]:
    """The pairs of HAM10000 that are found though their lesion ids differ."""
    found = ham.links(thresholds).filter(pl.col("same_lesion").eq(other=False))
    same = found.filter(pl.col("verdict") == "same")
    listed = [
        "image_id_a",
        "image_id_b",
        "score",
        "inliers",
        "correlation",
        "scale",
        "rotation",
        "mirrored",
        "same_diagnosis",
    ]
    return {
        "same": len(same),
        "suspected": len(found) - len(same),
        "same_with_two_diagnoses": int((same["same_diagnosis"].eq(other=False)).sum()),
        "by_eye": BY_EYE_TOLD,
        "pairs": same.select(listed).to_dicts(),
    }


def within_isic(isic: Compared, thresholds: LinkThresholds) -> dict[str, Any]:
    found = isic.links(thresholds)
    sides = dict(isic.manifest.select("image_id", "subset").iter_rows())
    rows = [
        {**row, "sides": sorted({str(sides[row["image_id_a"]]), str(sides[row["image_id_b"]])})}
        for row in found.select(
            "image_id_a", "image_id_b", "score", "verdict", "inliers", "correlation", "same_diagnosis"
        ).to_dicts()
    ]
    same = [row for row in rows if row["verdict"] == "same"]
    return {
        "images": len(isic.manifest),
        "same": len(same),
        "suspected": len(rows) - len(same),
        "same_across_subsets": sum(len(row["sides"]) > 1 for row in same),
        "same_with_two_diagnoses": sum(row["same_diagnosis"] is False for row in same),
        "pairs": rows,
    }


def across_sets(both: Compared, thresholds: LinkThresholds) -> dict[str, Any]:
    found = both.links(thresholds).filter(pl.col("source_a") != pl.col("source_b"))
    return {
        "candidates": len(both.a),
        "same": int((found["verdict"] == "same").sum()),
        "suspected": int((found["verdict"] == "suspected").sum()),
        "pairs": found.select("image_id_a", "image_id_b", "score", "verdict", "inliers", "correlation").to_dicts(),
    }


Picture = np.ndarray
CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "mirrored": lambda image: image[:, ::-1],
    "turned by 90°": np.rot90,
    "turned by 90° and mirrored": lambda image: np.rot90(image)[:, ::-1],
    "turned by 30°": lambda image: warped(image, 30, 1.0),
    "cropped to 70% of each side": lambda image: image[22:127, 30:170],
    "zoomed 1.5 times": lambda image: warped(image, 0, 1.5),
    "zoomed 2.5 times": lambda image: warped(image, 0, 2.5),
    "JPEG quality 30": lambda image: cv2.imdecode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR
    ),
    "brighter, less contrast": lambda image: cv2.convertScaleAbs(image, alpha=0.8, beta=40),
    "colour cast": lambda image: np.clip(image * np.array([1.12, 1.0, 0.8]), 0, 255).astype(np.uint8),
    "enlarged to 800 × 600": lambda image: cv2.resize(image, (800, 600), interpolation=cv2.INTER_CUBIC),
    "halved to 100 × 75": lambda image: cv2.resize(image, (100, 75), interpolation=cv2.INTER_AREA),
    "squashed to a square": lambda image: cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA),
    "blurred, sigma 1.5": lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
}


def warped(image: Picture, degrees: float, zoom: float) -> Picture:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def on_phantoms(thresholds: LinkThresholds) -> dict[str, Any]:
    """Copies of drawn lesions, changed in one way each: how many the whole chain finds."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number in range(PHANTOMS):
            kind = ("nv", "mel", "bkl", "bcc", "akiec", "df", "vasc")[number % 7]
            image = draw_phantom(phantom_lesion(kind, number), phantom_view(25.0 + number % 35, number)).image
            changed = {"original": image} | {name: change(image) for name, change in CHANGES.items()}
            for place, (name, picture) in enumerate(changed.items()):
                path = Path(folder) / f"{number}-{place}.png"
                Image.fromarray(np.ascontiguousarray(picture)).save(path)
                rows.append({"image_id": path.stem, "image_path": str(path), "lesion_id": str(number), "change": name})
        everything = manifest_frame(rows)
        recall, wrong = {}, 0
        for name in CHANGES:
            # One change at a time, so that no other copy helps.
            compared = Compared(everything.filter(pl.col("change").is_in(["original", name])))
            same = compared.links(thresholds).filter(pl.col("verdict") == "same")
            recall[name] = {
                "candidates": int(compared.same_lesion.sum()),
                **interval(int(same["same_lesion"].sum()), PHANTOMS),
            }
            wrong += int((~same["same_lesion"]).sum())
    return {"lesions": PHANTOMS, "recall": recall, "wrong_pairs": wrong}


def as_markdown(result: dict[str, Any]) -> str:
    ham, isic, sets, phantoms = (result[each] for each in ("ham10000", "isic2017", "isic2017_ham10000", "phantoms"))
    half, across, thresholds = ham["half_b"], result["across_lesions"], result["thresholds"]
    lines = [
        "# How sure a link is",
        "",
        f"Fitted on: {thresholds['fitted_on']}.",
        f"Two images are joined from a score of {thresholds['same']:g}, listed from {thresholds['suspected']:g}. All figures of HAM10000 are from the half of its lesions that was not fitted on;",
        "brackets are 95% intervals (Wilson, pairs taken as independent).",
        "",
        "## HAM10000",
        "",
        f"{half['pairs_of_one_lesion']:,} pairs of images show one lesion (by its id); {told(half['candidate_recall'])} are",
        f"candidates, beside {half['candidates_of_two_lesions']:,} pairs of two lesions, of which",
        f"{half['candidates_of_two_diagnoses']:,} have two diagnoses. False pairs are expected from the rate among two",
        "diagnoses, as if it held for all pairs of two lesions. `At worst` takes every pair of two lesion ids as false,",
        "though by eye most found are true copies (below).",
        "",
        "| score from | recall of all pairs | recall of candidates | of two diagnoses | precision, expected | at worst |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['limit']:g} | {told(row['recall'])} | {told(row['recall_of_candidates'])} | {row['two_diagnoses']} of {row['two_diagnoses_rate']['of']:,} | {row['precision']:.4f} "
            f"| {told(row['precision_at_worst'])} |"
            for row in half["at"]
        ),
        "",
        f"Through chains of pairs, {told(half['images_joined_to_another_of_their_lesion'])} of the images of lesions with",
        "several images are joined to another image of their lesion, without knowing any id;",
        f"{told(half['lesions_joined_whole'])} of these lesions are joined whole.",
        "",
        "| score | pairs | mean score | share of one lesion |",
        "|---|---|---|---|",
        *(
            f"| {row['from']:g} to {row['to']:g} | {row['pairs']:,} | {number(row['told'])} | {number(row['observed'])} |"
            for row in half["calibration"]
        ),
        "",
        "What fewer candidates save and lose (recall on the same half, pairs across lesions in all of HAM10000):",
        "",
        "| nearest neighbours of an image | similarity from | candidates | of one lesion | found the same | across lesions |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['neighbours']} | {row['floor']:g} | {row['candidates']:,} | {row['of_one_lesion']['value']:.3f} "
            f"| {row['found']['value']:.3f} | {row['across_lesions']} |"
            for row in result["fewer_candidates"]
        ),
        "",
        "## Across lesions of HAM10000",
        "",
        (
            f"{across['same']} pairs of images whose lesion ids differ are found to show the same lesion, "
            f"{across['same_with_two_diagnoses']} of them"
        ),
        f"with two diagnoses; {across['suspected']} more are suspected. The list is in `audit_calibration.json`.",
        "",
        "## ISIC 2017, and ISIC 2017 against HAM10000",
        "",
        (
            f"Within ISIC 2017 ({isic['images']:,} images) {isic['same']} pairs are found the same, "
            f"{isic['same_across_subsets']} of them in two subsets,"
        ),
        f"{isic['same_with_two_diagnoses']} with two diagnoses; {isic['suspected']} more are suspected. Of",
        f"{sets['candidates']:,} candidate pairs between ISIC 2017 and HAM10000, {sets['same']} are found the same and",
        f"{sets['suspected']} suspected.",
        "",
        f"By eye, of both lists as they were on 21 November 2026: {BY_EYE_TOLD}",
        "",
        f"## Planted copies of {phantoms['lesions']} drawn lesions",
        "",
        f"{phantoms['wrong_pairs']} pairs of two lesions were joined.",
        "",
        "| change | are candidates | found |",
        "|---|---|---|",
        *(
            f"| {name} | {row['candidates']} | {row['count']} of {row['of']} |"
            for name, row in phantoms["recall"].items()
        ),
        "",
    ]
    return "\n".join(lines)


def told(share: dict[str, float]) -> str:
    return f"{share['value']:.3f} ({share['low']:.3f} to {share['high']:.3f})"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
