"""The verbs `cutis annotate …`: an image library, its pages, its status, and annotations in and out."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cutis.cli.extras import needs_extra
from cutis.cli.listening import LOOPBACK, check_certificate, listening_socket, run_until_stopped, shown_host
from cutis.errors import CutisError

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.annotation import AnnotatorAgreement, Figure, Library, LibraryStatus

annotate_app = typer.Typer(
    name="annotate",
    help="Annotate images in the browser: two annotators, adjudication, every change kept.",
    no_args_is_help=True,
)

_ANNOTATION = "annotation needs"
_ENDS_IN = 10  # seconds that requests in progress have when the server stops

LibraryDir = Annotated[Path, typer.Argument(metavar="LIB", help="A folder that `cutis annotate create` made.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="CUTIS_LIBRARY_DATABASE",
        help="postgresql://USER:PASSWORD@HOST/NAME; or $CUTIS_LIBRARY_DATABASE. Default: the folder's own.",
        show_envvar=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@annotate_app.command("create")
def create(
    manifests: Annotated[list[Path], typer.Argument(metavar="M...", help="One or more manifests (.parquet or .csv).")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="LIB", help="Folder to make.")],
    title: Annotated[str, typer.Option(metavar="TEXT", help="For people. Default: the folder's name.")] = "",
    annotator: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Who annotates; give it twice. Default: A and B.")
    ] = None,
    curator: Annotated[str, typer.Option(metavar="NAME", help="Who adjudicates.")] = "curator",
    blind: Annotated[
        bool, typer.Option("--blind", help="Annotators do not see the manifest's diagnosis, confirmation and box.")
    ] = False,
    iou: Annotated[
        float, typer.Option(metavar="SHARE", help="Boxes agree from this intersection over union on.")
    ] = 0.5,
    database: Database = None,
) -> None:
    """Make a library of all images of a manifest. Every row and image is checked first.

    Take codes, not names of persons: they stand in the history.

    Example: cutis annotate create ham.parquet -o library --annotator R1 --annotator R2 --curator K
    """
    with needs_extra("study", _ANNOTATION):
        from datetime import UTC, datetime

        from cutis.annotation import create_library
        from cutis.cli.progress import progress_bar
        from cutis.data import read_manifest

        manifest = read_manifest(*manifests)
        with progress_bar() as bar:
            task = bar.add_task("images", total=len(manifest))
            count = create_library(
                manifest,
                output,
                datetime.now(UTC),
                title=title or output.resolve().name,
                annotators=annotator or ["A", "B"],
                curator=curator,
                blind=blind,
                iou=iou,
                database=database,
                progress=lambda n: bar.advance(task, n),
            )
    typer.echo(f"library of {count:,} images: {output}")
    typer.echo(f"next: cutis annotate serve {output}")


@annotate_app.command("serve")
def serve(
    folder: LibraryDir,
    *,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen at; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 8000,
    address: Annotated[
        str, typer.Option(metavar="URL", help="By which people reach it, for links: https://library.example.org")
    ] = "",
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For https: certificate chain, PEM. With --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="For https: its private key, PEM.")] = None,
    database: Database = None,
) -> None:
    """Serve a library's pages until Ctrl-C, and print for each person a link that signs in once.

    Who is signed in already stays so. What was acknowledged is on the disk, whatever happens to the server. To be
    reached from other machines it should speak https: behind a proxy, or with --certificate and --key.

    Research software, not a medical device.

    Example: cutis annotate serve library
    """
    check_certificate(certificate, key)
    if address and not address.startswith(("http://", "https://")):
        raise CutisError(f"--address '{address}' begins with neither http:// nor https://", fix="Write it whole.")
    with _opened(folder, database) as library:
        from datetime import UTC, datetime

        from cutis.annotation import invite, list_people
        from cutis.web import create_library_app

        with listening_socket(host, port) as listening:
            scheme = "http" if certificate is None else "https"
            own = address.rstrip("/") or f"{scheme}://{shown_host(host)}:{listening.getsockname()[1]}"
            app = create_library_app(library, address=address)
            typer.echo(f"serving {library.path} at {own}; stop with Ctrl-C")
            if host not in LOOPBACK and not own.startswith("https"):
                typer.echo("note: without https, others in the network can read along; see the guide")
            for each in list_people(library.database):
                token = invite(library.database, each.id, datetime.now(UTC))
                typer.echo(f"{each.role} {each.name}, sign in once at: {own}/enter/{token}")
            run_until_stopped(
                app,
                listening,
                log_level="warning",
                timeout_graceful_shutdown=_ENDS_IN,
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
    typer.echo("stopped; everything that was acknowledged is kept")


@annotate_app.command("status")
def status(folder: LibraryDir, *, database: Database = None, json: Json = False) -> None:
    """Show how far everybody is and how the annotators agree, and check the history. It tells no diagnosis.

    Example: cutis annotate status library
    """
    with _opened(folder, database) as library:
        from cutis.annotation import ChainError, annotator_agreement, library_status, verify

        found = library_status(library)
        agreement = annotator_agreement(library)
        broken, head = None, None
        try:
            head = verify(library).head
        except ChainError as error:
            broken = str(error)
        if json:
            typer.echo(dumps(_status_json(library, found, agreement, head, broken), ensure_ascii=False))
        else:
            _print_status(library, found, agreement)
            if broken is None:
                typer.echo(f"history: whole; last hash {head}")
    if broken is not None:
        raise CutisError(broken)


@annotate_app.command("export")
def export(
    folder: LibraryDir,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="M", help="Manifest to write: .parquet or .csv.")
    ] = None,
    voc: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for Pascal VOC files, one an image.")] = None,
    coco: Annotated[Path | None, typer.Option(metavar="FILE", help="COCO file to write: .json.")] = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Write what is adjudicated, else agreed on; what is neither is left empty and listed.

    Example: cutis annotate export library -o annotated.parquet --voc boxes --coco boxes.json
    """
    if output is None and voc is None and coco is None:
        raise CutisError("nothing is to be written", fix="Name a manifest with -o, or --voc or --coco.")
    with _opened(folder, database) as library:
        from datetime import UTC, datetime

        from cutis.annotation import export_manifest, settled_images, write_coco, write_pascal_voc

        told: dict[str, Any] = {}
        images = settled_images(library)
        states = {name: sum(each.state == name for each in images) for name in ("adjudicated", "agreed")}
        told |= {"images": len(images), **states, "files": []}
        if output is not None:
            exported = export_manifest(library, output)
            told["with_empty"] = exported.with_empty
            told["files"] += [str(exported.manifest), str(exported.left_empty)]
        if voc is not None:
            told["voc_images"] = write_pascal_voc(images, voc)
            told["files"].append(str(voc))
        if coco is not None:
            told["coco_images"] = write_coco(images, coco, datetime.now(UTC), title=library.title)
            told["files"].append(str(coco))
    if json:
        typer.echo(dumps(told, ensure_ascii=False))
        return
    typer.echo(f"{told['images']:,} images: {told['adjudicated']:,} adjudicated, {told['agreed']:,} agreed on")
    if output is not None:
        typer.echo(f"left empty in part or whole: {told['with_empty']:,} images, listed in {exported.left_empty}")
    for name, form in (("voc_images", "Pascal VOC"), ("coco_images", "COCO")):
        if name in told:
            typer.echo(f"{form}: {told[name]:,} images, those whose boxes are settled")
    for path in told["files"]:
        typer.echo(f"written: {path}")


