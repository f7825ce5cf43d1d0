"""The verb `cutis predict`: class probabilities of photographs or of a manifest."""

from collections.abc import Mapping
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.errors import CutisError, ImageError

if TYPE_CHECKING:
    from cutis.evaluation import Predictions
    from cutis.models import Bundle

_MANIFEST_SUFFIXES = (".parquet", ".csv")


def predict_verb(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] IMAGE...|M...",
            help="A bundle folder if not the built-in model; then images, or manifests (.parquet, .csv).",
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
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Print or write class probabilities. Without BUNDLE, the model that comes with cutis answers.

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
    patient = {"age_approx": age, "sex": _sex(sex), "anatom_site": _site(site)}
    if tables and any(value is not None for value in patient.values()):
        raise CutisError("--age, --sex and --site go with single images", fix="A manifest has columns for them.")
    if len(tables) > 0 and output is None:
        raise CutisError("predictions of a manifest need a file", fix="Name one with -o predictions.parquet.")

    from cutis.models import load_bundle

    bundle = load_bundle(bundle_folder)
    predictions = _of_manifests(bundle, tables) if tables else _of_images(bundle, rest, patient)
    if output:
        from cutis.evaluation import write_predictions

        write_predictions(output, predictions)
    if json:
        rows = [dict(zip(bundle.classes.ids, map(float, each), strict=True)) for each in predictions.probabilities]
        answer = {"model": bundle.name, "written": str(output) if output else None}
        images = {} if tables else {"images": dict(zip(predictions.image_ids, rows, strict=True))}
        typer.echo(dumps(answer | images, ensure_ascii=False))
    else:
        _print(bundle, predictions, listed_in_full=not tables)
        if output:
            typer.echo(str(output))


def _of_manifests(bundle: "Bundle", tables: list[Path]) -> "Predictions":
    from cutis.cli.progress import progress_bar
    from cutis.data import read_manifest
    from cutis.models import predict_manifest

    manifest = read_manifest(*tables)
    with progress_bar() as bar:
        task = bar.add_task("predicting", total=len(manifest))
        return predict_manifest(bundle, manifest, progress=lambda done: bar.advance(task, done))


def _of_images(bundle: "Bundle", paths: list[Path], patient: Mapping[str, object]) -> "Predictions":
    from cutis.models import predict_files

    return predict_files(bundle, paths, patient)


def _print(bundle: "Bundle", predictions: "Predictions", *, listed_in_full: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not listed_in_full:
        console.print(f"{len(predictions.image_ids):,} images predicted by {bundle.name}", highlight=False)
        return
    table = Table("class", *predictions.image_ids, title=f"Probabilities by {bundle.name}")
    mean = predictions.probabilities.mean(axis=0)
    for k in sorted(range(len(mean)), key=lambda each: -mean[each]):
        each = bundle.classes.classes[k]
        label = each.id if each.id == each.name else f"{each.id}  {each.name}"
        table.add_row(label, *[f"{p:.3f}" for p in predictions.probabilities[:, k]])
    console.print(table)
    for image_id, seen in zip(predictions.image_ids, predictions.seen or [], strict=False):
        if seen not in (None, "no"):
            console.print(
                f"{image_id}: the model was trained on this {seen}; its answer proves nothing.",
                highlight=False,
            )
    console.print("Research software, not a medical device: see a doctor about any skin change.", highlight=False)


def _sex(word: str | None) -> str | None:
    if word is not None and word not in ("female", "male"):
        raise CutisError(f"--sex takes female or male, not '{word}'", fix="Leave it out if it is not known.")
    return word


def _site(word: str | None) -> str | None:
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
