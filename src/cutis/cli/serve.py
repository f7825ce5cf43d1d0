"""The verb `cutis serve`: the clinic's page and the API; and `cutis serve keys`: who may use the API."""

import logging
import ssl
import sys
import warnings
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from cutis.cli.extras import needs_extra
from cutis.cli.listening import LOOPBACK, check_certificate, listening_socket, run_until_stopped, shown_host
from cutis.errors import BundleError, CutisError

if TYPE_CHECKING:
    from cutis.models import OnnxBundle

_SERVER = "the server needs"
_ENDS_IN = 35  # seconds that requests in progress have when the server stops; an answer takes 30 at most
_MOST_CONNECTIONS = 500


class _ServeOrKeys(TyperGroup):
    """`cutis serve [BUNDLE]` beside `cutis serve keys …`; a bundle in a folder called keys is ./keys."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args[:1] == ["keys"] else ["run", *args])


class _Serve(TyperCommand):
    """Called `cutis serve`, not `cutis serve run`."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        above = parent.parent if parent is not None else None
        return super().make_context(parent.info_name if parent is not None else info_name, args, parent=above, **extra)


serve_app = typer.Typer(name="serve", cls=_ServeOrKeys, help="Serve the clinic's page and the API.")
keys_app = typer.Typer(
    name="keys",
    help="API keys: make, list, revoke. A running server minds a change at once.",
    no_args_is_help=True,
)
serve_app.add_typer(keys_app)

KeysFile = Annotated[Path, typer.Option("--keys", metavar="FILE", help="The file with the keys' hashes.")]


@serve_app.command("run", cls=_Serve)
def serve_verb(
    context: typer.Context,
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="A bundle folder if not the built-in model.")
    ] = None,
    *,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen at; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 8000,
    address: Annotated[
        str,
        typer.Option(metavar="URL", help="By which others reach it, e.g. through a proxy: https://skin.example.org"),
    ] = "",
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help="API keys, made by `cutis serve keys add`.")] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Let anybody in the network use the API.")
    ] = False,
    cases: Annotated[
        Path | None,
        typer.Option(metavar="MAP", help="Show similar cases of known diagnosis: a map that `cutis embed` wrote."),
    ] = None,
    follow_up: Annotated[
        Path | None,
        typer.Option(
            "--follow-up", metavar="FOLDER", help="Also keep lesions over time: a folder of `cutis follow-up create`."
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="CUTIS_FOLLOW_UP_DATABASE",
            help="Of the follow-up, with its password. Default: the folder's own.",
            show_envvar=False,
        ),
    ] = None,
    risk: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Costs, grades and advice of your own, as in risk.toml.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For https: certificate chain, PEM. With --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="For https: its private key, PEM.")] = None,
    log: Annotated[str, typer.Option(metavar="FILE", help="A JSON line for each request; - for standard error.")] = "",
    audit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A JSON line for each answer: when, which model, whose key.")
    ] = None,
) -> None:
    """Serve the clinic's page and the API until Ctrl-C.

    No photograph, and no word about a patient, is kept, logged or sent on, but for what people who signed in
    keep on the pages of --follow-up. With --cases, whoever may use the page may
    see the photographs of that map, small. Without --keys the server listens at
    127.0.0.1 alone, unless --without-keys is said too. To be reached from other machines it should speak https:
    behind a proxy, or with --certificate and --key.

    `cutis serve keys` makes, lists and revokes API keys.

    Research software, not a medical device.

    Example: cutis serve

    Example: cutis serve bundle --host 0.0.0.0 --keys keys.json --certificate c.pem --key k.pem --audit audit.jsonl
    """
    check_certificate(certificate, key)
    if address and not address.startswith(("http://", "https://")):
        raise CutisError(f"--address '{address}' begins with neither http:// nor https://", fix="Write it whole.")
    if database and follow_up is None and _typed(context, "database"):
        raise CutisError("--database is of the follow-up, which is not asked for", fix="Name it with --follow-up.")
    if keys is not None and without_keys:
        raise CutisError("--keys and --without-keys exclude each other", fix="Choose one.")
    if follow_up is not None and host not in LOOPBACK and certificate is None and not address.startswith("https://"):
        raise CutisError(
            f"at {host} without https others in the network could read what is kept of patients",
            fix="Name --certificate and --key, or the proxy's https address with --address.",
        )
    if host not in LOOPBACK and keys is None and not without_keys:
        raise CutisError(
            f"at {host} anybody in the network could use the API",
            fix="Name a file of keys with --keys (see `cutis serve keys add`), or say --without-keys.",
        )
    with needs_extra("web", _SERVER), ExitStack() as opened:
        from cutis.taxonomy import read_risk_rule
        from cutis.web import AuditLog, KeyFile, create_clinic_app

        rule = read_risk_rule(risk)
        known = None if keys is None else KeyFile(keys)
        if known is not None and not any(each.revoked is None for each in known.known()):
            raise CutisError("holds no key in use", where=str(keys), fix="Make one: cutis serve keys add NAME")
        listening = opened.enter_context(listening_socket(host, port))
        model = _onnx_bundle(bundle)
        noted = None
        if audit is not None:
            sha256 = str(model.about["weights_sha256"])
            noted = opened.enter_context(closing(AuditLog(audit, model=model.name, sha256=sha256)))
        pages = None
        if follow_up is not None:
            with needs_extra("study", "the follow-up needs"):
                from cutis.follow_up import opened_store
                from cutis.web import follow_up_router

                pages = follow_up_router(opened.enter_context(opened_store(follow_up, database)), address=address)
        similar = None
        if cases is not None:
            from cutis.web import SimilarCases

            similar = SimilarCases(model, cases)
        app = create_clinic_app(
            model,
            rule=rule,
            folder=bundle,
            keys=known,
            audit=noted,
            cases=similar,
            follow_up=pages,
            hosts=_hosts(host, address),
        )
        scheme = "http" if certificate is None else "https"
        own = address.rstrip("/") or f"{scheme}://{shown_host(host)}:{listening.getsockname()[1]}"
        secured: dict[str, Any] = {}
        if certificate is not None:
            _check_pair(certificate, key)
            secured = {"ssl_certfile": certificate, "ssl_keyfile": key}
        _tell(log, opened)
        typer.echo(f"serving {model.name} at {own}; the API is described at {own}/api/docs; stop with Ctrl-C")
        if host not in LOOPBACK and not own.startswith("https"):
            typer.echo("note: without https, others in the network can read along; see the guide")
        run_until_stopped(
            app,
            listening,
            log_config=None,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_ENDS_IN,
            **secured,
        )
    typer.echo("stopped; no photograph was kept" if follow_up is None else "stopped")


