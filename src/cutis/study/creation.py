"""From a design to a study that can be read: cases chosen, pictures written, the AI asked, all kept in the store.

:func:`plan_study` finds everything that can be wrong and writes nothing; :func:`make_study` then does the work.
"""

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl
from PIL import Image

from cutis.data import read_manifest
from cutis.evaluation import Predictions, read_predictions
from cutis.explanation import METHODS, explain_images, laid_over
from cutis.files import replacing_folder, write_json, write_text
from cutis.models import Bundle, OnnxBundle, fastest_bundle, load_bundle, predict_manifest
from cutis.study.ai_outputs import AiOutput, ai_outputs
from cutis.study.case_pictures import case_picture, fitting, map_on_photograph
from cutis.study.cases import StudyCase, choose_cases
from cutis.study.design import BUILT_IN, StudyDesign, StudyError
from cutis.study.design_files import write_design
from cutis.study.store import Store, create_study
from cutis.taxonomy import read_risk_rule

LISTED = 3
"""How many diagnoses an arm with the AI's differential shows, the likeliest, where the AI has no thresholds."""

_HEATMAP_SIDE = 1000  # pixels, the longer side

Stage = Callable[[str, int], Callable[[int], None]]
"""Called with what is done and how many steps it has; gives what is called with the steps just done."""


class PlannedStudy(NamedTuple):
    """All that a study is made of. ``rows``: the manifest's, in the order of the cases; ``notes``: in words."""

    design: StudyDesign
    cases: list[StudyCase]
    notes: list[str]
    rows: pl.DataFrame
    ai: Bundle | OnnxBundle | Predictions | None

    def found(self) -> list[tuple[int, int]]:
        """Of each stratum, how many cases that count and how many for training."""
        counts = Counter((each.stratum, each.part) for each in self.cases)
        return [(counts[k, "main"], counts[k, "training"]) for k in range(len(self.design.cases))]


def plan_study(design: StudyDesign, *, unfit: Collection[str] = ()) -> PlannedStudy:
    """Choose a study's cases. Nothing is written.

    Args:
        design: with whole paths, as :func:`cutis.study.read_design` gives them.
        unfit: image ids that the check of image quality refused.

    Raises:
        StudyError: strata are short of cases (all told together), or the AI cannot give what an arm shows.
        ManifestError: the manifest cannot be read.
        BundleError: the AI is no bundle.
        PredictionsError: the AI is no table of predictions.
        ImageError: cases that were drawn cannot be read; all are named.
    """
    manifest = read_manifest(design.manifest)
    ai = _ai(design)
    choice = choose_cases(design, manifest, ai=ai, unfit=unfit)
    place = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
    rows = manifest[[place[each.image_id] for each in choice.cases]]
    return PlannedStudy(design, choice.cases, choice.notes, rows, ai)


