"""Every method of explanation, checked on HAM10000 images that the built-in model was never trained on.

On 1,000 of HAM-strict's 1,503 test images (whole lesions, in an order drawn with seed 0): where a map lies (share of the
positive attribution inside the lesion's mask, pointing game), whether the answer depends on it (deletion and insertion
curves), whether it depends on the network (weights of the head, and of all layers, drawn anew), whether it is stable
under a small shift, and what it costs. Beside it two baselines that look at no image, a Gaussian on the middle and smoothed
noise; and, for each map, its own values arranged about the middle. What is explained is the most probable class.

Slow methods are measured on the first images of the order only (``PLAN``); all differences are within the same images.
Intervals: 95 % percentiles of a bootstrap of whole lesions. Results are kept by 20 images in ``runs/explanations``, so a
run that was stopped goes on: empty that folder after changing a method. Writes ``results/explanations.json`` and ``.md``.

    python benchmarks/explanations.py                              about an hour on 2 cores
    python benchmarks/explanations.py --images 20 --out DIR        to try; with --out the results are written there
    python benchmarks/explanations.py --all                        every method on every image: for a GPU

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from cutis.data import decode_images, image_paths, network_input, read_ids, source, split
from cutis.evaluation import clustered_bootstrap, clusters_of, draw_cases, percentile_interval
from cutis.explanation import attention_areas as areas
from cutis.explanation import biopsy, deletion, integrated_gradients, lime, quality, randomisation, saliency, stability
from cutis.explanation.lesion_masks import network_masks
from cutis.explanation.methods import METHODS
from cutis.explanation.target import TargetScore, explained_target
from cutis.files import replacing, write_json, write_text
from cutis.models import Bundle, best_device, keep_memory, load_bundle, patient_codes, to_input

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
CHUNK = 20
STEPS = 10
SEED = 0
RESAMPLES = 2000
ALL_PARTS = "all"
CASCADED = ("saliency", "gradcam")
CASCADED_IMAGES = 40
AGREEMENT_IMAGES = 200
TITLES = {"centre": "middle of the image", "random": "smoothed noise"}


class Plan(NamedTuple):
    """On how many images of the order each check is made."""

    maps: int
    deletion: int
    stability: int
    randomisation: int


PLAN = {
    "gradcam": Plan(1000, 200, 200, 100),
    "saliency": Plan(1000, 200, 200, 100),
    "smoothgrad": Plan(1000, 200, 40, 20),
    "integrated-gradients": Plan(1000, 200, 40, 20),
    "occlusion": Plan(100, 100, 20, 10),
    "lime": Plan(50, 50, 10, 6),
    "centre": Plan(1000, 200, 0, 0),
    "random": Plan(1000, 200, 0, 0),
}

SCHEMA = {
    "place": pl.Int64,
    "image_id": pl.String,
    "map": pl.String,
    "area": pl.Float64,
    "off_centre": pl.Float64,
    "mask_share": pl.Float64,
    "about_centre": pl.Float64,
    "pointing": pl.Float64,
    "deletion": pl.Float64,
    "insertion": pl.Float64,
    "stability": pl.Float64,
    "rank_head": pl.Float64,
    "rank_all": pl.Float64,
    "ssim_head": pl.Float64,
    "ssim_all": pl.Float64,
    "listed": pl.Float64,
    "seconds": pl.Float64,
    "forward": pl.Float64,
}


def test_images(data: Path, bundle: Bundle, count: int) -> pl.DataFrame:
    """Test images of HAM-strict with a mask, in a random order; none shows a lesion that the model learnt from."""
    ham = source("ham10000").import_from(data / "ham10000").frame
    test_ids = read_ids(data / "ham10000" / "splits" / "published_test_1503.csv")
    manifest = split(ham, by=["lesion_id"], test_ids=test_ids, strict=True, folds=5, seed=0)
    rows = draw_cases(manifest.filter(pl.col("mask_path").is_not_null()), count, subset="test", seed=SEED)
    learnt = set(bundle.training_record["lesion_id"])
    seen = [each for each in rows["lesion_id"] if each in learnt]
    assert not seen, f"the model learnt from {len(seen)} of these lesions"
    return rows[np.random.default_rng(SEED).permutation(len(rows))]


class Images:
    """The images as the network sees them, their masks, and what is explained of each."""

    def __init__(self, bundle: Bundle, manifest: pl.DataFrame, device: torch.device) -> None:
        self.bundle, self.manifest, self.device = bundle, manifest, device
        self.decoded = decode_images(image_paths(manifest), *bundle.image.decoded, bundle.image.aspect)
        self.masks = [each for each in network_masks(manifest, bundle.image) if each is not None]
        fields = bundle.architecture.patient
        self.codes = patient_codes(manifest, fields) if fields else None
        self.model = bundle.model.to(device).requires_grad_(requires_grad=False)
        self.targets = [explained_target(bundle.classes, each) for each in bundle.classes.ids]

    def pixels(self, place: int) -> npt.NDArray[np.uint8]:
        """One image at the network's input size."""
        return network_input(self.decoded[place], *self.bundle.image.inference)

    def scored(self, places: range) -> tuple[TargetScore, torch.Tensor]:
        """The score of the most probable class of each image, and the images."""
        batch = to_input([self.pixels(place) for place in places], self.device)
        codes = None if self.codes is None else self.codes[places.start : places.stop]
        with torch.inference_mode():
            told = None if codes is None else torch.from_numpy(codes).to(self.device)
            answers = self.model(batch, told).argmax(dim=1).tolist()
        return TargetScore(self.model, [self.targets[k] for k in answers], codes), batch


