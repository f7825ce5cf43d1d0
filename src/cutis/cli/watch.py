"""The verb `cutis watch`: photographs dropped into a folder are answered."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutis.cli.extras import needs_extra
from cutis.errors import BundleError, CutisError

if TYPE_CHECKING:
    from cutis.models import OnnxBundle


def watch_verb(
    inbox: Annotated[Path, typer.Argument(metavar="IN", help="The folder to watch.")],
    bundle_folder: Annotated[
        Path | None, typer.Argument(metavar="[BUNDLE]", help="A bundle folder if not the built-in model.")
    ] = None,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Folder for the results.")],
    form: Annotated[
        Literal["json", "fhir", "dicom"], typer.Option("--format", help="What is written for each photograph.")
    ] = "json",
    release: Annotated[Literal["R4", "R5"], typer.Option("--release", help="Of FHIR.")] = "R4",
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks.")] = 1.0,
    settled_after: Annotated[
        float, typer.Option("--settled-after", min=0, help="Seconds a file must not change before it is read.")
    ] = 2.0,
    frame: Annotated[int | None, typer.Option("--frame", min=1, help="Of DICOM images with several.")] = None,
    leave: Annotated[bool, typer.Option("--leave", help="Leave photographs where they are, not in done/.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Answer what is there, then end.")] = False,
    deidentify: Annotated[
        bool, typer.Option("--deidentify", help="Write no identity: new UIDs, and no file name in the results.")
    ] = False,
) -> None:
    """Answer photographs that are dropped into a folder: JPEG, PNG, WebP or DICOM.

    Each is moved to IN/done once its result is written, or to IN/failed with a line why. It can be killed and started
    again at any time. The folder is looked through at intervals, so it may be a network share. The log on standard
    error names files by a hash only.

    Research software, not a medical device: no answer replaces a doctor's.

    Example: cutis watch /srv/inbox -o /srv/results --format fhir
    """
    import logging
    import signal
    import threading
    import warnings

    from cutis.clinic import photograph_results, watch_folder
    from cutis.taxonomy import read_risk_rule

    if form == "dicom":
        with needs_extra("dicom", "DICOM needs"):
            from cutis.clinic import dicom_report  # noqa: F401 - only whether it can be had, before anything is taken
    bundle, rule = _bundle(bundle_folder), read_risk_rule()
    secret = _secret(inbox) if deidentify else None
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    warnings.simplefilter("ignore")  # pydicom's quote values of elements, and these may name a patient
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)

    def log(line: str) -> None:
        typer.echo(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}", err=True)

    log(f"watching, with {bundle.name}")
    done = watch_folder(
        inbox,
        output,
        lambda content, name: photograph_results(
            content, name, bundle, rule, form=form, release=release, frame=frame, secret=secret
        ),
        every=every,
        settled_after=settled_after,
        leave=leave,
        once=once,
        stop=stop,
        log=log,
    )
    typer.echo(f"answered: {done.answered:,}; failed: {done.failed:,}")


def _bundle(folder: Path | None) -> "OnnxBundle":
    from cutis.models import default_bundle_folder, load_onnx_bundle

    bundle = load_onnx_bundle(folder or default_bundle_folder())
    if bundle is None:
        raise BundleError("holds no model.onnx", where=str(folder), fix="Add it with cutis.models.add_onnx.")
    return bundle


def _secret(inbox: Path) -> bytes:
    """The watched folder's own secret for new UIDs, kept so that a restart makes the same ones."""
    import secrets

    path = inbox / ".cutis-watch.key"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise CutisError(
            f"cannot be written ({error.strerror or error})", where=str(path), fix="Give the right to write there."
        ) from error
    return path.read_bytes()
