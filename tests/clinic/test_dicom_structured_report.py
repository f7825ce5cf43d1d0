"""DICOM that cutis writes: opened again by pydicom and highdicom, and checked by dicom3tools' dciodvfy."""

import io
import shutil
import subprocess

import highdicom as hd
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian

from cutis.clinic import Patient, answers, photograph
from cutis.clinic.deidentification import deidentified
from cutis.clinic.dicom_identity import dicom_bytes, uid_of
from cutis.clinic.dicom_pictures import dicom_overlay, dicom_picture, dicom_segmentation, source_of
from cutis.clinic.dicom_reading import dicom_photograph
from cutis.clinic.dicom_structured_report import dicom_report, report_probabilities
from cutis.clinic.wording import STATEMENT
from cutis.data import PhantomView, draw_phantom, phantom_lesion
from cutis.errors import ImageError
from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule

PIXELS = draw_phantom(phantom_lesion("mel", seed=3), PhantomView(ita=40, seed=3), (90, 120)).image
PATIENT = Patient(age=61, sex="male", site="scalp", skin_type=None)


@pytest.fixture(scope="module")
def bundle():
    return fastest_bundle()


@pytest.fixture(scope="module")
def rule():
    return read_risk_rule()


@pytest.fixture(scope="module")
def jpeg():
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "JPEG", quality=95)
    return photograph(content.getvalue(), "lesion.jpg")


@pytest.fixture(scope="module")
def answer(bundle, rule, jpeg):
    return answers(bundle, [jpeg], [PATIENT], rule=rule)[0]


def dermoscopic(**elements):
    """A Dermoscopic Photography image of a named patient, as a hospital's archive sends it."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.77.1.7", "1.2.826.1.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.826.1.2", "1.2.826.1.3"
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "Doe^Jane", "MRN-77", "19600102", "F"
    made.StudyDate, made.StudyTime, made.AccessionNumber, made.StudyID = "20240305", "101112", "ACC-9", "S1"
    made.ReferringPhysicianName, made.Modality = "House^Gregory", "DMS"
    made.Rows, made.Columns, made.SamplesPerPixel, made.PlanarConfiguration = *PIXELS.shape[:2], 3, 0
    made.PhotometricInterpretation, made.PixelRepresentation = "RGB", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelData = PIXELS.tobytes()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def taken(made):
    return dicom_photograph(dicom_bytes(made), "lesion.dcm")


def opened(made):
    return pydicom.dcmread(io.BytesIO(dicom_bytes(made)))


def faults(made, tmp_path):
    """What dciodvfy calls an error; its warnings on our private coding scheme are none."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    (tmp_path / "made.dcm").write_bytes(dicom_bytes(made))
    found = subprocess.run(["dciodvfy", "-new", "made.dcm"], cwd=tmp_path, capture_output=True, text=True, check=False)
    return [each for each in (found.stdout + found.stderr).splitlines() if each.startswith("Error")]


def test_a_report_read_back_has_the_probabilities(answer, bundle, rule):
    found = taken(dermoscopic())
    report = dicom_report(answer, bundle, found.source, found.photograph.key, rule)
    read = hd.sr.srread(io.BytesIO(dicom_bytes(report)))
    assert report_probabilities(read) == {each.id: each.probability for each in answer.diagnoses}
    groups = hd.sr.MeasurementReport.from_sequence([read]).get_image_measurement_groups()
    for group, told in zip(groups, answer.diagnoses, strict=False):
        assert group.tracking_identifier == told.id
        assert group.finding_type.scheme_designator == "99CUTIS"
        evaluations = {each.name.value: each.value for each in group.get_qualitative_evaluations()}
        assert evaluations["above-threshold"] == (codes.SCT.Yes if told.above else codes.SCT.No)
        assert evaluations["in-conformal-set"] == (codes.SCT.Yes if told.in_set else codes.SCT.No)
        assert evaluations["risk-grade"].value == f"risk-{told.risk}"
        assert [each.referenced_sop_instance_uid for each in group.source_images] == ["1.2.826.1.1"]
    whole = groups[-1]
    assert {each.name.value: each.value for each in whole.get_measurements()}["unfamiliarity"] == answer.unfamiliarity
    assert {each.name.value: each.value.value for each in whole.get_qualitative_evaluations()}[
        "risk-grade"
    ] == f"risk-{answer.risk}"