@annotate_app.command("import")
def import_(
    folder: LibraryDir,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Or a folder of Pascal VOC files.")],
    *,
    form: Annotated[Literal["voc", "coco", "label-studio"], typer.Option("--from", help="What wrote the file.")],
    person: Annotated[str, typer.Option("--as", metavar="NAME", help="Whose annotations these are, in the library.")],
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="WORD=NODE", help="What a word means; WORD= for none. Repeat.")
    ] = None,
    words: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Words are those of this data set, such as ham10000.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="PERSON", help="label-studio: only annotations by this number or e-mail.")
    ] = None,
    choices: Annotated[
        str | None, typer.Option(metavar="NAME", help="label-studio: the choices that hold the diagnosis.")
    ] = None,
    from_zero: Annotated[
        bool, typer.Option("--from-zero", help="voc: written by a tool that counts pixels from 0.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Images annotated already get a new version.")] = False,
    database: Database = None,
    json: Json = False,
) -> None:
    """Take annotations from another tool: all of them, or none and the reasons.

    Example: cutis annotate import library project.json --from label-studio --as R1 --by 3

    Example: cutis annotate import library boxes --from voc --as R1 --map mole=nevus
    """
    if form != "label-studio" and (by is not None or choices is not None):
        raise CutisError("--by and --choices are for --from label-studio", fix="Leave them out.")
    if form != "voc" and from_zero:
        raise CutisError("--from-zero is for --from voc", fix="Leave it out.")
    with _opened(folder, database) as library:
        from datetime import UTC, datetime

        from cutis.annotation import import_annotations, read_coco, read_label_studio, read_pascal_voc

        if form == "voc":
            labelled = read_pascal_voc(file, from_zero=from_zero)
        elif form == "coco":
            labelled = read_coco(file)
        else:
            labelled = read_label_studio(file, by=by, choices=choices)
        imported = import_annotations(
            library,
            labelled,
            person,
            datetime.now(UTC),
            origin=file.name,
            words=_meanings(map_ or []),
            data_set=words,
            replace=replace,
        )
    if json:
        typer.echo(dumps(imported._asdict(), ensure_ascii=False))
        return
    for word, node in imported.words.items():
        typer.echo(f"word: {word} = {node or 'no diagnosis'}")
    typer.echo(f"imported as {person}: {imported.images:,} images, {imported.boxes:,} boxes", nl=False)
    typer.echo(f"; unchanged: {imported.unchanged:,}" if imported.unchanged else "")


