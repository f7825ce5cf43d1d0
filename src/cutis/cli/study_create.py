"""The verbs `cutis study design` and `cutis study create`: from a design to a study folder."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.cli.extras import needs_extra
from cutis.cli.study_folders import STUDIES, Database
from cutis.errors import CutisError

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table

    from cutis.study import Mark, PlannedStudy, StudyDesign

DesignName = Annotated[str, typer.Argument(metavar="DESIGN", help="A .toml file, or the name of a ready design.")]
Manifest = Annotated[
    Path | None, typer.Option("--manifest", metavar="MANIFEST", help="Take the cases from here, not the design's.")
]
Ai = Annotated[
    str | None,
    typer.Option("--ai", metavar="AI", help="A bundle, a table of predictions, or built-in; not the design's."),
]
Checked = Annotated[
    list[Path] | None,
    typer.Option("--checked", metavar="SHEET", help="Filled-in sheets of `cutis study check`, in their order."),
]


def design_verb(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which to print, as TOML.")] = None,
) -> None:
    """List the designs that come with cutis, or print one, to be saved beside a manifest and changed.

    Example: cutis study design lucius2020 > design.toml
    """
    from cutis.study import design_names, parse_design, shipped_design

    if name is not None:
        typer.echo(shipped_design(name), nl=False)
        return
    import tomllib

    for each in design_names():
        design = parse_design(tomllib.loads(shipped_design(each)))
        typer.echo(f"{each}: {design.title}; {design.number_of_cases} cases")


def create_verb(
    design: DesignName,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="STUDY_DIR", help="Folder to make.")],
    manifest: Manifest = None,
    ai: Ai = None,
    readers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Readers to add: a table with the columns name and group.")
    ] = None,
    checked: Checked = None,
    database: Database = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Make a study: choose its cases, write their pictures, ask the AI, and keep all of it in a new folder.

    Where cases are short, every shortage is told and nothing is made. The folder holds the truth of every case: keep
    it from readers. `cutis study serve` then runs the study.

    Example: cutis study create design.toml -o study --readers readers.csv

    Example: cutis study create zhao2019 --manifest ham.parquet -o study
    """
    with needs_extra("study", STUDIES):
        from cutis.cli.progress import progress_bar, stages
        from cutis.files import replacing_folder
        from cutis.study import begin_study_folder, check_new_place, make_study, opened_study_folder
        from cutis.study.store import add_readers, list_studies

        check_new_place(output)
        added = [] if readers is None else _readers(readers)
        planned, marks = planned_study(named_design(design, manifest, ai), checked or [])
        if checked:
            _all_checked(planned, marks, checked[-1])
        with replacing_folder(output) as folder:
            begin_study_folder(folder, database)
            with opened_study_folder(folder, database, new=True) as opened:
                if list_studies(opened.store):
                    raise CutisError(
                        "the database holds studies already, of another folder",
                        where=opened.store.name,
                        fix="Name an empty database; further studies of that folder are made in the browser.",
                    )
                with progress_bar() as bar:
                    study = make_study(opened.store, opened.path, planned, _now(), stage=stages(bar))
                add_readers(opened.store, study, added, _now())
        output.chmod(0o700)  # the truth of every case is in it
    if json:
        told = {
            "study": study,
            "cases": [each.image_id for each in planned.cases if each.part == "main"],
            "training_cases": [each.image_id for each in planned.cases if each.part == "training"],
            "notes": planned.notes,
            "readers": len(added),
            "written": [str(output)],
        }
        typer.echo(dumps(told, ensure_ascii=False))
        return
    from rich.console import Console

    Console().print(cases_table(planned))
    for note in planned.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"readers: {len(added)}")
    typer.echo(f"written: {output}")
    typer.echo(f"next: cutis study serve {output}")


def planned_study(design: "StudyDesign", sheets: list[Path]) -> "tuple[PlannedStudy, dict[str, Mark]]":
    """The cases of a design, without those that filled-in sheets of the image check refuse; and all marks."""
    from cutis.study import plan_study, read_image_check, unfit_images

    planned = plan_study(design)
    known = {each.image_id: each for each in planned.cases}
    marks: dict[str, Mark] = {}
    for sheet in sheets:
        marks |= read_image_check(sheet, design, list(known.values()))
        planned = plan_study(design, unfit=unfit_images(marks))
        known |= {each.image_id: each for each in planned.cases}
    return planned, marks


def _all_checked(planned: "PlannedStudy", marks: "dict[str, Mark]", sheet: Path) -> None:
    from cutis.study import StudyError

    unchecked = [each for each in planned.cases if each.image_id not in marks]
    if unchecked:
        raise StudyError(
            f"{len(unchecked)} cases were not checked, which stand in for unfit ones",
            where=str(sheet),
            fix="Write the next sheet with `cutis study check`, and name it too.",
        )


def named_design(name: str, manifest: Path | None, ai: str | None) -> "StudyDesign":
    """A design by its file or its name; a ready design's paths are beside the folder one is in."""
    import tomllib

    from cutis.study import BUILT_IN, StudyError, design_names, parse_design, read_design, shipped_design

    if name in design_names() and not Path(name).exists():
        fields = tomllib.loads(shipped_design(name))
        if "ai" in fields and ai is None:
            ai = fields["ai"]
        if manifest is None:
            manifest = Path(fields["manifest"])
            if not manifest.exists():
                raise StudyError(
                    f"the ready design '{name}' needs cases of yours, and here is no {manifest}",
                    fix="Say where they are: --manifest MANIFEST",
                )
        design = parse_design(fields, name)
    elif Path(name).suffix or Path(name).exists():
        design = read_design(name)
    else:
        raise StudyError(
            f"no file and no ready design is called '{name}'", fix=f"Ready are {', '.join(design_names())}."
        )
    told: dict[str, str] = {}
    if manifest is not None:
        told["manifest"] = str(manifest.resolve())
    if ai is not None:
        told["ai"] = ai if ai == BUILT_IN else str(Path(ai).resolve())
    return parse_design({**design.model_dump(exclude_none=True), **told}, name)


def cases_table(planned: "PlannedStudy") -> "Table":
    """How many cases of each diagnosis, for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    from cutis.study import strata_in_words

    table = Table("diagnosis", title=escape(planned.design.title), title_justify="left")
    table.add_column("cases", justify="right")
    table.add_column("for training", justify="right")
    for (diagnosis, _, _), (main, training) in zip(strata_in_words(planned.design), planned.found(), strict=True):
        table.add_row(escape(diagnosis), str(main), str(training))
    return table


def _readers(path: Path) -> list[tuple[str, str]]:
    from cutis.data import read_table
    from cutis.study import StudyError

    table = read_table(path)
    missing = [each for each in ("name", "group") if each not in table.columns]
    if missing:
        raise StudyError(
            f"column '{missing[0]}' is missing", where=str(path), fix="Give the columns name and group, a row a reader."
        )
    return [
        (("" if name is None else str(name)).strip(), ("" if group is None else str(group)).strip())
        for name, group in table.select("name", "group").iter_rows()
    ]


def _now() -> "datetime":
    from datetime import UTC, datetime

    return datetime.now(UTC)
