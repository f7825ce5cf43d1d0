"""The verbs `cutis annotate …`: a library from a manifest and back, what is wrong in a line, a server."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cutis.annotation import Annotation, Box, list_people, opened_library, save
from cutis.cli.annotate import annotate_app
from cutis.data import manifest_frame, read_manifest, write_manifest
from cutis.errors import CutisError

PROGRAM = "import sys; from cutis.cli.annotate import annotate_app; annotate_app(sys.argv[1:])"


def run(*arguments):
    result = CliRunner().invoke(annotate_app, [str(each) for each in arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, CutisError | SystemExit):
        raise result.exception
    return result


def refused(*arguments):
    result = run(*arguments)
    assert isinstance(result.exception, CutisError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def manifest(tmp_path):
    rows = []
    for k in range(3):
        path = tmp_path / f"p{k}.png"
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path)
        rows.append({"image_id": f"I{k}", "image_path": str(path), "diagnosis_node": "nevus"})
    write_manifest(manifest_frame(rows), tmp_path / "m.parquet")
    return tmp_path / "m.parquet"


@pytest.fixture
def library(manifest, tmp_path):
    made = run("create", manifest, "-o", tmp_path / "lib", "--annotator", "R1", "--annotator", "R2", "--curator", "K")
    assert made.exit_code == 0, made.output
    assert "library of 3 images" in made.output
    with opened_library(tmp_path / "lib") as opened:
        for person in list_people(opened.database)[:2]:
            for image in (1, 2):
                node = "nevus" if image == 1 else {"R1": "nevus", "R2": "melanoma"}[person.name]
                drawn = (Box(left=1, top=2, width=30, height=20),)
                save(opened, person, image, Annotation(node=node, boxes=drawn), datetime.now(UTC), version=0)
    return tmp_path / "lib"


def test_status_tells_progress_agreement_and_the_history(library):
    told = json.loads(run("status", library, "--json").output)
    assert told["states"] == {"untouched": 1, "one": 0, "disagreed": 1, "agreed": 1, "adjudicated": 0}
    assert told["agreement"]["diagnosis_percent"]["value"] == 0.5
    assert told["agreement"]["confirmation_kappa"]["value"] is None
    assert told["history"]["whole"] is True
    shown = run("status", library).output
    assert "mean iou" in shown
    assert told["history"]["head"] in shown


def test_export_and_import_again(library, tmp_path):
    out = tmp_path / "out.parquet"
    told = run("export", library, "-o", out, "--voc", tmp_path / "voc", "--coco", tmp_path / "boxes.json")
    assert told.exit_code == 0, told.output
    assert "3 images: 0 adjudicated, 1 agreed on" in told.output
    assert "left empty in part or whole: 2 images" in told.output
    assert read_manifest(out)["diagnosis_node"].to_list() == ["nevus", None, None]
    told = run("import", library, tmp_path / "boxes.json", "--from", "coco", "--as", "K", "--json")
    assert json.loads(told.output)["images"] == 2
    told = run("import", library, tmp_path / "voc", "--from", "voc", "--as", "K")
    assert "word: lesion = no diagnosis" in told.output
    assert "imported as K: 0 images, 2 boxes; unchanged: 2" in told.output
    assert json.loads(run("export", library, "--coco", tmp_path / "b.json", "--json").output)["adjudicated"] == 2


def test_what_is_wrong_is_told_in_a_line(library, manifest, tmp_path):
    assert "nothing is overwritten" in refused("create", manifest, "-o", library)
    assert "a library has two" in refused("create", manifest, "-o", tmp_path / "x", "--annotator", "A")
    assert "is no annotation library" in refused("status", tmp_path)
    assert "nothing is to be written" in refused("export", library)
    assert "own manifest" in refused("export", library, "-o", library / "manifest.parquet")
    coco = tmp_path / "c.json"
    coco.write_text("{}")
    assert "is no COCO file" in refused("import", library, coco, "--from", "coco", "--as", "K")
    assert "--by and --choices" in refused("import", library, coco, "--from", "coco", "--as", "K", "--by", "1")
    assert "--from-zero is for" in refused("import", library, coco, "--from", "coco", "--as", "K", "--from-zero")
    run("export", library, "--coco", coco)
    assert "nobody here is called 'Z'" in refused("import", library, coco, "--from", "coco", "--as", "Z")
    options = ("import", library, coco, "--from", "coco", "--as", "K", "--map")
    assert "is not WORD=NODE" in refused(*options, "mole")
    assert "names 'a' twice" in refused(*options, "a=nevus", "--map", "a=")
    assert "--certificate and --key go together" in refused("serve", library, "--key", tmp_path / "k.pem")
    assert "begins with neither" in refused("serve", library, "--address", "library.example.org")


def test_it_serves_until_it_is_stopped(library):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", str(library), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        assert [each.split(",")[0] for each in lines[1:]] == ["annotator R1", "annotator R2", "curator K"], lines
        links = [re.search(r"http://127\.0\.0\.1:\d+/enter/[\w-]{43}$", each.strip())[0] for each in lines[1:]]
        with urllib.request.urlopen(links[0], timeout=20) as page:
            assert "Sign in" in page.read().decode()
        process.send_signal(signal.SIGTERM)  # Ctrl-C: see test_serve.py
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0, rest
        assert "stopped; everything that was acknowledged is kept" in rest
        assert "Traceback" not in rest
        assert not any(each.rsplit("/", 1)[-1] in rest for each in links)  # no log tells of addresses
    finally:
        process.kill()
        process.wait()
