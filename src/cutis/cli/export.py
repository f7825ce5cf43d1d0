"""``cutis export``: a bundle's network for ONNX Runtime in several precisions, each measured beside torch."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.errors import BundleError, CutisError, listed

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.models import Export, Precision


def export_verb(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="[BUNDLE]", help="A bundle folder. Default: the built-in model.")
    ] = None,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write; a bundle itself.")],
    on: Annotated[
        Path,
        typer.Option(
            "--on", metavar="MANIFEST", help="With the images the model was validated on; the others are passed over."
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="onnx.")] = "onnx",
    precision: Annotated[
        str, typer.Option("--precision", metavar="A,B", help="Of fp32, fp16 and int8.")
    ] = "fp32,fp16,int8",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="MANIFEST",
            help="Training images alone, for int8. Default: the training images of --on.",
        ),
    ] = None,
    serve: Annotated[
        str | None, typer.Option("--serve", metavar="P", help="Which precision answers from DIR from now on.")
    ] = None,
    limit: Annotated[
        float,
        typer.Option("--limit", min=0, max=1, help="Largest difference of a probability that what serves may have."),
    ] = 0.1,
    serve_despite: Annotated[
        bool, typer.Option("--serve-despite-differences", help="Serve it though it differs more, or answers worse.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Of the timed network. Default: one a core.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print export.json instead of the table.")] = False,
) -> None:
    """Write a bundle with its network in several precisions, and what each gives away and gains.

    DIR is a bundle like any other. What answers from it stays as it was unless --serve names a precision; one that
    differs from torch by more than --limit, or whose balanced accuracy is below the interval of fp32, is refused.

    Example: cutis export bundle --on ham.parquet -o exported

    Example: cutis export bundle --on ham.parquet -o exported --precision fp32,int8 --serve int8
    """
    if to != "onnx":
        raise CutisError(f"--to does not know {to}", fix="Use onnx.")

    from rich.console import Console

    from cutis.cli.progress import progress_bar, stages
    from cutis.data import read_manifest
    from cutis.models import PRECISIONS, export_onnx

    chosen = _precisions(precision, PRECISIONS, "--precision")
    serving = None if serve is None else _precisions(serve, PRECISIONS, "--serve")
    if serving is not None and len(serving) > 1:
        raise CutisError("--serve takes one precision", fix=f"Use one of {', '.join(PRECISIONS)}.")
    with progress_bar() as bar:
        made = export_onnx(
            bundle,
            output,
            read_manifest(on),
            precisions=chosen,
            calibrate_on=None if calibrate is None else read_manifest(calibrate),
            serve=None if serving is None else serving[0],
            limit=limit,
            despite=serve_despite,
            threads=threads,
            progress=stages(bar),
        )
    if json:
        typer.echo(dumps(made.model_dump(mode="json"), ensure_ascii=False))
    else:
        Console().print(export_table(made))
        torchs, timing = made.balanced_accuracy, made.precisions[0].timings[0]
        interval = f"{_number(torchs.low)} to {_number(torchs.high)}"
        typer.echo(f"torch: balanced accuracy {_number(torchs.value)}, 95% interval {interval}")
        typer.echo(f"times: median of {timing.images} single images, {timing.threads} threads, {made.machine}")
        serves = "no file serves: torch answers" if made.serves == "torch" else f"serves: {made.serves}"
        typer.echo(serves)
        for reason in made.served_despite:
            typer.echo(f"note: it serves although {reason}.")
        for name in ("export.json", "EXPORT.md"):
            typer.echo(f"written: {output / name}")
    if made.not_served:
        raise BundleError(
            f"{serve} does not serve: {' and '.join(made.not_served)}",
            where=str(output),
            fix="The export without it is there; --serve-despite-differences would overrule this.",
        )


def export_table(export: "Export") -> "Table":
    """Each precision's figures for the terminal; times are of one image with the model's views, and with one view."""
    from rich.table import Table

    table = Table(title=f"{export.model}, {export.images:,} validation images", title_justify="left")
    table.add_column("")
    views = [each.views for each in export.precisions[0].timings]
    times = [f"ms, {each} view{'s' if each > 1 else ''}" for each in views]
    for name in ("largest difference", "same diagnosis", "balanced accuracy", "MB", *times):
        table.add_column(name, justify="right")
    for each in export.precisions:
        table.add_row(
            each.precision,
            f"{each.largest_difference:.6f}",
            f"{100 * each.same_first_diagnosis:.1f}%",
            _number(each.balanced_accuracy.value),
            f"{each.bytes / 1e6:.1f}",
            *[f"{timing.p50:.1f}" for timing in each.timings],
        )
    return table


def _precisions(words: str, known: "tuple[Precision, ...]", option: str) -> "list[Precision]":
    asked = [each.strip() for each in words.split(",") if each.strip()]
    unknown = [each for each in asked if each not in known]
    if unknown or not asked:
        raise CutisError(f"{option} does not know {listed(unknown or [words])}", fix=f"Use {', '.join(known)}.")
    return [each for each in known if each in asked]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
