"""The verb `cutis study check`: the check of image quality by somebody who reads no case."""

from pathlib import Path
from typing import Annotated

import typer

from cutis.cli.extras import needs_extra
from cutis.cli.study_create import Ai, Checked, DesignName, Manifest, named_design, planned_study
from cutis.cli.study_folders import STUDIES


def check_verb(
    design: DesignName,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to make.")],
    manifest: Manifest = None,
    ai: Ai = None,
    checked: Checked = None,
) -> None:
    """Write the cases under codes, with a sheet, for a person who is no reader to say which images are unfit.

    In sheet.csv they write yes or no under 'fit', and a reason beside each no. With --checked, only the images that
    stand in for unfit ones are written; when there are none, all are checked, and `cutis study create --checked` makes
    the study.

    Example: cutis study check design.toml -o check1

    Example: cutis study check design.toml --checked check1/sheet.csv -o check2
    """
    with needs_extra("study", STUDIES):
        from cutis.study import check_new_place, unfit_images, write_image_check

    check_new_place(output)
    chosen = named_design(design, manifest, ai)
    planned, marks = planned_study(chosen, checked or [])
    unfit = unfit_images(marks)
    if checked:
        typer.echo(f"{len(marks)} images checked, {len(unfit)} unfit")
        for image_id in unfit:
            typer.echo(f"unfit: {image_id}: {marks[image_id].reason}")
    written = write_image_check(output, chosen, planned.cases, marks)
    if written:
        typer.echo(f"{len(written)} images to be checked")
        typer.echo(f"written: {output / 'sheet.csv'}")
        typer.echo(f"written: {output / 'images'}")
    else:
        sheets = " ".join(f"--checked {each}" for each in checked or [])
        typer.echo("all cases are checked")
        typer.echo(f"next: cutis study create {design} {sheets} -o STUDY_DIR")
