"""The verb `cutis study serve`: readers' and the study nurse's pages."""

import gc
from pathlib import Path
from typing import Annotated

import typer

from cutis.cli.extras import needs_extra
from cutis.cli.listening import LOOPBACK, check_certificate, listening_socket, run_until_stopped, shown_host
from cutis.cli.study_folders import STUDIES, Database, StudyDir
from cutis.errors import CutisError

_ENDS_IN = 10  # seconds that requests in progress have when the server stops


def serve_verb(
    folder: StudyDir,
    *,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen at; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 8000,
    address: Annotated[
        str,
        typer.Option(metavar="URL", help="By which readers reach it, for their links: https://study.example.org"),
    ] = "",
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Where manifests and models for new studies are looked for.")
    ] = Path(),
    new: Annotated[
        bool, typer.Option("--new", help="Begin an empty study folder; make studies in the browser.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For https: certificate chain, PEM. With --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="For https: its private key, PEM.")] = None,
    database: Database = None,
) -> None:
    """Serve the studies of a folder until Ctrl-C, and print an address by which the study nurse signs in, once.

    Cases whose time is up are recorded in the background. What was acknowledged to a reader is on the disk, whatever
    happens to the server. To be reached from other machines it should speak https: behind a proxy, or with
    --certificate and --key.

    Research software, not a medical device.

    Example: cutis study serve study

    Example: cutis study serve study --host 0.0.0.0 --address https://study.example.org --certificate c.pem --key k.pem
    """
    check_certificate(certificate, key)
    if address and not address.startswith(("http://", "https://")):
        raise CutisError(f"--address '{address}' begins with neither http:// nor https://", fix="Write it whole.")
    if not data.is_dir():
        raise CutisError("is no folder", where=str(data), fix="Name one with --data.")
    with needs_extra("study", STUDIES):
        from cutis.study import begin_study_folder, check_new_place, check_pictures, opened_study_folder
        from cutis.web import create_nurse_app

        if new:
            check_new_place(folder)
            folder.mkdir(parents=True, exist_ok=True)
            begin_study_folder(folder, database)
        with opened_study_folder(folder, database, new=new) as opened, listening_socket(host, port) as listening:
            check_pictures(opened)
            scheme = "http" if certificate is None else "https"
            own = address.rstrip("/") or f"{scheme}://{shown_host(host)}:{listening.getsockname()[1]}"
            app = create_nurse_app(
                opened,
                data=data,
                address=address,
                announce=lambda token: typer.echo(f"study nurse, sign in once at: {own}/nurse/enter/{token}"),
            )
            typer.echo(f"serving {opened.path} at {own}; stop with Ctrl-C")
            if host not in LOOPBACK and not (address or own).startswith("https"):
                typer.echo("note: without https, others in the network can read along; see the guide")
            app.state.nurse.announce(app.state.nurse.access.new_token())
            # What was imported stays: to look through all of it again takes a fifth of a second, in which readers wait.
            gc.collect()
            gc.freeze()
            try:
                # Addresses of invitations are secrets: no log of addresses is kept.
                run_until_stopped(
                    app,
                    listening,
                    log_level="warning",
                    timeout_graceful_shutdown=_ENDS_IN,
                    ssl_certfile=certificate,
                    ssl_keyfile=key,
                )
            finally:
                app.state.nurse.making.stop()
    typer.echo("stopped; everything that was acknowledged is kept")
