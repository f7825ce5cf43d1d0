"""The verb `cutis watch` as a person starts it: a process, real photographs, the three forms of results, signals."""

import io
import json
import re
import signal
import subprocess
import sys
import time

import highdicom as hd
import pydicom
import pytest
from fhir.resources.R4B.bundle import Bundle
from PIL import Image

from cutis.clinic import dicom_bytes, dicom_picture, photograph, report_probabilities
from cutis.clinic.answer import Patient
from cutis.data import PhantomView, draw_phantom, phantom_lesion

COMMAND = [sys.executable, "-c", "from cutis.cli import main; main()", "watch"]


@pytest.fixture(scope="module")
def jpeg():
    content = io.BytesIO()
    Image.fromarray(draw_phantom(phantom_lesion("nv", seed=5), PhantomView(ita=40, seed=5), (120, 160)).image).save(
        content, "JPEG", quality=95
    )
    return content.getvalue()


@pytest.fixture
def inbox(tmp_path, jpeg):
    inbox = tmp_path / "in"
    inbox.mkdir()
    (inbox / "Jane Doe.jpg").write_bytes(jpeg)
    picture = dicom_picture(photograph(jpeg, "a"), Patient(age=50, sex="female", site=None, skin_type=None))
    picture.PatientName, picture.PatientID = "Doe^Jane", "MRN-77"
    (inbox / "Jane Doe.dcm").write_bytes(dicom_bytes(picture))
    (inbox / "broken.jpg").write_bytes(jpeg[:500])
    return inbox


def run(inbox, *options):
    return subprocess.run(
        [*COMMAND, str(inbox), "-o", str(inbox.parent / "out"), "--settled-after", "0", "--once", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def results(inbox, suffix):
    return sorted((inbox.parent / "out").glob(f"*{suffix}"))


def test_json(inbox):
    ended = run(inbox)
    assert (ended.returncode, ended.stdout) == (0, "answered: 2; failed: 1\n")
    assert not re.search(r"Jane|Doe|MRN|broken", ended.stderr)
    of_dicom, of_jpeg = (json.loads(each.read_text()) for each in results(inbox, ".json"))
    if "dicom" in of_jpeg:
        of_dicom, of_jpeg = of_jpeg, of_dicom
    assert of_jpeg["statement"].startswith("Research software, not a medical device")
    assert of_dicom["dicom"]["StudyInstanceUID"]
    told = [{each["id"]: each["probability"] for each in one["answer"]["diagnoses"]} for one in (of_jpeg, of_dicom)]
    assert told[0].keys() == told[1].keys()
    assert sum(told[0].values()) == pytest.approx(1)
    assert len(list((inbox / "failed").glob("broken.*.jpg.txt"))) == 1


def test_fhir(inbox):
    assert run(inbox, "--format", "fhir").returncode == 0
    found = results(inbox, ".fhir.json")
    assert len(found) == 2
    for each in found:
        Bundle.model_validate_json(each.read_text())
        assert "Doe" not in each.read_text()


def test_dicom_with_and_without_identity(inbox):
    assert run(inbox, "--format", "dicom").returncode == 0
    (picture,) = map(pydicom.dcmread, results(inbox, ".sc.dcm"))  # of the JPEG, with its report
    reports = {str(hd.sr.srread(each).PatientName): hd.sr.srread(each) for each in results(inbox, ".sr.dcm")}
    assert reports.keys() == {"", "Doe^Jane"}
    assert all(sum(report_probabilities(each).values()) == pytest.approx(1) for each in reports.values())
    series = reports[""].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == picture.SOPInstanceUID
    (done,) = (inbox / "done").glob("*.dcm")
    done.rename(inbox / "again.dcm")
    for each in results(inbox, ".dcm"):
        each.unlink()
    assert run(inbox, "--format", "dicom", "--deidentify").returncode == 0
    (report,) = results(inbox, ".sr.dcm")
    assert not any(each in report.read_bytes() for each in (b"Doe", b"MRN-77"))
    assert (inbox / ".cutis-watch.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order_when_asked_to(tmp_path, jpeg, ending):
    inbox, out = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    process = subprocess.Popen(
        [*COMMAND, str(inbox), "-o", str(out), "--every", "0.1", "--settled-after", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "watching" in process.stderr.readline()
    (inbox / "a.jpg").write_bytes(jpeg)
    for _ in range(300):
        if out.exists() and list(out.glob("*.json")):
            break
        time.sleep(0.05)
    process.send_signal(ending)
    told, _ = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "answered: 1; failed: 0\n")
    assert len(list((inbox / "done").iterdir())) == 1


def test_what_is_wrong_is_told_in_one_line(tmp_path):
    ended = run(tmp_path / "none")
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines()[-1].endswith("is not a folder. Make it, or name another.")