@contextmanager
def _opened(folder: Path, database: str | None) -> "Iterator[Library]":
    with needs_extra("study", _ANNOTATION):
        from cutis.annotation import opened_library

        with opened_library(folder, database) as library:
            yield library


def _meanings(pairs: list[str]) -> dict[str, str | None]:
    meanings: dict[str, str | None] = {}
    for pair in pairs:
        word, equals, node = pair.rpartition("=")
        if not word or not equals:
            raise CutisError(f"--map {pair} is not WORD=NODE", fix="Write e.g. --map mole=nevus.")
        if word in meanings:
            raise CutisError(f"--map names '{word}' twice", fix="Name it once.")
        meanings[word] = node or None
    return meanings


def _status_json(
    library: "Library", found: "LibraryStatus", agreement: "AnnotatorAgreement", head: str | None, broken: str | None
) -> dict[str, Any]:
    def figure(each: "Figure") -> dict[str, Any]:
        return {name: None if value != value else value for name, value in each._asdict().items()}  # noqa: PLR0124 - NaN

    figures = {name: each for name, each in agreement._asdict().items() if name != "images"}
    return {
        "title": library.title,
        "images": found.images,
        "states": found.states,
        "people": [{"name": each.name, "role": each.role, "images": done} for each, done in found.people],
        "agreement": {"images": agreement.images, **{name: figure(each) for name, each in figures.items()}},
        "history": {"whole": broken is None, "head": head, "broken": broken},
    }


def _print_status(library: "Library", found: "LibraryStatus", agreement: "AnnotatorAgreement") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table("person", "role", title=f"{escape(library.title)}: {found.images:,} images")
    table.add_column("images done", justify="right")
    for each, done in found.people:
        table.add_row(escape(each.name), each.role, f"{done:,}")
    console.print(table)
    typer.echo(", ".join(f"{name} {count:,}" for name, count in found.states.items()))
    if agreement.images:
        console.print(_agreement_table(agreement))


def _agreement_table(agreement: "AnnotatorAgreement") -> "Table":
    from rich.table import Table

    table = Table("agreement", title=f"Both have annotated {agreement.images:,} images; 95 % intervals")
    for name in ("value", "low", "high", "images"):
        table.add_column(name, justify="right")
    for name, each in agreement._asdict().items():
        if name != "images":
            numbers = ("–" if value != value else f"{value:.3f}" for value in each[:3])  # noqa: PLR0124 - NaN
            table.add_row(name.replace("_", " "), *numbers, f"{each.images:,}")
    return table
