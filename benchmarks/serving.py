"""One image at a time, beside package ``sklesion``; and ``cutis serve`` under load.

``sklesion`` (Xception with age, sex and place, TensorFlow; trained on HAM10000, as the model that comes with cutis was)
is the one lesion classifier on PyPI that carries its weights. It tells the same seven classes apart, under the same
names. Each runs in an environment and a process of its own, made by uv, on the same cores, over the same images: the
600 test images of ISIC 2017 (256 × 256 pixels, nothing known of the patient) and the part of PAD-UFES-20 at hand
(smartphone photographs, longest side 448, with age, sex and place). Neither was trained on these data sets; whether
copies of HAM10000 stand in ISIC 2017 is not checked. Nothing was chosen by these images.

    python benchmarks/serving.py                       one image at a time (makes an int8 export first), ten minutes
    python benchmarks/serving.py --images 20           a short trial; writes nothing unless --output is named
    python benchmarks/serving.py --load 60             cutis serve: cold start, then 32 clients for 60 seconds; with the
                                                       model as it comes, and with the int8 export
    python benchmarks/serving.py --soak 50000          int8 again, and the server's memory over so many requests

Parts that were not asked for keep the figures of their last run. Times mean something only where nothing else runs.
"""

import argparse
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from audit_peers import environment, memory_of_session
from serving_server import imports, server_figures, server_lines
from trained_here_tested_there import data_sets

from cutis.data import cache_folder, source
from cutis.evaluation import Estimate, Predictions, evaluate
from cutis.files import write_json, write_text
from cutis.models import default_bundle_folder, export_onnx
from cutis.models.export_measures import machine
from cutis.taxonomy import ClassSet, class_set

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
WORKER = Path(__file__).with_name("serving_worker.py")
PEER = ("sklesion==0.2.2",)
HAM7 = class_set("ham7")
RUNS: dict[str, dict[str, Any]] = {
    "cutis, as it comes (4 views)": {"tool": "cutis", "bundle": None, "views": None},
    "cutis, 1 view": {"tool": "cutis", "bundle": None, "views": 1},
    "cutis int8 (4 views)": {"tool": "cutis", "bundle": "int8", "views": None},
    "cutis int8, 1 view": {"tool": "cutis", "bundle": "int8", "views": 1},
    "sklesion": {"tool": "sklesion", "bundle": None, "views": None},
}
PLACES = {"Upper extremity": "arm", "Head and neck": "head-or-neck", "Lower extremity": "leg-or-genital",
          "Trunk": "trunk", "Anogenital": "leg-or-genital"}  # fmt: skip


def tested(data: Path) -> dict[str, tuple[pl.DataFrame, ClassSet | None]]:
    """The data sets that neither was trained on: their manifests, and the classes to measure at."""
    return {name: each for name, each in data_sets(data).items() if not name.startswith("HAM10000")}


def as_job(manifest: pl.DataFrame) -> list[dict[str, Any]]:
    """Each image with what is known of the patient, in cutis's words and in the peer's."""
    rows = manifest.select("image_id", "image_path", "age_approx", "sex", "anatom_site").iter_rows(named=True)
    return [
        {
            "id": row["image_id"],
            "path": row["image_path"],
            "patient": {key: row[key] for key in ("age_approx", "sex", "anatom_site")},
            "peer": {
                "age": row["age_approx"],
                "sex": row["sex"] or "unknown",
                "location": PLACES.get((row["anatom_site"] or "").split(":")[0], "unknown"),
            },
        }
        for row in rows
    ]


def built_in_weights() -> str:
    """The hash of the weights that come with cutis."""
    return str(json.loads((default_bundle_folder() / "bundle.json").read_text())["weights_sha256"])


def int8_figures(folder: Path) -> dict[str, Any]:
    """What its export found."""
    export = json.loads((folder / "export.json").read_text())
    parity = next(each for each in export["precisions"] if each["precision"] == "int8")
    named = ("convolutions_in_fp32", "same_first_diagnosis", "largest_difference", "mean_difference")
    return {
        **{name: parity[name] for name in named},
        "images": export["images"],
        "objections": [f"It would not be served unasked: {each}." for each in export["served_despite"]],
    }