def measured_chunk(
    images: Images, places: range, plan: Mapping[str, Plan]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every check of every map of some images: rows of SCHEMA, and what is of several maps at once."""
    score, batch = images.scored(places)
    masks = np.stack(images.masks[places.start : places.stop])
    forward = forward_seconds(score, batch)
    maps: dict[str, quality.Maps] = {}
    rows = []
    for name, each in plan.items():
        count = within(places, each.maps)
        if not count:
            continue
        maps[name], seconds = made(name, score.on(range(count)), batch[:count], places)
        columns = {
            "area": masks[:count].mean(axis=(1, 2)),
            "off_centre": off_centre(masks[:count]),
            "mask_share": quality.mask_share(maps[name], masks[:count]),
            "about_centre": quality.mask_share(quality.about_the_centre(maps[name]), masks[:count]),
            "pointing": quality.pointing_game(maps[name], masks[:count]).astype(float),
            **dependence(name, score, batch, maps[name], places, each),
        }
        for row in range(count):
            values = {key: float(value[row]) for key, value in columns.items() if row < len(value)}
            rows.append(
                {
                    "place": places[row],
                    "image_id": images.manifest["image_id"][places[row]],
                    "map": name,
                    "seconds": seconds,
                    "forward": forward,
                    **values,
                }
            )
    listed = shortcuts(images, places, maps)
    for row in rows:
        if row["map"] in METHODS:
            row["listed"] = float((row["image_id"], row["map"]) in listed)
    return rows, {
        "agreement": agreements({name: each[: within(places, AGREEMENT_IMAGES)] for name, each in maps.items()}),
        "cascade": cascades(score, batch, maps, places),
        "biopsy": sites(images, places, maps),
        "listed": [[image_id, name, area] for (image_id, name), area in listed.items()],
    }


def off_centre(masks: quality.Masks) -> quality.Floats:
    """How far the middle of each mask lies from the middle of the image, in sides of the image."""
    height, width = masks.shape[1:]
    size = np.maximum(masks.sum(axis=(1, 2)), 1)
    down = masks.sum(axis=2) @ ((np.arange(height) + 0.5) / height - 0.5) / size
    right = masks.sum(axis=1) @ ((np.arange(width) + 0.5) / width - 0.5) / size
    return np.hypot(down, right)


def made(name: str, score: TargetScore, batch: torch.Tensor, places: range) -> tuple[quality.Maps, float]:
    """The maps of a method or baseline, and the seconds that one took."""
    count, _, height, width = batch.shape
    if name == "centre":
        return np.repeat(quality.centre_map(height, width)[None], count, axis=0), 0.0
    if name == "random":
        return np.stack([quality.random_map(height, width, SEED + places[row]) for row in range(count)]), 0.0
    start = time.perf_counter()
    maps = METHODS[name].attribute(score, batch)
    return maps, (time.perf_counter() - start) / count


def dependence(
    name: str, score: TargetScore, batch: torch.Tensor, maps: quality.Maps, places: range, plan: Plan
) -> dict[str, quality.Floats]:
    """Deletion, insertion, stability and randomisation, each of as many of the first images as are planned."""
    found: dict[str, quality.Floats] = {}
    count = within(places, plan.deletion)
    if count:
        found["deletion"], found["insertion"] = deletion.deletion_insertion(
            score.on(range(count)), batch[:count], maps[:count], STEPS
        )
    count = within(places, plan.stability)
    if count:
        found["stability"] = stability.shift_stability(
            METHODS[name], score.on(range(count)), batch[:count], maps[:count]
        )
    count = within(places, plan.randomisation)
    if count:
        for called, parts in (("head", ("head",)), (ALL_PARTS, randomisation.network_parts(score.model))):
            alike = randomisation.randomisation_test(
                METHODS[name], score.on(range(count)), batch[:count], maps[:count], parts=parts, seed=SEED
            )
            found[f"rank_{called}"], found[f"ssim_{called}"] = alike.rank_correlation, alike.structural_similarity
    return found


def within(places: range, planned: int) -> int:
    """How many of these places are among the first so many."""
    return max(0, min(len(places), planned - places.start))


def forward_seconds(score: TargetScore, batch: torch.Tensor) -> float:
    """Seconds an image of a forward pass of the same batch, the better of two."""
    times = []
    with torch.inference_mode():
        for _ in range(2):
            start = time.perf_counter()
            score(batch).sum().item()
            times.append((time.perf_counter() - start) / len(batch))
    return min(times)


def agreements(maps: Mapping[str, quality.Maps]) -> dict[str, list[float]]:
    """Rank correlation of every two methods where both were made."""
    together: dict[str, list[float]] = {}
    names = [name for name in maps if name != "random"]
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            count = min(len(maps[one]), len(maps[other]))
            if count:
                values = quality.rank_correlation(maps[one][:count], maps[other][:count])
                together[f"{one}|{other}"] = [float(each) for each in values]
    return together


def cascades(
    score: TargetScore, batch: torch.Tensor, maps: Mapping[str, quality.Maps], places: range
) -> dict[str, dict[str, list[float]]]:
    """Rank correlation as the parts are drawn anew one after the other from the head down, of the fast methods."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in CASCADED:
        count = min(within(places, CASCADED_IMAGES), len(maps.get(name, ())))
        if count:
            found[name] = {}
            for parts in randomisation.cascade(score.model):
                alike = randomisation.randomisation_test(
                    METHODS[name], score.on(range(count)), batch[:count], maps[name][:count], parts=parts, seed=SEED
                )
                found[name][parts[-1]] = [float(each) for each in alike.rank_correlation]
    return found


def shortcuts(images: Images, places: range, maps: Mapping[str, quality.Maps]) -> dict[tuple[str, str], str]:
    """The cases that the shortcut finder lists with the recorded masks: (image, method) to its area."""
    tables = []
    for row, place in enumerate(places):
        of_image = {name: each[row] for name, each in maps.items() if name in METHODS and row < len(each)}
        if of_image:
            image_id = images.manifest["image_id"][place]
            tables.append(areas.attention_by_area(image_id, images.pixels(place), of_image, images.masks[place]))
    if not tables:
        return {}
    listed = areas.shortcut_cases(pl.concat(tables)).unique(["image_id", "method"], keep="first", maintain_order=True)
    return {(image_id, name): area for image_id, name, area in listed.select("image_id", "method", "area").iter_rows()}


def sites(images: Images, places: range, maps: Mapping[str, quality.Maps]) -> list[dict[str, float | None]]:
    """Of each image with both maps: whether a biopsy's site is suggested, and how uncertain it is."""
    found: list[dict[str, float | None]] = []
    if "gradcam" in maps and "lime" in maps:
        for row in range(min(len(maps["gradcam"]), len(maps["lime"]))):
            told = biopsy.suggested_site(maps["gradcam"][row], maps["lime"][row], images.masks[places[row]])
            site = told.site
            found.append(
                {
                    "agreement": told.agreement,
                    "uncertain_share": site.uncertain_share if site else None,
                    "apart_share": site.apart_share if site else None,
                }
            )
    return found


def kept_chunk(folder: Path, images: Images, places: range, plan: Mapping[str, Plan]) -> tuple[pl.DataFrame, Any]:
    """The measurements of a chunk, from its files if it was done."""
    table, rest = (folder / f"{places.start:04d}.{suffix}" for suffix in ("parquet", "json"))
    if not table.exists():  # written last
        rows, of_several = measured_chunk(images, places, plan)
        write_json(rest, of_several)
        with replacing(table) as temporary:
            pl.DataFrame(rows, schema=SCHEMA).write_parquet(temporary)
    return pl.read_parquet(table), json.loads(rest.read_text(encoding="utf-8"))


def mean(values: npt.NDArray[np.float64], clusters: npt.NDArray[np.int64]) -> dict[str, Any]:
    """A mean with its interval; images where it is not defined are left out and counted."""
    known = ~np.isnan(values)
    used, member = values[known], clusters[known]

    def weighted(weights: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
        return {"mean": used @ weights / weights.sum(axis=0)}

    if not len(used):
        return {"value": None, "low": None, "high": None, "images": 0}
    low, high = percentile_interval(clustered_bootstrap(weighted, member, resamples=RESAMPLES, seed=SEED)["mean"])
    return {"value": float(used.mean()), "low": float(low), "high": float(high), "images": len(used)}


def summary(frame: pl.DataFrame, clusters: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Each map's figures, and its differences from the baselines on the same images."""
    by_map = {str(key[0]): each.sort("place") for key, each in frame.group_by("map", maintain_order=True)}
    aside = frame.filter(pl.col("map") == "centre")["off_centre"].quantile(0.75, "linear")
    result: dict[str, Any] = {}
    for name, own in by_map.items():
        members = clusters[own["place"].to_numpy()]
        told = {
            column: mean(own[column].to_numpy(), members)
            for column in list(SCHEMA)[3:-2]  # all but what names the row and its times
            if own[column].is_not_null().any()
        }
        told["over its own values about the middle"] = mean(
            (own["mask_share"] - own["about_centre"]).to_numpy(), members
        )
        for baseline in ("centre", "random"):
            if baseline in by_map and name != baseline:
                paired = own.join(by_map[baseline], on="place", how="left", suffix="_baseline", maintain_order="left")
                for column in ("mask_share", "pointing", "deletion", "insertion"):
                    difference = (paired[column] - paired[f"{column}_baseline"]).to_numpy()
                    told[f"{column} over {baseline}"] = mean(difference, members)
                    if column == "mask_share":
                        far = (own["off_centre"] >= aside).to_numpy()
                        told[f"{column} over {baseline}, lesion off the middle"] = mean(difference[far], members[far])
        told["images"] = len(own)
        told["without positive attribution"] = int(own["mask_share"].is_nan().sum())
        told["seconds"] = float(own["seconds"].median() or 0.0)  # type: ignore[arg-type]
        told["times a forward pass"] = float((own["seconds"] / own["forward"]).median() or 0.0)  # type: ignore[arg-type]
        result[name] = told
    return result


def pooled(rests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is of several maps at once, over all chunks."""
    together: dict[str, list[float]] = {}
    cascade: dict[str, dict[str, list[float]]] = {}
    for each in rests:
        for pair, values in each["agreement"].items():
            together.setdefault(pair, []).extend(values)
        for name, parts in each["cascade"].items():
            for part, values in parts.items():
                cascade.setdefault(name, {}).setdefault(part, []).extend(values)
    of_sites = [site for each in rests for site in each["biopsy"]]
    with_site = [site for site in of_sites if site["apart_share"] is not None]
    return {
        "agreement": {pair: {"mean": float(np.mean(v)), "images": len(v)} for pair, v in together.items()},
        "cascade": {name: {part: float(np.mean(v)) for part, v in parts.items()} for name, parts in cascade.items()},
        "listed": dict(Counter(area for each in rests for _, _, area in each["listed"])),
        "biopsy": {
            "images": len(of_sites),
            "with a site": len(with_site),
            "median distance of the two maxima, lesion diameters": median(with_site, "apart_share"),
            "median share of the lesion that is uncertain": median(with_site, "uncertain_share"),
        },
    }


def median(rows: Sequence[Mapping[str, float | None]], column: str) -> float | None:
    return float(np.median([row[column] or 0.0 for row in rows])) if rows else None


def cell(figure: Mapping[str, Any] | None, form: str = ".2f") -> str:
    if figure is None or figure["value"] is None:
        return "–"
    to = " to " if form.startswith("+") or figure["low"] < 0 else "–"
    return f"{figure['value']:{form}} ({figure['low']:{form}}{to}{figure['high']:{form}})"


def table(result: Mapping[str, Any]) -> str:
    """Markdown: where maps lie, what they depend on, how far methods agree."""
    maps = result["maps"]
    area = maps["centre"]["area"]
    lines = [
        (
            f"{result['images']} images of {result['lesions']} lesions, none of which the model learnt from; the mask is "
            f"{cell(area)} of the image, which is what a map without any preference has inside it. Means with 95 % intervals "
            "(bootstrap of lesions)."
        ),
        "",
        (
            "Where maps lie. Gains are differences on the same images: over the middle of the image (a Gaussian of a quarter "
            "of each side), over the same on the quarter of images whose lesion lies furthest from the middle, and over the "
            "map's own values arranged about the middle, a baseline as concentrated as the map."
        ),
        "",
        "| map | images | share inside the lesion | gain over the middle | lesion off the middle | gain over its values about the middle | pointing game | gain over the middle | listed as on a shortcut |",
        "| --- " * 9 + "|",
    ]
    for name, each in maps.items():
        lines.append(
            f"| {titled(name)} | {each['images']} | {cell(each['mask_share'])} "
            f"| {cell(each.get('mask_share over centre'), '+.2f')} "
            f"| {cell(each.get('mask_share over centre, lesion off the middle'), '+.2f')} "
            f"| {cell(each['over its own values about the middle'], '+.2f')} | {cell(each['pointing'])} "
            f"| {cell(each.get('pointing over centre'), '+.2f')} | {cell(each.get('listed'))} |"
        )
    lines += [
        "",
        (
            f"Whether the answer depends on what a map ranks first: areas under the deletion (smaller is better) and insertion "
            f"curve (larger is better) of the explained class's probability, {STEPS} steps, removed pixels blurred."
        ),
        "",
        "| map | images | deletion | over the middle | insertion | over the middle |",
        "| --- " * 6 + "|",
    ]
    for name, each in maps.items():
        if "deletion" in each:
            lines.append(
                f"| {titled(name)} | {each['deletion']['images']} | {cell(each['deletion'])} "
                f"| {cell(each.get('deletion over centre'), '+.3f')} | {cell(each['insertion'])} "
                f"| {cell(each.get('insertion over centre'), '+.3f')} |"
            )
    down, right = stability.SHIFT
    lines += [
        "",
        (
            "Whether a map depends on the network, is stable, and what it costs: Spearman's rank correlation with the map "
            "after the weights of the head, or all, are drawn anew (near 0: it depends on them; near 1: it does not); with "
            f"the map of the image shifted by {down} and {right} pixels; seconds an image, {result['threads']} threads."
        ),
        "",
        "| map | images | head drawn anew | all drawn anew | images | shifted | seconds | times a forward pass |",
        "| --- " * 8 + "|",
    ]
    for name, each in maps.items():
        if name in METHODS:
            drawn, moved = each.get("rank_all"), each.get("stability")
            lines.append(
                f"| {titled(name)} | {drawn['images'] if drawn else 0} | {cell(each.get('rank_head'))} | {cell(drawn)} "
                f"| {moved['images'] if moved else 0} | {cell(moved)} | {each['seconds']:.3f} "
                f"| {each['times a forward pass']:.1f} |"
            )
    lines += ["", "Agreement: mean rank correlation of two maps of an image, over the images that have both.", ""]
    names = [name for name in maps if name != "random"]
    lines += ["| | " + " | ".join(titled(name) for name in names[1:]) + " |", "| --- " * len(names) + "|"]
    for place, one in enumerate(names[:-1]):
        values = [result["agreement"].get(f"{one}|{other}") for other in names[1:]]
        shown = ["" if k < place else f"{v['mean']:.2f}" if v else "–" for k, v in enumerate(values)]
        lines.append(f"| {titled(one)} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def titled(name: str) -> str:
    return METHODS[name].title if name in METHODS else TITLES[name]


def planned(images: int, methods: Sequence[str], *, everything: bool) -> dict[str, Plan]:
    """The plan for so many images; the baselines are always there."""
    chosen = {name: each for name, each in PLAN.items() if name in methods or name not in METHODS}
    if everything:
        whole = Plan(images, images, images, images)
        return {name: whole if name in METHODS else Plan(images, images, 0, 0) for name in chosen}
    return {name: Plan(*(min(images, count) for count in each)) for name, each in chosen.items()}


def main() -> None:
    """Measure, chunk by chunk, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument(
        "--methods", nargs="+", choices=[each for each in PLAN if each in METHODS], default=list(METHODS)
    )
    parser.add_argument("--all", action="store_true", dest="everything", help="every check on every image")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--kept", type=Path, default=ROOT / "runs" / "explanations")
    arguments = parser.parse_args()
    keep_memory()
    start = time.perf_counter()
    bundle = load_bundle()
    manifest = test_images(
        Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data")), bundle, arguments.images
    )
    plan = planned(arguments.images, arguments.methods, everything=arguments.everything)
    images = Images(bundle, manifest, best_device())
    settings = {
        "weights": bundle.about["weights_sha256"],
        "plan": plan,
        "chunk": CHUNK,
        "steps": STEPS,
        "shift": stability.SHIFT,
        "methods": [lime.SAMPLES, lime.SEGMENTS, saliency.COPIES, integrated_gradients.STEPS],
    }
    key = blake2b(json.dumps([settings, images.decoded.keys]).encode(), digest_size=6).hexdigest()
    frames, rests = [], []
    for first in range(0, len(manifest), CHUNK):
        places = range(first, min(first + CHUNK, len(manifest)))
        frame, rest = kept_chunk(arguments.kept / key, images, places, plan)
        frames.append(frame)
        rests.append(rest)
        print(f"{time.perf_counter() - start:.0f} s, {places.stop} images", flush=True)
    result = {
        "model": bundle.name,
        "images": len(manifest),
        "lesions": manifest["lesion_id"].n_unique(),
        "threads": torch.get_num_threads(),
        "device": images.device.type,
        "settings": {name: value for name, value in settings.items() if name != "plan"},
        "maps": summary(pl.concat(frames), clusters_of(manifest).number),
        **pooled(rests),
    }
    write_json(arguments.out / "explanations.json", result)
    write_text(arguments.out / "explanations.md", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
