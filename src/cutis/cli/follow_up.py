"""The verbs `cutis follow-up …`: makes the folder, invites, bars, exports, erases and checks the history."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutis.cli.extras import needs_extra
from cutis.errors import CutisError

if TYPE_CHECKING:
    from cutis.follow_up import Store

follow_up_app = typer.Typer(
    name="follow-up",
    help="Follow lesions over time: the folder that `cutis serve --follow-up` serves.",
    no_args_is_help=True,
)

_FOLLOW_UP = "the follow-up needs"

FollowUpDir = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that `cutis follow-up create` made.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="CUTIS_FOLLOW_UP_DATABASE",
        help="postgresql://USER:PASSWORD@HOST/NAME; or $CUTIS_FOLLOW_UP_DATABASE. Default: the folder's own.",
        show_envvar=False,
    ),
]
Address = Annotated[str, typer.Option(metavar="URL", help="By which people reach the server: https://skin.example.org")]


@follow_up_app.command("create")
def create(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="To make; it must not hold anything.")],
    *,
    title: Annotated[str, typer.Option(metavar="TEXT", help="For people. Default: the folder's name.")] = "",
    curator: Annotated[str, typer.Option(metavar="CODE", help="Who invites others and erases.")] = "curator",
    database: Database = None,
) -> None:
    """Make an empty follow-up. Photographs and all that is said of patients lie in its database.

    Take codes, not names of persons: they stand in the history.

    Research software, not a medical device.

    Example: cutis follow-up create moles --title "Mole clinic" --curator K1
    """
    with needs_extra("study", _FOLLOW_UP):
        from datetime import UTC, datetime

        from cutis.follow_up import create_store

        create_store(
            folder, datetime.now(UTC), title=title or folder.resolve().name, curator=curator, database=database
        )
    typer.echo(f"follow-up: {folder}")
    typer.echo(f"next: cutis follow-up invite {folder} {curator}; cutis serve --follow-up {folder}")


@follow_up_app.command("invite")
def invite_verb(
    folder: FollowUpDir,
    name: Annotated[str, typer.Argument(metavar="CODE", help="Of somebody new, or of somebody known already.")],
    *,
    role: Annotated[
        Literal["clinician", "curator"] | None, typer.Option(help="Of somebody new; clinician if not said.")
    ] = None,
    address: Address = "http://127.0.0.1:8000",
    database: Database = None,
) -> None:
    """Print a link that signs somebody in once, within 7 days. It voids one that was not used yet.

    Example: cutis follow-up invite moles R2 --address https://skin.example.org
    """
    if not address.startswith(("http://", "https://")):
        raise CutisError(f"--address '{address}' begins with neither http:// nor https://", fix="Write it whole.")
    with _opened(folder, database) as store:
        from datetime import UTC, datetime

        from cutis.follow_up import invite

        token = invite(store, name, datetime.now(UTC), role=role)
    typer.echo(f"{name}, sign in once at: {address.rstrip('/')}/follow-up/enter/{token}")


@follow_up_app.command("bar")
def bar_verb(
    folder: FollowUpDir,
    name: Annotated[str, typer.Argument(metavar="CODE")],
    *,
    database: Database = None,
) -> None:
    """End somebody's access at once and for good.

    Example: cutis follow-up bar moles R2
    """
    with _opened(folder, database) as store:
        from datetime import UTC, datetime

        from cutis.follow_up import bar

        bar(store, name, datetime.now(UTC))
    typer.echo(f"barred: {name}")


@follow_up_app.command("export")
def export_verb(
    folder: FollowUpDir,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="A .zip file; a folder to make.")],
    patient: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="One patient's whole record, for the patient.")
    ] = None,
    research: Annotated[
        bool, typer.Option("--research", help="A manifest with photographs of all who have agreed to research.")
    ] = False,
    database: Database = None,
) -> None:
    """Write a patient's whole record, or a manifest for research. Either is noted in the history.

    Example: cutis follow-up export moles --patient P-0017 -o P-0017.zip

    Example: cutis follow-up export moles --research -o moles_2026
    """
    if (patient is None) != research:
        raise CutisError("say what to export", fix="Name one of --patient NUMBER and --research.")
    with _opened(folder, database) as store:
        from datetime import UTC, datetime

        from cutis.follow_up import export_manifest, export_patient

        if patient is not None:
            size = export_patient(store, _patient(store, patient), output, datetime.now(UTC))
            typer.echo(f"written: {output} ({size / 1e6:.1f} MB)")
            return
        made = export_manifest(store, output, datetime.now(UTC))
    typer.echo(
        f"written: {made.manifest}: {made.photographs:,} photographs of {made.lesions:,} lesions of {made.patients:,} "
        f"patients; {made.left_out:,} patients have not agreed"
    )
    typer.echo("note: days and ages are in it; treat it as patients' data")


@follow_up_app.command("erase")
def erase_verb(
    folder: FollowUpDir,
    *,
    patient: Annotated[str | None, typer.Option(metavar="NUMBER", help="Whom to erase.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Erase what an older back-up brought back, and clear traces.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Database = None,
) -> None:
    """Erase a patient for good: rows, photographs and the database's traces of them. Back-ups are not reached.

    Example: cutis follow-up erase moles --patient P-0017
    """
    if (patient is None) != again:
        raise CutisError("say what to erase", fix="Name one of --patient NUMBER and --again.")
    with _opened(folder, database) as store:
        from datetime import UTC, datetime

        from cutis.follow_up import erase, erase_again

        if patient is not None:
            uid = _patient(store, patient)
            if not yes:
                typer.confirm(f"Erase patient {patient} for good?", abort=True)
            erased = [erase(store, uid, datetime.now(UTC))]
        else:
            erased = erase_again(store, datetime.now(UTC))
    counts = [sum(each[k] for each in erased) for k in range(3)]
    typer.echo(f"erased: {counts[0]} patients, {counts[1]} lesions, {counts[2]} photographs")
    typer.echo(f"note: back-ups still hold what was erased; keep {folder / 'erased.txt'} apart from them")


@follow_up_app.command("verify")
def verify_verb(folder: FollowUpDir, *, database: Database = None) -> None:
    """Check the whole history, and that records, photographs and answers are those it tells of.

    Example: cutis follow-up verify moles
    """
    with _opened(folder, database) as store:
        from cutis.follow_up import come_back, list_people, verify

        found = verify(store)
        people = list_people(store)
        back = come_back(store)
    for each in people:
        typer.echo(f"{each.role} {each.name}: {'barred' if each.barred else f'signed in in {each.browsers} browsers'}")
    typer.echo(f"{found.patients:,} patients, {found.photographs:,} photographs; {found.erased:,} records were erased")
    typer.echo(f"history: whole, {found.events:,} events; last hash {found.head}")
    if back:
        raise CutisError(
            f"{len(back)} records that were erased are here again: an older back-up was put back",
            where=str(folder),
            fix=f"Run: cutis follow-up erase {folder} --again",
        )


def _patient(store: "Store", number: str) -> str:
    from cutis.follow_up import find_patients

    found = [each for each in find_patients(store, number)[0] if each.number.casefold() == number.casefold()]
    if not found:
        raise CutisError(f"there is no patient '{number}'", where=str(store.path), fix="Look on the page.")
    return found[0].uid


@contextmanager
def _opened(folder: Path, database: str | None) -> "Iterator[Store]":
    with needs_extra("study", _FOLLOW_UP):
        from cutis.follow_up import opened_store

        with opened_store(folder, database) as store:
            yield store