def int8_bundle(home: Path, data: Path, cores: int) -> Path:
    """An export that serves int8, made once for the weights at hand; what speaks against it stands in the results."""
    folder = home / f"int8-{built_in_weights()[:12]}"
    if not (folder / "export.json").exists():
        ham = source("ham10000").import_from(data / "ham10000").frame
        export_onnx(None, folder, ham, precisions=["fp32", "int8"], serve="int8", despite=True, threads=cores)
    return folder


def run(python: Path, job: dict[str, Any], home: Path) -> dict[str, Any]:
    """One tool's answers and times, and the most memory its process held."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "job.json").write_text(json.dumps(job))
    answer = home / "answer.json"
    answer.unlink(missing_ok=True)
    peak = 0
    with (home / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [python, WORKER, home / "job.json", answer], stdout=log, stderr=log, start_new_session=True
        )
        while process.poll() is None:
            peak = max(peak, memory_of_session(process.pid))
            time.sleep(0.2)
    if process.returncode:
        raise RuntimeError((home / "log.txt").read_text()[-2000:])
    return {**json.loads(answer.read_text()), "peak_bytes": peak}


def times(milliseconds: list[float]) -> dict[str, float]:
    p50, p99 = np.quantile(milliseconds, [0.5, 0.99])
    return {"p50": float(p50), "p99": float(p99)}


def one_image(data: Path, home: Path, cores: int, most: int | None) -> dict[str, Any]:
    """Every run of the table."""
    found: dict[str, Any] = {}
    sets = tested(data)
    for name, wanted in RUNS.items():
        python = environment(PEER if wanted["tool"] == "sklesion" else None, home)
        bundle = str(int8_bundle(home, data, cores)) if wanted["bundle"] else None
        whole, bare, accuracy, told = [], [], {}, {}
        for data_set, (manifest, at) in sets.items():
            rows = manifest if most is None else manifest[:most]
            told = run(python, {**wanted, "bundle": bundle, "cores": cores, "images": as_job(rows)}, home / "run")
            answers = np.array([told["probabilities"][each] for each in rows["image_id"]], dtype=np.float64)
            answers /= answers.sum(axis=1, keepdims=True)  # float32's rounding
            figures = evaluate(Predictions(rows["image_id"].to_list(), answers, HAM7), rows, at=at).overall
            accuracy[data_set] = {
                "images": len(rows),
                "balanced accuracy": figures.balanced_accuracy.model_dump(),
                "macro AUC": figures.macro_auc.model_dump(),
            }
            whole += told.pop("whole")
            bare += told.pop("bare")
            told["peak_bytes"] = max(told["peak_bytes"], found.get(name, {}).get("peak_bytes", 0))
            told.pop("probabilities")
            found[name] = {**told, "whole": times(whole), "bare": times(bare), "accuracy": accuracy}
        print(name, found[name]["whole"], found[name]["bare"], flush=True)
    return found


def cell(figure: dict[str, Any]) -> str:
    each = Estimate.model_validate(figure)
    if each.value is None:
        return "–"
    return f"{each.value:.3f}" if each.low is None else f"{each.value:.3f} ({each.low:.3f}–{each.high:.3f})"


def one_image_lines(part: dict[str, Any]) -> list[str]:
    found, sets = part["runs"], list(next(iter(part["runs"].values()))["accuracy"])
    peer = found["sklesion"]
    lines = [
        f"One image at a time on {part['cores']} cores ({part['machine']}), model warm. *Whole call*: the package's own,",
        "from a file to probabilities (of cutis with unfamiliarity, content hash and what it saw in training). *Bare*:",
        "decode, resize, network. Milliseconds. Memory: the most that the process held. First answer: in a new process.",
        "",
        "| | whole call, p50 | p99 | bare, p50 | p99 | first answer, s | peak memory, MB | model, MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {each['whole']['p50']:.1f} | {each['whole']['p99']:.1f} | {each['bare']['p50']:.1f} "
        f"| {each['bare']['p99']:.1f} | {each['seconds_to_first_answer']:.1f} | {each['peak_bytes'] / 1e6:.0f} "
        f"| {each['model_bytes'] / 1e6:.1f} |"
        for name, each in found.items()
    ]
    sizes = (
        f"The package of cutis takes {next(iter(found.values()))['package_bytes'] / 1e6:.0f} MB, that of sklesion "
        f"{peer['package_bytes'] / 1e6:.0f} MB; with TensorFlow its environment takes "
        f"{peer['environment_bytes'] / 1e9:.1f} GB."
    )
    int8 = part["int8"]
    exported = (
        f"int8 leaves the first {int8['convolutions_in_fp32']} convolutions in fp32. Of {int8['images']:,} validation "
        f"images, {100 * int8['same_first_diagnosis']:.1f} % keep their first diagnosis, and the largest difference of "
        f"a probability is {int8['largest_difference']:.3f}. {' '.join(int8['objections'])}".strip()
    )
    lines += [
        "",
        sizes,
        "",
        exported,
        "",
        f"| balanced accuracy (95 % interval) | {' | '.join(sets)} |",
        f"| --- {'| ---: ' * len(sets)}|",
    ]
    for name, each in found.items():
        lines.append(f"| {name} | {' | '.join(cell(each['accuracy'][at]['balanced accuracy']) for at in sets)} |")
    lines += ["", f"| macro AUC | {' | '.join(sets)} |", f"| --- {'| ---: ' * len(sets)}|"]
    for name, each in found.items():
        lines.append(f"| {name} | {' | '.join(cell(each['accuracy'][at]['macro AUC']) for at in sets)} |")
    return [
        *lines,
        "",
        "Both learnt from HAM10000 and name the same seven classes.",
        "ISIC 2017 is measured at melanoma, nevus and seborrheic keratosis; other answers count as *other*.",
    ]


def main() -> None:
    """Measure what was asked for and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, help="of each data set; a trial")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--load", type=float, metavar="SECONDS", help="load the server for so long")
    parser.add_argument("--soak", type=int, metavar="N", help="requests over which memory is watched")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--output", type=Path, help="folder of the results")
    asked = parser.parse_args()
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    home = cache_folder() / "serving"
    home.mkdir(parents=True, exist_ok=True)
    output = asked.output or RESULTS
    kept = output / "serving.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    if asked.load or asked.soak:
        paths = [each for manifest, _ in tested(data).values() for each in manifest["image_path"].to_list()]
        served: dict[str, Path | None] = {"int8": int8_bundle(home, data, asked.cores)}
        if asked.load:
            served = {"as it comes": None, **served}
        for name, bundle in served.items():
            soak = asked.soak or 0 if name == "int8" else 0
            figures = server_figures(bundle, paths, clients=asked.clients, seconds=asked.load or 60.0, soak=soak)
            before = results.setdefault("server", {}).get(name, {})
            results["server"][name] = {**before, **figures, "machine": machine()}
            print(name, {key: value for key, value in figures.items() if key != "soak"}, flush=True)
    else:
        runs = one_image(data, home, asked.cores, asked.images)
        int8 = int8_figures(int8_bundle(home, data, asked.cores))
        results["one image"] = {"cores": asked.cores, "machine": machine(), "runs": runs, "int8": int8}
        results["imports"] = imports()
    shutil.rmtree(home / "run", ignore_errors=True)
    lines = one_image_lines(results["one image"]) if "one image" in results else []
    lines += ["", *server_lines(results)]
    print("\n".join(lines))
    if asked.images is None or asked.output:
        write_json(output / "serving.json", results)
        write_text(output / "serving.md", "\n".join(lines).strip() + "\n")


if __name__ == "__main__":
    main()
