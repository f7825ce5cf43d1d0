"""A patient's record as a zip file, and a manifest for research."""

import io
import json
import zipfile

import pytest

from cutis.data import check_images, check_manifest, read_manifest
from cutis.follow_up import (
    AccessError,
    FollowUpError,
    export_manifest,
    export_patient,
    jpeg_of,
    patient_zip,
    verify,
)


def test_a_record_holds_all_that_is_kept_and_nothing_of_others(clinic, tmp_path):
    patient = clinic.patient("P-1", birth_year=1961)
    lesion = clinic.lesion(patient, "L 1", note="a note")
    uid = clinic.photograph(lesion, 1)
    clinic.photograph(clinic.lesion(clinic.patient("P-2")), 2)
    size = export_patient(clinic.store, patient, tmp_path / "P-1.zip", clinic.tick())
    assert size == (tmp_path / "P-1.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "P-1.zip") as made:
        assert made.testzip() is None
        record = json.loads(made.read("record.json"))
        told = record["lesions"][0]["photographs"][0]
        assert sorted(made.namelist()) == sorted(["record.json", told["file"]])
        assert made.read(told["file"]) == jpeg_of(clinic.store, uid)
    assert record["patient"]["number"] == "P-1"
    assert record["lesions"][0]["note"] == "a note"
    assert told["answers"][0]["answer"]["malignant"] == 0.25
    assert {each["kind"] for each in record["history"]} == {"patient added", "lesion added", "photograph added"}
    assert "P-2" not in json.dumps(record)
    assert "medical device" in record["statement"]
    with pytest.raises(FollowUpError, match="nothing is overwritten"):
        export_patient(clinic.store, patient, tmp_path / "P-1.zip", clinic.tick())
    with pytest.raises(AccessError):
        patient_zip(clinic.store, "0" * 32, clinic.tick())
    content = b"".join(patient_zip(clinic.store, patient, clinic.tick()))
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    verify(clinic.store)


def test_a_manifest_holds_those_who_agreed_and_is_a_sound_one(clinic, tmp_path):
    agreed = clinic.patient("P-1", research=True, birth_year=1961, sex="male", skin_type="III")
    removed = clinic.lesion(agreed, "L1", status="removed", node="nevus")
    watched = clinic.lesion(agreed, "L2")
    clinic.photograph(removed, 1)
    clinic.photograph(removed, 2)
    clinic.photograph(watched, 3)
    clinic.photograph(clinic.lesion(clinic.patient("P-2")), 4)
    made = export_manifest(clinic.store, tmp_path / "out", clinic.tick())
    assert made[1:] == (1, 2, 3, 1)
    frame = read_manifest(made.manifest)
    assert check_manifest(frame) == []
    assert check_images(frame) == []
    assert frame["patient_id"].unique().to_list() == [agreed]
    assert sorted(frame["diagnosis_node"].drop_nulls().to_list()) == ["nevus", "nevus"]
    assert frame.filter(frame["lesion_id"] == watched)["diagnosis_confirm_type"].to_list() == [None]
    assert set(frame["age_approx"]) == {70}
    assert "P-1" not in (tmp_path / "out" / "manifest.parquet").read_bytes().decode("latin-1")
    with pytest.raises(FollowUpError, match="nothing is overwritten"):
        export_manifest(clinic.store, tmp_path / "out", clinic.tick())


def test_without_consent_nothing_is_exported(clinic, tmp_path):
    clinic.photograph(clinic.lesion(clinic.patient()))
    with pytest.raises(FollowUpError, match="agreed"):
        export_manifest(clinic.store, tmp_path / "out", clinic.tick())
    assert not (tmp_path / "out").exists()