def test_a_report_belongs_to_its_patient_and_study_and_says_what_it_is(answer, bundle, rule):
    found = taken(dermoscopic())
    report = opened(dicom_report(answer, bundle, found.source, found.photograph.key, rule))
    assert (str(report.PatientName), report.PatientID, report.PatientBirthDate) == ("Doe^Jane", "MRN-77", "19600102")
    assert (report.StudyInstanceUID, report.AccessionNumber) == ("1.2.826.1.2", "ACC-9")
    assert report.SeriesInstanceUID != "1.2.826.1.3"
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    series = evidence.ReferencedSeriesSequence[0]
    assert (evidence.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2.826.1.2", "1.2.826.1.3")
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.826.1.1"
    texts = [each.TextValue for each in report.ContentSequence if each.ValueType == "TEXT"]
    assert "Research, not for clinical use" in texts
    assert STATEMENT in texts
    assert {"cutis", bundle.name} <= set(texts)  # the device that observed: its maker and its name
    assert any(bundle.about["weights_sha256"][:16] in each for each in texts)


def test_the_same_answer_made_twice_is_the_same_instance(answer, bundle, rule):
    found = taken(dermoscopic())
    first, second = (dicom_report(answer, bundle, found.source, found.photograph.key, rule) for _ in range(2))
    other = dicom_report(answer, bundle, found.source, "another photograph", rule)
    assert first.SOPInstanceUID == second.SOPInstanceUID
    assert first.SOPInstanceUID != other.SOPInstanceUID
    assert first.SeriesInstanceUID != other.SeriesInstanceUID
    uids = [UID(uid_of("a", str(each))) for each in range(200)]
    assert len(set(uids)) == 200
    assert all(each.is_valid and len(each) <= 64 for each in uids)


def test_a_jpeg_becomes_an_instance_that_the_report_refers_to(answer, bundle, rule, jpeg):
    picture = dicom_picture(jpeg, PATIENT)
    report = dicom_report(answer, bundle, source_of(picture), jpeg.key, rule)
    read = opened(picture)
    assert np.array_equal(read.pixel_array, jpeg.pixels)
    assert (str(read.PatientName), read.PatientID, read.PatientAge, read.PatientSex) == ("", "", "061Y", "M")
    assert report.StudyInstanceUID == picture.StudyInstanceUID
    series = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == picture.SOPInstanceUID
    again = dicom_photograph(dicom_bytes(picture), "again.dcm")
    assert np.array_equal(again.photograph.pixels, jpeg.pixels)
    assert (again.patient.age, again.patient.sex) == (61, "male")


def test_overlay_and_segmentation_are_derived_from_their_source(bundle):
    found = taken(dermoscopic())
    overlay = opened(dicom_overlay(PIXELS, bundle, found.source, found.photograph.key, "Grad-CAM"))
    assert np.array_equal(overlay.pixel_array, PIXELS)
    assert overlay.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.826.1.1"
    assert (overlay.ImageType[0], overlay.StudyInstanceUID, overlay.ImageComments) == (
        "DERIVED",
        "1.2.826.1.2",
        STATEMENT,
    )
    heat = np.linspace(0, 1, PIXELS.shape[0] * PIXELS.shape[1]).reshape(PIXELS.shape[:2])
    made = dicom_segmentation(heat, 0.75, bundle, found.source, found.photograph.key, "Grad-CAM")
    read = hd.seg.segread(io.BytesIO(dicom_bytes(made)))
    assert np.array_equal(read.get_pixels_by_source_instance(["1.2.826.1.1"])[0, ..., 0], heat >= 0.75)
    with pytest.raises(ImageError, match="Scale the map"):
        dicom_segmentation(heat[1:], 0.75, bundle, found.source, found.photograph.key, "Grad-CAM")


def test_a_source_without_uids_is_told(answer, bundle, rule):
    made = dermoscopic()
    del made.StudyInstanceUID
    found = taken(made)
    with pytest.raises(ImageError, match="no valid StudyInstanceUID, so no DICOM object can refer to it"):
        dicom_report(answer, bundle, found.source, found.photograph.key, rule)


def test_a_source_of_few_elements_is_enough(answer, bundle, rule, tmp_path):
    made = dermoscopic()
    for keyword in ("PatientID", "PatientName", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"):
        delattr(made, keyword)
    found = taken(made)
    report = dicom_report(answer, bundle, found.source, found.photograph.key, rule)
    assert str(report.PatientName) == ""
    assert faults(report, tmp_path) == []


@pytest.mark.parametrize("without_identity", [False, True])
@pytest.mark.parametrize("kind", ["report", "picture", "overlay", "segmentation"])
def test_dciodvfy_finds_no_error(kind, without_identity, answer, bundle, rule, jpeg, tmp_path):
    found = taken(dermoscopic())
    source, key = found.source, found.photograph.key
    made = {
        "report": lambda: dicom_report(answer, bundle, source, key, rule),
        "picture": lambda: dicom_picture(jpeg, PATIENT),
        "overlay": lambda: dicom_overlay(PIXELS, bundle, source, key, "Grad-CAM"),
        "segmentation": lambda: dicom_segmentation(PIXELS[..., 0] / 255, 0.5, bundle, source, key, "Grad-CAM"),
    }[kind]()
    assert faults(deidentified(made).dataset if without_identity else made, tmp_path) == []
