"""A server on this machine: its socket, the address to print, and a tidy end."""

import errno
import signal
import socket
from pathlib import Path
from typing import Any

from cutis.errors import CutisError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that only this machine reaches."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens: a port that is taken is told before anything else.

    Raises:
        CutisError: the port is taken or not allowed, or the host is no address of this machine.
    """
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


def shown_host(host: str) -> str:
    """A host as it stands in an address; this machine's name where it listens at all of its addresses."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened at
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """Check the options for https.

    Raises:
        CutisError: one is named without the other, or a file does not exist.
    """
    if (certificate is None) != (key is None):
        raise CutisError("--certificate and --key go together", fix="Name both, or neither.")
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise CutisError("does not exist", where=str(file), fix="Name a PEM file.")


def run_until_stopped(app: Any, listening: socket.socket, **options: Any) -> None:
    """Serve an app until Ctrl-C or a service manager's signal; what runs is finished.

    Args:
        app: an ASGI app.
        listening: where.
        options: of ``uvicorn.Config``.
    """
    import uvicorn

    config = uvicorn.Config(app, access_log=False, server_header=False, ws="none", **options)
    # uvicorn raises again the signal that stopped it; a service manager's is then to end as tidily as Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
