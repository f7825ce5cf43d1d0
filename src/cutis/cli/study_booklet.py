"""The verbs `cutis study booklet` and `cutis study sheets`: a study on paper, and its answers read back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.cli.extras import needs_extra
from cutis.cli.study_folders import STUDIES, Database, StudyDir, StudyId, opened_folder

if TYPE_CHECKING:
    from cutis.study import AnsweredStep, Item, OpenFolder, StudyCase, StudyDesign


def booklet_verb(
    folder: StudyDir,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to make.")],
    readers: Annotated[
        list[str] | None, typer.Option("--reader", metavar="NAME", help="Whose; repeat it. Default: all.")
    ] = None,
    study: StudyId = None,
    database: Database = None,
) -> None:
    """Write a PDF with one case a page, and an answer sheet, for each reader and each period.

    Paper keeps no time: a design with a time limit, in sequence or with heatmaps is read in the browser only. Readers
    of booklets should not also be invited by link.

    Example: cutis study booklet study -o booklets
    """
    with opened_folder(folder, database) as opened:
        from cutis.files import replacing_folder
        from cutis.study import StudyError, check_new_place, kept_outputs, study_home, write_answer_sheet, write_booklet

        check_new_place(output)
        design, cases, items = _allocated(opened, study)
        unknown = [each for each in readers or [] if each not in items]
        if unknown or not items:
            raise StudyError(
                f"there is no reader '{unknown[0]}'" if unknown else "the study has no readers",
                where=str(folder),
                fix="Add readers with `cutis study create --readers`, or in the browser.",
            )
        outputs = kept_outputs(study_home(opened.path, cases))
        written = []
        with needs_extra("study", STUDIES), replacing_folder(output) as temporary:
            for reader in readers or items:
                for period in range(design.periods):
                    name = reader if design.periods == 1 else f"{reader}, part {period + 1}"
                    write_booklet(
                        temporary / f"{name}.pdf",
                        design,
                        items[reader],
                        cases,
                        reader=reader,
                        period=period,
                        ai=outputs,
                    )
                    write_answer_sheet(temporary / f"{name}.csv", design, items[reader], reader=reader, period=period)
                    written += [output / f"{name}.pdf", output / f"{name}.csv"]
    for path in written:
        typer.echo(f"written: {path}")


def sheets_verb(
    folder: StudyDir,
    sheets: Annotated[list[Path], typer.Argument(metavar="SHEET...", help="Filled-in answer sheets of booklets.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="READINGS", help="Readings to write: .csv …")],
    study: StudyId = None,
    positive: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="A diagnosis that counts as positive; repeat it. Default: malignant ones."),
    ] = None,
    database: Database = None,
) -> None:
    """Read answer sheets back, as readings for `cutis study analyze`. Bad rows are told together.

    Example: cutis study sheets study anna.csv ben.csv -o readings.csv
    """
    with opened_folder(folder, database) as opened:
        from cutis.data import read_table
        from cutis.study import StudyError, read_answer_sheet, readings_from_answers, write_readings

        design, cases, items = _allocated(opened, study)
        steps: list[AnsweredStep] = []
        seen: dict[tuple[str, str], Path] = {}
        for sheet in sheets:
            table = read_table(sheet)
            said = {
                (str(reader), str(period))
                for reader, period in (
                    table.select("reader", "period").iter_rows() if {"reader", "period"} <= set(table.columns) else ()
                )
            }
            reader, period = next(iter(said), ("", ""))
            if len(said) != 1 or reader not in items or not period.isdecimal():
                raise StudyError(
                    "is not the sheet of one reader of this study, and of one period",
                    where=str(sheet),
                    fix="Give the sheets that `cutis study booklet` wrote, filled in.",
                )
            if (reader, period) in seen:
                other = seen[reader, period]
                raise StudyError(
                    f"is of the same reader and period as {other}", where=str(sheet), fix="Give each sheet once."
                )
            seen[reader, period] = sheet
            steps += read_answer_sheet(sheet, design, items[reader], reader=reader, period=int(period) - 1)
        readings = readings_from_answers(design, cases, steps, positive=positive)
        write_readings(output, readings)
    unread = sum(each.answer is None for each in steps)
    typer.echo(f"{len(steps):,} cases of {len(sheets)} sheets, {unread:,} without an answer")
    typer.echo(f"written: {output}")


def _allocated(opened: "OpenFolder", study: int | None) -> "tuple[StudyDesign, list[StudyCase], dict[str, list[Item]]]":
    """A study's design and cases, and what each reader who has not withdrawn is shown, by their names."""
    from collections import Counter
    from datetime import UTC, datetime

    from cutis.study import allocate
    from cutis.study.store import progress, study_design

    study_id = opened.study(study).id
    design, cases = study_design(opened.store, study_id), opened.cases(study_id)
    in_group: Counter[str] = Counter()
    items = {}
    for each in progress(opened.store, study_id, datetime.now(UTC)):
        number = in_group[each.group]
        in_group[each.group] += 1
        if each.state != "withdrawn":
            items[each.name] = allocate(design, cases, number, each.group)
    return design, cases, items
