"""The command line: verbs, one file a group."""

from cutis.cli.main import main

__all__ = ["main"]
