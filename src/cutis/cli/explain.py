"""The verb `cutis explain`: maps of where in a photograph a model's answer comes from."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.cli.predict import patient_sex, patient_site
from cutis.errors import BundleError, CutisError, ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from rich.table import Table

    from cutis.data import DecodedImages, Pixels
    from cutis.evaluation import Predictions
    from cutis.explanation import Method
    from cutis.models import Bundle
    from cutis.report import WrittenExplanations

_MANIFEST_SUFFIXES = (".parquet", ".csv")


def explain_verb(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] IMAGE...|M...",
            help="A bundle folder if not the built-in model; then images, or manifests (.parquet, .csv).",
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the explanations.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="gradcam (default), saliency, smoothgrad, integrated-gradients, lime, occlusion; or all. Repeat it.",
        ),
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(
            metavar="NODE",
            help="What is explained: a class, or a diagnosis that holds several, e.g. malignant. Default: the answer.",
        ),
    ] = None,
    biopsy: Annotated[
        bool,
        typer.Option(
            "--biopsy", help="Mark where Grad-CAM and LIME agree in the lesion. Needs --node. Not tested clinically."
        ),
    ] = False,
    maps: Annotated[
        bool, typer.Option("--maps", help="Keep the maps themselves in maps.npz, for other tools.")
    ] = False,
    subset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Manifests only: train, val or test. Default: all rows.")
    ] = None,
    age: Annotated[int | None, typer.Option("--age", min=0, max=120, help="Images only: the patient's age.")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="Images only: female or male.")] = None,
    site: Annotated[
        str | None,
        typer.Option("--site", help="Images only: the ISIC archive's word, e.g. 'Posterior trunk'."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the methods that draw at random.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Show where in each photograph the model's answer comes from: maps over the photograph, and a page with all.

    Writes index.html, a PNG a map to images/, explanations.parquet (a row a map: probability, share on the lesion, on
    ink, rulers, hair, dark corners and the border) and with --maps the maps as NumPy arrays. Cases whose map lies on
    such things rather than on the lesion stand first in the page.

    A map shows where the network looked, not why. Research software, not a medical device.

    Example: cutis explain photo.jpg -o why --method gradcam --method lime

    Example: cutis explain bundle ham_test.parquet -o why --node mel
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
        raise ImageError("images and manifests are named together", fix="Explain them apart.")
    patient = {"age_approx": age, "sex": patient_sex(sex), "anatom_site": patient_site(site)}
    if tables and any(value is not None for value in patient.values()):
        raise CutisError("--age, --sex and --site go with single images", fix="A manifest has columns for them.")
    if subset and not tables:
        raise CutisError("--subset goes with manifests", fix="Name the images that you mean.")
    if biopsy and node is None:
        raise CutisError("--biopsy needs --node: what the biopsy is to confirm or rule out", fix="Add e.g. --node mel.")

    from cutis.explanation import check_explanation_target, explanation_methods
    from cutis.report import SITE_METHODS

    asked = method or ["gradcam"]
    methods = explanation_methods([*asked, *(SITE_METHODS if biopsy else ())])
    check_explanation_target(output)

    from cutis.cli.progress import progress_bar
    from cutis.explanation import explain_images, explained_target
    from cutis.report import write_explanations

    bundle = _bundle(bundle_folder)
    if node is not None:
        explained_target(bundle.classes, node)  # refused before the images are read
    manifest, images, predictions = (
        _manifests(bundle, tables, subset) if tables else _photographs(bundle, rest, patient)
    )
    with progress_bar("maps") as bar:
        task = bar.add_task("explaining", total=len(manifest) * len(methods))
        explanations = explain_images(
            bundle,
            manifest,
            methods=[each.name for each in methods],
            node=node,
            images=images,
            predictions=predictions,
            seed=seed,
            progress=lambda done: bar.advance(task, done),
        )
        written = write_explanations(
            explanations,
            output,
            bundle=bundle,
            manifest=manifest,
            predictions=predictions,
            methods=methods,
            sites=biopsy,
            with_maps=maps,
            title=f"{bundle.name} on {_named(rest)}",
            about={
                "Model": bundle.name,
                "Images": f"{_named(rest)}{f', subset “{subset}”' if subset else ''}",
                "Explained": "each image's most probable class" if node is None else node,
                "Network's input": "{} × {} pixels, height × width".format(*bundle.image.inference),
                "Random seed": seed,
            },
        )
    _print(written, methods, json=json)


def _bundle(folder: Path | None) -> "Bundle":
    from cutis.models import load_bundle

    if folder and (folder / "bundle.json").exists() and not (folder / "model.safetensors").exists():
        raise BundleError(
            "has no weights for torch (model.safetensors), and maps need them: ONNX Runtime gives no gradients",
            where=str(folder),
            fix="Copy the whole bundle.",
        )
    return load_bundle(folder)


def _manifests(
    bundle: "Bundle", tables: list[Path], subset: str | None
) -> "tuple[pl.DataFrame, DecodedImages, Predictions]":
    from cutis.cli.progress import progress_bar
    from cutis.data import decode_images, image_paths, read_manifest
    from cutis.models import predict_manifest

    manifest = read_manifest(*tables)
    if subset is not None:
        manifest = manifest.filter(subset=subset)
        if manifest.is_empty():
            raise CutisError(f"no row is in the subset '{subset}'", where=str(tables[0]), fix="Name another, or none.")
    form = *bundle.image.decoded, bundle.image.aspect
    masks = manifest["mask_path"].drop_nulls().to_list()
    with progress_bar() as bar:
        reading = bar.add_task("reading", total=len(manifest) + len(masks))
        images = decode_images(image_paths(manifest), *form, progress=lambda done: bar.advance(reading, done))
        decode_images(masks, *form, progress=lambda done: bar.advance(reading, done))  # bad ones are told before work
        task = bar.add_task("predicting", total=len(manifest))
        predictions = predict_manifest(bundle, manifest, progress=lambda done: bar.advance(task, done))
    return manifest, images, predictions


def _photographs(
    bundle: "Bundle", paths: list[Path], patient: "Mapping[str, object]"
) -> "tuple[pl.DataFrame, Sequence[Pixels], Predictions]":
    """Single photographs: nothing of them is cached."""
    from cutis.data import fit_image, manifest_frame, read_image
    from cutis.models import predict_files

    predictions = predict_files(bundle, paths, patient)
    rows = [{"image_id": path.name, "image_path": str(path), **patient} for path in paths]
    images = [fit_image(read_image(path), *bundle.image.decoded, bundle.image.aspect) for path in paths]
    return manifest_frame(rows), images, predictions


def _named(paths: list[Path]) -> str:
    names = [path.name for path in paths]
    return ", ".join(names) if len(names) <= 3 else f"{len(names):,} files"


def _print(written: "WrittenExplanations", methods: "list[Method]", *, json: bool) -> None:
    from rich.console import Console

    if json:
        told: dict[str, object] = {
            "explanations": written.table.to_dicts(),
            "written": [str(each) for each in written.paths],
        }
        if written.sites is not None:
            told["sites"] = written.sites.to_dicts()
        typer.echo(dumps(told, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(written.table, methods))
    listed = written.table.filter("listed")
    for image_id, method, reason in listed.select("image_id", "method", "listed_for").head(10).iter_rows():
        console.print(f"listed: {image_id}, {method}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if len(listed) > 10:
        console.print(f"… and {len(listed) - 10:,} more maps listed", markup=False, highlight=False, soft_wrap=True)
    if written.sites is not None:
        from cutis.explanation import BIOPSY_WARNING

        console.print(f"note: {BIOPSY_WARNING}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        "note: a map shows where the network looked, not why. Research software, not a medical device.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for path in written.paths:
        console.print(f"written: {path}", markup=False, highlight=False, soft_wrap=True)


def _table(table: "pl.DataFrame", methods: "list[Method]") -> "Table":
    """A row a method: where what speaks for the explained diagnosis lies, means over the images."""
    import polars as pl
    from rich.table import Table

    from cutis.evaluation import counted

    shown = Table("method", title=f"{counted(table['image_id'].n_unique(), 'image')} explained", title_justify="left")
    for name in ("on the lesion", "on ink, ruler, hair", "in corners, on border", "images listed"):
        shown.add_column(name, justify="right")
    for method in methods:
        own = table.filter(pl.col("method") == method.name)
        shares = own.select(
            pl.col("on_lesion"),
            marks=pl.col("on_ink") + pl.col("on_ruler") + pl.col("on_hair"),
            edges=pl.col("on_dark_corner") + pl.col("on_border"),
        ).mean()
        cells = ["–" if each is None else f"{each:.0%}" for each in shares.row(0)]
        shown.add_row(method.title, *cells, f"{int(own['listed'].sum()):,}")
    return shown
