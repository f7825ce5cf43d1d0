"""The command `cutis`: its verbs put together, and the one place where errors become a line and an exit status."""

import sys
import traceback
from importlib import metadata

import typer

from cutis.cli import (
    annotate,
    audit,
    compare,
    data,
    demo,
    embed,
    evaluate,
    explain,
    export,
    follow_up,
    predict,
    robustness,
    serve,
    similar,
    split,
    study,
    taxonomy,
    train,
    watch,
)
from cutis.errors import CutisError

app = typer.Typer(
    name="cutis",
    help="From skin-lesion photographs to a classifier one can defend. Research software, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo_verb)
data.app.command("audit")(audit.audit_verb)
app.add_typer(data.app)
app.command("split")(split.split_verb)
app.command("train")(train.train_verb)
app.command("predict")(predict.predict_verb)
app.command("evaluate")(evaluate.evaluate_verb)
app.command("compare")(compare.compare_verb)
app.command("robustness")(robustness.robustness_verb)
app.command("explain")(explain.explain_verb)
app.command("embed")(embed.embed_verb)
app.command("similar")(similar.similar_verb)
app.add_typer(taxonomy.taxonomy_app)
app.command("export")(export.export_verb)
app.add_typer(serve.serve_app)
app.command("watch")(watch.watch_verb)
app.add_typer(follow_up.follow_up_app)
app.add_typer(annotate.annotate_app)
app.add_typer(study.study_app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cutis {metadata.version('cutis')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Options that come before the verb; `debug` is read by :func:`main`."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 well, 2 bad input, 130 interrupted.

    Args:
        arguments: without the program's name; those of the process when None.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = app(args=arguments, prog_name="cutis", standalone_mode=False)
    except CutisError as error:
        if "--debug" in arguments:
            traceback.print_exc()
        _stop(str(error), 2)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)  # of a usage error
        if context is None:
            _stop(error.format_message(), 2)
        elif error.message == context.get_help():  # `cutis` or `cutis data` alone: nothing was asked for yet
            print(error.message, file=sys.stderr)  # noqa: T201 - what the command line is for
            sys.exit(2)
        else:
            _stop(f"{error.format_message().rstrip('.')}. See `{context.command_path} --help`.", 2)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except BrokenPipeError:  # `cutis … | head`
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # no permission, a full disk, a file where a folder should be
        if "--debug" in arguments:
            traceback.print_exc()
        where = error.filename or "a file"
        _stop(f"{where}: {error.strerror or error}. Check the path, its permissions and the disk's space.", 2)
    if status == 130:  # typer's word for Ctrl-C
        _stop("interrupted", 130)
    sys.exit(status if isinstance(status, int) else 0)


def _stop(message: str, status: int) -> None:
    # One line, whatever an underlying message held.
    print(f"cutis: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 - what the command line is for
    sys.exit(status)
