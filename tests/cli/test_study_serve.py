"""The verb `cutis study serve`: it starts, prints one address for the nurse, and ends tidily."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
import typer
from typer.testing import CliRunner

from cutis.cli.extras import needs_extra
from cutis.cli.study_serve import serve_verb
from cutis.errors import CutisError

PROGRAM = """
import sys, typer
from cutis.cli.study_serve import serve_verb
app = typer.Typer()
app.command()(serve_verb)
app(sys.argv[1:])
"""


@pytest.fixture
def started(tmp_path):
    """A server on a free port, and the lines that it has printed when it listens."""
    running = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments), "--port", "0", "--data", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        lines = []
        while not lines or "/nurse/enter/" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        return process, lines

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_it_serves_until_it_is_stopped(started, tmp_path):
    process, lines = started(tmp_path / "new", "--new")
    address = re.search(r"http://127\.0\.0\.1:\d+/nurse/enter/[\w-]{43}", lines[-1])[0]
    with urllib.request.urlopen(address, timeout=20) as page:
        assert "Sign in" in page.read().decode()
    process.send_signal(signal.SIGTERM)  # Ctrl-C: see test_serve.py
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert "stopped; everything that was acknowledged is kept" in rest
    assert "Traceback" not in rest
    token = address.rsplit("/", 1)[-1]
    assert token not in rest  # no log tells of addresses
    assert sorted(each.name for each in (tmp_path / "new").iterdir()) == ["cutis-study.toml", "study.db"]


def refused(*arguments):
    app = typer.Typer()
    app.command()(serve_verb)
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert isinstance(result.exception, CutisError), result.output
    return str(result.exception)


def test_what_is_wrong_is_told_in_a_line(tmp_path):
    assert "is no study folder" in refused(tmp_path, "--data", tmp_path)
    assert "--certificate and --key go together" in refused(tmp_path, "--key", tmp_path / "k.pem")
    assert "begins with neither" in refused(tmp_path, "--address", "study.example.org")
    assert "is no folder" in refused(tmp_path, "--data", tmp_path / "gone")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path / "new", "--new", "--data", tmp_path, "--port", port)
        assert f"port {port} is taken by another program" in said
    assert "is no address of this machine" in refused(tmp_path / "new", "--data", tmp_path, "--host", "203.0.113.77")


def test_an_extra_that_is_not_installed_is_told_with_how_to_install_it():
    with (
        pytest.raises(CutisError, match=r"'fastapi', which is not installed. Run: pip install 'cutis\[study\]'"),
        needs_extra("study", "reader studies need"),
    ):
        raise ModuleNotFoundError("No module named 'fastapi'", name="fastapi")
    with pytest.raises(ModuleNotFoundError), needs_extra("study", "reader studies need"):
        raise ModuleNotFoundError("No module named 'cutis.gone'", name="cutis.gone")