def make_study(store: Store, folder: str | Path, planned: PlannedStudy, now: datetime, *, stage: Stage) -> int:
    """Write the cases' pictures below ``folder``, ask the AI, and keep the study.

    Pictures are made anew (upright, sRGB, no metadata) under random names, in ``studies/KEY/pictures``; the AI's maps
    in ``studies/KEY/heatmaps``. The store keeps their addresses relative to ``folder``. Whatever is raised leaves
    neither a study nor its pictures.

    Args:
        store: the open database.
        folder: the study folder.
        planned: by :func:`plan_study`.
        now: the server's time.
        stage: called for each part of the work; what it raises ends the work.

    Returns:
        The study's id.

    Raises:
        StudyError: the AI cannot give what an arm shows.
        TaxonomyError: a risk grade is to be shown and a class of the AI has none.
        LeakError: the AI was trained on a case, which only its file's content shows.
        ImageError: a picture cannot be read.
    """
    design = planned.design
    home = Path("studies") / secrets.token_hex(8)
    outputs = _outputs(planned, stage)
    name = {each.image_id: secrets.token_hex(12) for each in planned.cases}
    heatmaps: dict[str, str] = {}
    try:
        with replacing_folder(Path(folder) / home) as temporary:
            (temporary / "pictures").mkdir()
            done = stage("photographs", len(planned.cases))
            for each in planned.cases:
                # Without loss: the photograph is compressed once, when it is sent to a reader.
                case_picture(each.image_path).save(temporary / "pictures" / f"{name[each.image_id]}.png")
                done(1)
            if _shows(design, "heatmap"):
                (temporary / "heatmaps").mkdir()
                for image_id, picture in _heatmaps(planned, stage):
                    heatmaps[image_id] = f"{home.as_posix()}/heatmaps/{name[image_id]}.png"
                    picture.save(temporary / "heatmaps" / f"{name[image_id]}.png")
            write_design(temporary / "design.toml", design)
            write_text(temporary / "notes.txt", "".join(f"{each}\n" for each in planned.notes))
            if outputs:
                told = {image_id: each.model_dump(mode="json") for image_id, each in outputs.items()}
                write_json(temporary / "ai.json", told)
        kept = [
            each.model_copy(update={"image_path": f"{home.as_posix()}/pictures/{name[each.image_id]}.png"})
            for each in planned.cases
        ]
        return create_study(store, design, kept, now, ai=outputs, heatmaps=heatmaps)
    except BaseException:
        shutil.rmtree(Path(folder) / home, ignore_errors=True)
        raise


def study_home(folder: str | Path, cases: Sequence[StudyCase]) -> Path:
    """The folder of one study below its study folder: ``pictures``, ``design.toml``, ``notes.txt``, ``ai.json``."""
    return Path(folder) / Path(cases[0].image_path).parents[1]


def kept_outputs(home: Path) -> dict[str, AiOutput] | None:
    """What the AI said of each case when the study was made; None where none aids."""
    file = home / "ai.json"
    if not file.exists():
        return None
    told = json.loads(file.read_text(encoding="utf-8"))
    return {image_id: AiOutput.model_validate(each) for image_id, each in told.items()}


def _ai(design: StudyDesign) -> Bundle | OnnxBundle | Predictions | None:
    if design.ai is None:
        return None
    if design.ai == BUILT_IN:
        return fastest_bundle()
    if Path(design.ai).is_dir():
        return fastest_bundle(design.ai)
    if _shows(design, "heatmap"):
        raise StudyError(
            "an arm shows heatmaps, and a table of predictions has none",
            where=design.ai,
            fix="Name a bundle, or take the heatmap from the arms.",
        )
    return read_predictions(design.ai)


def _shows(design: StudyDesign, aid: str) -> bool:
    return any(aid in each.aid for each in design.arms)


def _outputs(planned: PlannedStudy, stage: Stage) -> dict[str, AiOutput]:
    ai = planned.ai
    if ai is None:
        return {}
    thresholds = None
    if isinstance(ai, Predictions):
        predictions = ai
    else:
        thresholds = ai.thresholds
        predictions = predict_manifest(ai, planned.rows, stage("the AI's answers", len(planned.rows)))
    return ai_outputs(
        predictions,
        planned.cases,
        read_risk_rule(),
        thresholds=thresholds,
        most=LISTED,
        show_risk=_shows(planned.design, "risk"),
    )


def _heatmaps(planned: PlannedStudy, stage: Stage) -> Iterator[tuple[str, Image.Image]]:
    """Of each case the image id and the AI's map over the upright photograph, without words: for its first answer."""
    method = METHODS["gradcam"]
    bundle = load_bundle(None if planned.design.ai == BUILT_IN else planned.design.ai)
    image = bundle.image
    done = stage("the AI's heatmaps", len(planned.cases))
    explained = explain_images(bundle, planned.rows, methods=[method.name], progress=done)
    for case, each in zip(planned.cases, explained, strict=True):
        pixels = fitting(case_picture(case.image_path), _HEATMAP_SIDE)
        size = pixels.shape[0], pixels.shape[1]
        own = map_on_photograph(each.maps[method.name], size, image.decoded, image.aspect)
        yield case.image_id, Image.fromarray(laid_over(pixels, own, method))
