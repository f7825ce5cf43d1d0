"""Does the built-in model notice images unlike those it knows? Its unfamiliarity beside the energy of its logits.

Familiar are HAM10000's validation images, on which the scale was set but not learnt; unfamiliar are PAD-UFES-20's smartphone
photographs. Among these, squamous cell carcinoma is asked for apart: a disease rather than another kind of image. The test
images of HAM-strict are not opened. Writes ``results/unfamiliarity.json`` and ``results/unfamiliarity.md`` beside this file.

    python benchmarks/unfamiliarity.py     about a minute on 2 cores

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import os
from pathlib import Path

import numpy as np
import polars as pl

from cutis.data import source
from cutis.evaluation import energy, unfamiliarity_result
from cutis.files import write_json, write_text
from cutis.models import Outputs, fastest_bundle, manifest_outputs

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    bundle = fastest_bundle()
    held = bundle.training_record.filter(pl.col("role") == "val")["image_id"]
    ham = source("ham10000").import_from(data / "ham10000").frame
    pad = source("pad-ufes-20").import_from(data / "pad_ufes_20").frame.filter(pl.col("image_path").is_not_null())
    familiar = ham.filter(pl.col("image_id").is_in(held.implode()))
    known, strange = manifest_outputs(bundle, familiar), manifest_outputs(bundle, pad)
    carcinoma = (pad["source_diagnosis"] == "SCC").to_numpy()
    found = {}
    for name, of in (("distance to the 10th neighbour", _distance), ("energy of the logits", _energy)):
        a, b = of(known), of(strange)
        found[name] = {
            "photographs": unfamiliarity_result(a, b, clusters=_cases(familiar) + _cases(pad)),
            "squamous cell carcinoma among the photographs": unfamiliarity_result(
                b[~carcinoma],
                b[carcinoma],
                clusters=_cases(pad.filter(pl.Series(~carcinoma))) + _cases(pad.filter(pl.Series(carcinoma))),
            ),
        }
    beyond = {
        "validation images": float((_distance(known) > 1).mean()),
        "photographs": float((_distance(strange) > 1).mean()),
    }
    write_json(
        RESULTS / "unfamiliarity.json",
        {
            "scores": {
                score: {what: each.model_dump(mode="json") for what, each in of.items()} for score, of in found.items()
            },
            "beyond the limit": beyond,
        },
    )
    lines = [
        f"{len(familiar)} validation images of HAM10000, {len(pad)} photographs of PAD-UFES-20, {int(carcinoma.sum())} of them",
        f"squamous cell carcinoma. Beyond the limit lie {100 * beyond['validation images']:.1f} % of the validation images and",
        f"{100 * beyond['photographs']:.1f} % of the photographs.",
        "",
        "| score | AUROC, photographs | FPR95, photographs | AUROC, squamous cell carcinoma among photographs |",
        "| --- | --- | --- | --- |",
    ]
    for name, of in found.items():
        photographs, disease = of.values()
        cells = (photographs.auroc, photographs.fpr95, disease.auroc)
        lines.append(f"| {name} | {' | '.join(f'{e.value:.3f} ({e.low:.3f}–{e.high:.3f})' for e in cells)} |")
    write_text(RESULTS / "unfamiliarity.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def _distance(outputs: Outputs) -> np.ndarray:
    assert outputs.unfamiliarity is not None
    return outputs.unfamiliarity


def _energy(outputs: Outputs) -> np.ndarray:
    return np.asarray(energy(outputs.logits))


def _cases(frame: pl.DataFrame) -> list[str]:
    return frame.select(pl.coalesce("patient_id", "lesion_id", "image_id")).to_series().to_list()


if __name__ == "__main__":
    main()