@keys_app.command("add")
def add_verb(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of whoever will use it; it stands in the logs.")],
    *,
    keys: KeysFile,
    images_per_minute: Annotated[
        int, typer.Option(metavar="N", min=1, max=1_000_000, help="Photographs that it may send.")
    ] = 600,
) -> None:
    """Make a key and print it, this once: the file holds a salted hash of it alone.

    Example: cutis serve keys add "ward 3" --keys keys.json
    """
    with needs_extra("web", _SERVER):
        from cutis.web import KeyFile

        made = KeyFile(keys).add(name, images_per_minute=images_per_minute)
    typer.echo(made)
    typer.echo("It is shown this once. Send it as: Authorization: Bearer KEY", err=True)


@keys_app.command("list")
def list_verb(*, keys: KeysFile) -> None:
    """List the keys, without the keys themselves.

    Example: cutis serve keys list --keys keys.json
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    with needs_extra("web", _SERVER):
        from cutis.web import KeyFile

        known = KeyFile(keys).known()
    table = Table("name", "id", "photographs a minute", "made", "revoked")
    for each in known:
        revoked = "–" if each.revoked is None else f"{each.revoked:%Y-%m-%d %H:%M}"
        table.add_row(escape(each.name), each.id, f"{each.images_per_minute:,}", f"{each.made:%Y-%m-%d %H:%M}", revoked)
    Console().print(table)


@keys_app.command("revoke")
def revoke_verb(name: Annotated[str, typer.Argument(metavar="NAME")], *, keys: KeysFile) -> None:
    """Accept a key no longer.

    Example: cutis serve keys revoke "ward 3" --keys keys.json
    """
    with needs_extra("web", _SERVER):
        from cutis.web import KeyFile

        KeyFile(keys).revoke(name)
    typer.echo(f"revoked: {name}")


def _onnx_bundle(folder: Path | None) -> "OnnxBundle":
    from cutis.models import default_bundle_folder, load_onnx_bundle

    place = folder or default_bundle_folder()
    found = load_onnx_bundle(place)
    if found is None:
        raise BundleError(
            "holds no 'model.onnx', by which the server answers",
            where=str(place),
            fix="Make it: cutis export BUNDLE --to onnx",
        )
    return found


def _hosts(host: str, address: str) -> tuple[str, ...]:
    """Names by which a server of this machine alone may be addressed; empty, any, where others reach it."""
    from urllib.parse import urlsplit

    if host not in LOOPBACK:
        return ()
    told = urlsplit(address).hostname if address else None
    return (*LOOPBACK, told) if told else LOOPBACK


def _check_pair(certificate: Path, key: Path | None) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise CutisError(
            "and its private key cannot be used", where=str(certificate), fix="Name a certificate and its key, PEM."
        ) from error


def _tell(log: str, opened: ExitStack) -> None:
    """Requests as JSON lines into a file where one is named; what goes wrong on standard error otherwise."""
    from cutis.web import JsonLines

    try:
        handler = logging.StreamHandler(sys.stderr) if log in ("", "-") else logging.FileHandler(log, encoding="utf-8")
    except OSError as error:
        raise CutisError(
            f"cannot be written ({error.strerror or error})", where=log, fix="Name another file with --log."
        ) from error
    handler.setFormatter(JsonLines())
    for name in ("PIL", "python_multipart"):  # what they say is of what was sent, whose sender is told
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="PIL")
    opened.callback(handler.close)
    for name in ("cutis", "uvicorn"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO if log and name == "cutis" else logging.WARNING)
        opened.callback(logger.removeHandler, handler)


def _typed(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, and does not come from the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
