"""The verb `cutis study serve`: readers' and the study nurse's pages."""

import errno
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer

from cutis.cli.study_folders import Database, StudyDir, study_extra
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
    if (certificate is None) != (key is None):
        raise CutisError("--certificate and --key go together", fix="Name both, or neither.")
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise CutisError("does not exist", where=str(file), fix="Name a PEM file.")
    if address and not address.startswith(("http://", "https://")):
        raise CutisError(f"--address '{address}' begins with neither http:// nor https://", fix="Write it whole.")
    if not data.is_dir():
        raise CutisError("is no folder", where=str(data), fix="Name one with --data.")
    with study_extra():
        import uvicorn

        from cutis.study import begin_study_folder, check_new_place, check_pictures, opened_study_folder
        from cutis.web import create_nurse_app

        if new:
            check_new_place(folder)
            folder.mkdir(parents=True, exist_ok=True)
            begin_study_folder(folder, database)
        with opened_study_folder(folder, database, new=new) as opened, _listening(host, port) as listening:
            check_pictures(opened)
            scheme = "http" if certificate is None else "https"
            own = address.rstrip("/") or f"{scheme}://{_shown(host)}:{listening.getsockname()[1]}"
            app = create_nurse_app(
                opened,
                data=data,
                address=address,
                announce=lambda token: typer.echo(f"study nurse, sign in once at: {own}/nurse/enter/{token}"),
            )
            config = uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,  # addresses of invitations are secrets
                timeout_graceful_shutdown=_ENDS_IN,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                server_header=False,
            )
            typer.echo(f"serving {opened.path} at {own}; stop with Ctrl-C")
            if host not in ("127.0.0.1", "localhost", "::1") and not (address or own).startswith("https"):
                typer.echo("note: without https, others in the network can read along; see the guide")
            app.state.nurse.announce(app.state.nurse.access.new_token())
            # uvicorn raises again the signal that stopped it; a service manager's is then to end as tidily as Ctrl-C.
            before = signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                uvicorn.Server(config).run(sockets=[listening])
            except KeyboardInterrupt:
                pass
            finally:
                signal.signal(signal.SIGTERM, before)
                app.state.nurse.making.stop()
    typer.echo("stopped; everything that was acknowledged is kept")


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens: a port that is taken is told before anything else."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(2048)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise CutisError(
                f"port {port} is taken by another program",
                where=host,
                fix="Name another with --port, or stop that one.",
            ) from error
        if error.errno == errno.EACCES:
            raise CutisError(f"port {port} may not be used", where=host, fix="Name one above 1023.") from error
        raise CutisError(
            f"is no address of this machine ({error.strerror or error})", where=host, fix="Name another with --host."
        ) from error
    return made


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened at
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
