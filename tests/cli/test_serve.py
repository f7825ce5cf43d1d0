"""The verbs `cutis serve` and `cutis serve keys`."""

import io
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from cutis.cli.serve import serve_app
from cutis.errors import CutisError
from cutis.web.api.keys import KeyFile

PROGRAM = """
import sys
from cutis.cli.serve import serve_app
serve_app(sys.argv[1:])
"""


@pytest.fixture
def started():
    """A server on a free port, and its address."""
    running = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        line = process.stdout.readline()
        found = re.search(r"https?://127\.0\.0\.1:\d+", line)
        assert found, line + process.stdout.read()
        return process, found[0]

    yield start
    for process in running:
        process.kill()
        process.wait()


def get(address, **headers):
    until = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > until:
                return error.code, error.read()
        time.sleep(0.1)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(started, tmp_path, how):
    log, audit = tmp_path / "log.jsonl", tmp_path / "audit.jsonl"
    process, address = started("--log", log, "--audit", audit)
    assert get(f"{address}/healthz") == (200, b'{"alive":true,"ready":true}')
    assert get(f"{address}/api/docs")[0] == 200
    process.send_signal(how)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert rest.strip() == "stopped; no photograph was kept"
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["route"] for each in logged] == ["/healthz", "/api/docs"]
    assert audit.read_text() == ""


def test_what_runs_is_finished_before_it_ends(started):
    process, address = started()
    assert get(f"{address}/healthz")[0] == 200
    out = io.BytesIO()
    Image.effect_noise((3000, 2000), 40).convert("RGB").save(out, "JPEG")
    body = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n' + out.getvalue()
    request = urllib.request.Request(
        f"{address}/api/v1/predict?quality=true",
        data=body + b"\r\n--x--\r\n",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: urllib.request.urlopen(request, timeout=30).status)
        while b"cutis_images_waiting 1.0" not in get(f"{address}/metrics")[1]:
            assert not asked.done()
        process.send_signal(signal.SIGTERM)
        assert asked.result() == 200
    assert process.wait(30) == 0


def test_keys_are_minded_while_it_runs(started, tmp_path):
    keys = tmp_path / "keys.json"
    result = CliRunner().invoke(serve_app, ["keys", "add", "ward 3", "--keys", str(keys)])
    assert result.exit_code == 0, result.output
    key = result.stdout.strip()
    _, address = started("--keys", keys)
    assert get(f"{address}/healthz")[0] == 200
    assert get(f"{address}/api/v1/models")[0] == 401
    assert get(f"{address}/api/v1/models", authorization=f"Bearer {key}")[0] == 200
    listed = CliRunner().invoke(serve_app, ["keys", "list", "--keys", str(keys)]).stdout
    assert "ward 3" in listed
    assert key not in listed
    assert CliRunner().invoke(serve_app, ["keys", "revoke", "ward 3", "--keys", str(keys)]).exit_code == 0
    assert get(f"{address}/api/v1/models", authorization=f"Bearer {key}")[0] == 401


def refused(*arguments):
    result = CliRunner().invoke(serve_app, [str(each) for each in arguments])
    assert isinstance(result.exception, CutisError), result.output
    return str(result.exception)


def test_what_is_wrong_is_told_in_a_line(tmp_path, bundle):
    assert "at 0.0.0.0 anybody in the network could use the API" in refused("--host", "0.0.0.0")
    assert "--certificate and --key go together" in refused("--key", tmp_path / "k.pem")
    assert "begins with neither" in refused("--address", "skin.example.org")
    assert "exclude each other" in refused("--keys", tmp_path / "k.json", "--without-keys")
    assert "does not exist. Make a first key" in refused("--keys", tmp_path / "k.json")
    assert "does not exist. Name a folder" in refused(tmp_path / "gone", "--port", "0")
    assert "holds no 'model.onnx'" in refused(bundle, "--port", "0")
    assert "cannot be written" in refused("--audit", tmp_path, "--port", "0")
    pem = tmp_path / "c.pem"
    pem.write_text("none")
    assert "cannot be used" in refused("--certificate", pem, "--key", pem, "--port", "0")
    file = KeyFile(tmp_path / "keys.json")
    file.add("a", images_per_minute=1)
    file.revoke("a")
    assert "holds no key in use" in refused("--keys", file.path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is taken by another program" in refused("--port", port)
    assert "is no address of this machine" in refused("--host", "203.0.113.77", "--without-keys")
    assert ssl.OPENSSL_VERSION


def test_help_calls_it_by_its_name():
    app = typer.Typer()
    app.add_typer(serve_app)
    app.command("other")(lambda: None)
    told = CliRunner().invoke(app, ["serve", "--help"], prog_name="cutis").output
    assert "cutis serve [OPTIONS] [BUNDLE]" in " ".join(told.split()), told
    assert "run" not in told.split("Usage")[1].splitlines()[0]
    assert "revoke" in CliRunner().invoke(app, ["serve", "keys", "--help"], prog_name="cutis").output


def test_it_needs_no_torch():
    """Torch takes seconds to import; the server must not wait for it."""
    program = (
        "import sys\n"
        "import cutis.cli.serve, cutis.web.clinic.app\n"
        "from cutis.models import fastest_bundle\n"
        "from cutis.taxonomy import read_risk_rule\n"
        "app = cutis.web.clinic.app.create_clinic_app(fastest_bundle(), rule=read_risk_rule())\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
