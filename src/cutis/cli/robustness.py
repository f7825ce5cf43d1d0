"""``cutis robustness``: what blur, noise, JPEG, colour casts, exposure, zoom, rotation and hair cost a model."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.errors import CutisError, listed

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.evaluation import Estimate, RobustnessResult


def robustness_verb(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] M...", help="A bundle folder if not the built-in model; then manifests (.parquet, .csv)."
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results.")],
    subset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="train, val or test. Default: test if there is one, else all."),
    ] = None,
    corruptions: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which, e.g. blur,jpeg. Default: all eight.")
    ] = None,
    strengths: Annotated[str, typer.Option(metavar="1,3", help="Of 1 (weak) to 5 (strong).")] = "1,2,3,4,5",
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Another model's robustness.json on the same images: for the mCE."),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Only so many, whole lesions drawn at random. Default: all.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap that makes the intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the corruptions, the draw and the bootstrap.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Predict images gone wrong in eight ways at five strengths, and measure what is lost.

    Writes robustness.json and robustness.html to the output folder, every figure to figures/ (SVG, CSV), and keeps the
    predictions in predictions/: run it again after an interruption, and it goes on where it stopped.

    Example: cutis robustness bundle ham_test.parquet -o robust

    Example: cutis robustness ham_test.parquet -o robust --corruptions blur,jpeg --strengths 1,3,5 --images 500
    """
    bundle_folder = inputs[0] if inputs[0].is_dir() else None
    manifests = inputs[1:] if bundle_folder else inputs
    if not manifests:
        raise CutisError("no manifest named", where=str(inputs[0]), fix="Name one after the bundle.")
    chosen_strengths = _strengths(strengths)

    from rich.console import Console

    from cutis.cli.progress import progress_bar
    from cutis.data import CORRUPTIONS, read_manifest
    from cutis.evaluation import draw_cases, evaluate_robustness, read_robustness, write_robustness
    from cutis.models import fastest_bundle, predict_under_corruptions
    from cutis.report import write_robustness_figures, write_robustness_page

    chosen = list(CORRUPTIONS) if corruptions is None else _corruptions(corruptions, list(CORRUPTIONS))
    reference = None if baseline is None else read_robustness(baseline)
    manifest = read_manifest(*manifests)
    rows = draw_cases(manifest, images, subset=subset, seed=seed)
    bundle = fastest_bundle(bundle_folder)
    with progress_bar() as bar:
        task = bar.add_task("predicting", total=len(rows) * (1 + len(chosen) * len(chosen_strengths)))
        clean, corrupted = predict_under_corruptions(
            bundle,
            rows,
            output / "predictions",
            corruptions=chosen,
            strengths=chosen_strengths,
            seed=seed,
            progress=lambda done: bar.advance(task, done),
        )
    result = evaluate_robustness(
        clean,
        corrupted,
        rows,
        model=bundle.name,
        subset=subset,
        baseline=reference,
        resamples=resamples,
        seed=seed,
    )
    paths = [output / "robustness.json", output / "robustness.html"]
    drawn = len(rows) < len(draw_cases(manifest, None, subset=subset))
    about: dict[str, object] = {
        "Model": bundle.name,
        "Manifest": ", ".join(str(path) for path in manifests),
        "Images": f"{len(rows):,}, whole cases drawn at random with seed {seed}" if drawn else "all of the subset",
        "Seed of the corruptions": str(seed),
    }
    write_robustness(result, paths[0])
    title = f"{bundle.name} on {', '.join(path.stem for path in manifests)}"
    write_robustness_page(result, rows, paths[1], title=title, about=about, seed=seed)
    for_a_paper = write_robustness_figures(result, output)
    if json:
        told = {"robustness": result.model_dump(mode="json"), "written": [str(each) for each in [*paths, *for_a_paper]]}
        typer.echo(dumps(told, ensure_ascii=False))
        return
    Console().print(robustness_table(result))
    if drawn:
        typer.echo(f"note: {len(rows):,} images, whole cases drawn at random with seed {seed}.")
    if reference is None:
        typer.echo("note: no corruption error (mCE): it needs another model's robustness.json with --baseline.")
    for warning in result.warnings:
        typer.echo(f"note: {warning}")
    for path in paths:
        typer.echo(f"written: {path}")
    typer.echo(f"written: {len(for_a_paper)} files for a paper in {output / 'figures'}")


def robustness_table(result: "RobustnessResult") -> "Table":
    """What each corruption costs, means over its strengths, for the terminal."""
    from rich.table import Table

    table = Table(title=f"{result.model}, {result.images:,} images", title_justify="left")
    table.add_column("corruption")
    confidence = f"{100 * result.intervals.confidence:g}% interval"
    for name in ("balanced accuracy", "change", confidence, "sensitivity, malignancy", "change", "answers changed"):
        table.add_column(name, justify="right")
    if result.baseline is not None:
        table.add_column("corruption error", justify="right")
    rows = [
        (each.name, each.mean, each.mean_change, each.mean_flipped, each.corruption_error)
        for each in result.corruptions
    ]
    rows.append(("mean", result.mean, result.mean_change, result.mean_flipped, result.mean_corruption_error))
    clean = result.clean
    last = ["–"] if result.baseline is not None else []
    table.add_row("none", _rest(clean.error), "", "", _number(clean.malignant_sensitivity.value), "", "", *last)
    for name, mean, change, flipped, error in rows:
        cells = [_rest(mean.error), *_loss(change.error), _number(mean.malignant_sensitivity.value)]
        cells += [_signed(change.malignant_sensitivity.value), _number(flipped.value)]
        table.add_row(name, *cells, *([_number(error.value)] if result.baseline is not None else []))
    return table


def _corruptions(words: str, known: list[str]) -> list[str]:
    asked = [each.strip() for each in words.split(",") if each.strip()]
    unknown = [each for each in asked if each not in known]
    if unknown or not asked:
        raise CutisError(f"--corruptions does not know {listed(unknown or [words])}", fix=f"Use {', '.join(known)}.")
    return list(dict.fromkeys(asked))


def _strengths(words: str) -> list[int]:
    asked = [each.strip() for each in words.split(",") if each.strip()]
    wrong = [each for each in asked if each not in ("1", "2", "3", "4", "5")]
    if wrong or not asked:
        raise CutisError(f"--strengths does not know {listed(wrong or [words])}", fix="Use 1 to 5, e.g. 1,3,5.")
    return sorted({int(each) for each in asked})


def _rest(error: "Estimate") -> str:
    return _number(None if error.value is None else 1 - error.value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _loss(change: "Estimate") -> tuple[str, str]:
    """A rise of the error as a change of the balanced accuracy, and its interval."""
    if change.value is None:
        return "–", "–"
    if change.low is None or change.high is None:
        return _signed(-change.value), "–"
    return _signed(-change.value), f"{-change.high:+.3f} to {-change.low:+.3f}"
