"""The verb `cutis predict`: class probabilities of photographs or of a manifest."""

from collections.abc import Iterable, Mapping
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutis.cli.extras import needs_extra
from cutis.errors import CutisError, ImageError

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.data import Pixels
    from cutis.evaluation import Differential, Predictions
    from cutis.models import Bundle, OnnxBundle

_MANIFEST_SUFFIXES = (".parquet", ".csv")
_COLUMNS = 3  # images that fit side by side on a terminal


def predict_verb(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] IMAGE...|M...",
            help="A bundle folder if not the built-in model; then images (DICOM too), or manifests (.parquet, .csv).",
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PREDICTIONS", help="Table to write: .parquet or .csv."),
    ] = None,
    age: Annotated[int | None, typer.Option("--age", min=0, max=120, help="Images only: the patient's age.")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="Images only: female or male.")] = None,
    site: Annotated[
        str | None,
        typer.Option("--site", help="Images only: the ISIC archive's word, e.g. 'Posterior trunk'."),
    ] = None,
    frame: Annotated[
        int | None, typer.Option("--frame", min=1, metavar="N", help="DICOM only: which of several frames.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Print or write class probabilities. Without BUNDLE, the model that comes with cutis answers.

    Of a DICOM file it takes the patient's age, sex and site too, where they are there and --age and so on are not said.

    Of photographs, also the differential list (diagnoses that reach their own thresholds), the conformal set, and
    whether they are unlike what the model was trained on, if the bundle can tell.

    Research software, not a medical device: no answer replaces a doctor's.

    Example: cutis predict photo.jpg --age 61 --sex male

    Example: cutis predict bundle ham_test.parquet -o predictions.parquet
    """
    bundle_folder = inputs[0] if inputs[0].is_dir() else None
    rest = inputs[1:] if bundle_folder else inputs
    if not rest:
        raise ImageError("no image or manifest named", where=str(inputs[0]), fix="Name one after the bundle.")
    missing = [str(each) for each in rest if not each.exists()]
    if missing:
        raise ImageError(f"does not exist: {', '.join(missing)}", fix="Check the path.")
    tables = [each for each in rest if each.suffix.lower() in _MANIFEST_SUFFIXES]
    if tables and len(tables) < len(rest):
        raise ImageError("images and manifests are named together", fix="Predict them apart.")
    patient = {"age_approx": age, "sex": patient_sex(sex), "anatom_site": patient_site(site)}
    if tables and any(value is not None for value in patient.values()):
        raise CutisError("--age, --sex and --site go with single images", fix="A manifest has columns for them.")
    if len(tables) > 0 and output is None:
        raise CutisError("predictions of a manifest need a file", fix="Name one with -o predictions.parquet.")
    if output and output.suffix.lower() not in _MANIFEST_SUFFIXES:  # told before the work, not after it
        raise CutisError("does not end in .parquet or .csv", where=str(output), fix="Name such a file.")

    from cutis.models import fastest_bundle

    bundle = fastest_bundle(bundle_folder)
    predictions = _of_manifests(bundle, tables) if tables else _of_images(bundle, rest, patient, frame)
    if output:
        from cutis.evaluation import write_predictions

        write_predictions(output, predictions)
    if json:
        rows = [dict(zip(bundle.classes.ids, map(float, each), strict=True)) for each in predictions.probabilities]
        answer: dict[str, Any] = {"model": bundle.name, "written": str(output) if output else None}
        if not tables:
            answer["images"] = dict(zip(predictions.image_ids, rows, strict=True))
            answer["seen_in_training"] = dict(zip(predictions.image_ids, predictions.seen or [], strict=False))
            if predictions.unfamiliarity is not None:
                answer["unfamiliarity"] = {
                    image_id: {"score": float(score), "stranger_than_percent": _stranger_than(bundle, score)}
                    for image_id, score in zip(predictions.image_ids, predictions.unfamiliarity, strict=True)
                }
        typer.echo(dumps(answer, ensure_ascii=False))
    else:
        _print(bundle, predictions, listed_in_full=not tables)
        if output:
            typer.echo(f"written: {output}")


def _of_manifests(bundle: "Bundle | OnnxBundle", tables: list[Path]) -> "Predictions":
    from cutis.cli.progress import progress_bar
    from cutis.data import read_manifest
    from cutis.models import predict_manifest

    manifest = read_manifest(*tables)
    with progress_bar() as bar:
        task = bar.add_task("predicting", total=len(manifest))
        return predict_manifest(bundle, manifest, progress=lambda done: bar.advance(task, done))


def _of_images(
    bundle: "Bundle | OnnxBundle", paths: list[Path], patient: Mapping[str, object], frame: int | None
) -> "Predictions":
    from cutis.models import photograph_alone, predict_files

    def read(path: str | Path) -> "tuple[Pixels, Mapping[str, object]]":
        from cutis.clinic import is_dicom

        try:
            content = Path(path).read_bytes()
        except OSError:
            content = b""  # reading it as a photograph says what is wrong with it
        if not is_dicom(content):
            return photograph_alone(path)
        with needs_extra("dicom", "DICOM needs"):
            from cutis.clinic import dicom_photograph

        taken, own, source = dicom_photograph(content, Path(path).name, frame=frame)
        for note in source.notes:
            typer.echo(f"{path}: {note}", err=True)
        return taken.pixels, own.columns()

    return predict_files(bundle, paths, patient, read)


def _print(bundle: "Bundle | OnnxBundle", predictions: "Predictions", *, listed_in_full: bool) -> None:
    from rich.console import Console

    console = Console()
    if not listed_in_full:
        count = f"{len(predictions.image_ids):,} images predicted by {bundle.name}"
        console.print(count, markup=False, highlight=False, soft_wrap=True)
        if predictions.unfamiliarity is not None:
            strange = sum(_stranger_than(bundle, score) is not None for score in predictions.unfamiliarity)
            told = f"{strange:,} of them are stranger to it than 95% of the images it was validated on"
            console.print(told, markup=False, highlight=False, soft_wrap=True)
        return
    lists, sets = _differential_lists(bundle, predictions), _conformal_sets(bundle, predictions)
    console.print(_table(bundle, predictions, lists, sets))
    if len(predictions.image_ids) <= _COLUMNS:
        for row, image_id in enumerate(predictions.image_ids):
            if (lists or sets) and len(predictions.image_ids) > 1:
                console.print(image_id, markup=False, highlight=False, soft_wrap=True)
            console.print(_answer(bundle, lists[row] if lists else None, sets[row] if sets else None))
    for image_id, seen in zip(predictions.image_ids, predictions.seen or [], strict=False):
        if seen not in (None, "no"):
            warning = f"{image_id}: the model was trained on this {seen}; its answer proves nothing."
            console.print(warning, markup=False, highlight=False, soft_wrap=True)
    for warning in _strange_images(bundle, predictions):
        console.print(warning, markup=False, highlight=False, soft_wrap=True)
    console.print(
        "Research software, not a medical device: see a doctor about any skin change.", highlight=False, soft_wrap=True
    )


def _strange_images(bundle: "Bundle | OnnxBundle", predictions: "Predictions") -> list[str]:
    """A warning for each photograph unlike those the model was validated on."""
    if predictions.unfamiliarity is None:
        return []
    warnings = []
    for image_id, score in zip(predictions.image_ids, predictions.unfamiliarity, strict=True):
        percent = _stranger_than(bundle, score)
        if percent is None:
            continue
        told = f"{image_id}: stranger to the model than {percent}% of the images it was validated on"
        so = "unlike what it was trained on: do not rely on its answer" if percent == 99 else "be wary of its answer"
        warnings.append(f"{told}; {so}.")
    return warnings


def _stranger_than(bundle: "Bundle | OnnxBundle", score: float) -> int | None:
    return None if bundle.familiarity is None else bundle.familiarity.stranger_than(score)


def _differential_lists(bundle: "Bundle | OnnxBundle", predictions: "Predictions") -> "list[Differential] | None":
    if bundle.thresholds is None:
        return None
    from cutis.evaluation import differential_lists

    return differential_lists(predictions.probabilities, bundle.thresholds)


def _conformal_sets(bundle: "Bundle | OnnxBundle", predictions: "Predictions") -> list[list[str]] | None:
    """Each image's set of class ids, the most probable first."""
    if bundle.conformal is None:
        return None
    held, ids = bundle.conformal.sets(predictions.probabilities), bundle.classes.ids
    return [
        [ids[k] for k in (-row).argsort(kind="stable") if inside[k]]
        for row, inside in zip(predictions.probabilities, held, strict=True)
    ]


def _table(
    bundle: "Bundle | OnnxBundle",
    predictions: "Predictions",
    lists: "list[Differential] | None",
    sets: list[list[str]] | None,
) -> "Table":
    """A column for each of a few images; a row for each of many, with its list and set in class ids."""
    from rich.markup import escape
    from rich.table import Table

    classes, probabilities = bundle.classes.classes, predictions.probabilities
    names = [escape(each) for each in predictions.image_ids]
    title = f"Probabilities by {escape(bundle.name)}"
    if len(names) > _COLUMNS:
        table = Table("image", *[escape(each.id) for each in classes], title=title)
        if lists:
            table.add_column("differential list")
        if bundle.conformal:
            table.add_column(f"{bundle.conformal.coverage:.0%} set")
        for row, name in enumerate(names):
            more = [escape(", ".join(lists[row].classes if lists[row].above else ()) or "–")] if lists else []
            more += [escape(", ".join(sets[row]) or "–")] if sets else []
            table.add_row(name, *[f"{p:.3f}" for p in probabilities[row]], *more)
        return table
    table = Table("class", *names, title=title)
    mean = probabilities.mean(axis=0)
    for k in sorted(range(len(mean)), key=lambda each: -mean[each]):
        each = classes[k]
        label = each.id if each.id == each.name else f"{each.id}  {each.name}"
        table.add_row(escape(label), *[f"{p:.3f}" for p in probabilities[:, k]])
    return table


def _answer(bundle: "Bundle | OnnxBundle", differential: "Differential | None", held: list[str] | None) -> "Table":
    """One image's differential list and conformal set in words, each with what it means."""
    from rich.markup import escape
    from rich.table import Table

    def named(class_ids: Iterable[str]) -> str:
        classes = [bundle.classes[each] for each in class_ids]
        return ", ".join(
            each.name if each.malignancy == "unknown" else f"{each.name} ({each.malignancy})" for each in classes
        )

    grid = Table.grid(padding=(0, 2))
    if differential:
        if differential.above:
            told = f"{named(differential.classes)}\nat or above their own thresholds, the furthest above first"
        else:
            told = f"none: no diagnosis reaches its own threshold; nearest is {named(differential.classes)}"
        grid.add_row("differential list", escape(told))
    if bundle.conformal is not None and held is not None:
        share = f"{bundle.conformal.coverage:.0%}"
        told = f"{named(held)}\nholds the diagnosis in {share} of images like those it was calibrated on"
        if not held:
            told = "empty: unlike the images of every diagnosis it was calibrated on"
        if bundle.conformal.always_included:
            always = ", ".join(bundle.classes[each].name for each in bundle.conformal.always_included)
            told += f"; always holds {always}, of which it saw too few images"
        grid.add_row(f"{share} set", escape(told))
    return grid


def patient_sex(word: str | None) -> str | None:
    """The value of ``--sex``, checked."""
    if word is not None and word not in ("female", "male"):
        raise CutisError(f"--sex takes female or male, not '{word}'", fix="Leave it out if it is not known.")
    return word


def patient_site(word: str | None) -> str | None:
    """The value of ``--site`` as the ISIC archive's word."""
    if word is None:
        return None
    from cutis.data import isic_anatom_site

    site = isic_anatom_site(word)
    if site is None:
        raise CutisError(
            f"--site '{word}' is no anatomical site of the ISIC archive",
            fix="Try e.g. scalp or 'posterior trunk'.",
        )
    return site
