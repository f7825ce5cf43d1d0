"""DICOM without identity: whatever stood in an identifying element stands nowhere in what is written."""

import io

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from cutis.clinic.deidentification import _table, deidentified, without_metadata
from cutis.clinic.dicom_identity import dicom_bytes
from cutis.clinic.dicom_reading import dicom_photograph
from cutis.errors import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR")
SECRET_WORD = st.text(st.sampled_from("QXZJKVW"), min_size=10, max_size=16)


def image(**elements):
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.77.1.7", "1.2.826.9.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.826.9.2", "1.2.826.9.3"
    made.Rows, made.Columns, made.SamplesPerPixel, made.PlanarConfiguration = 8, 8, 3, 0
    made.PhotometricInterpretation, made.PixelRepresentation = "RGB", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelData = PIXELS.tobytes()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def identifying_texts():
    """Every attribute of the standard's table that holds text, by keyword."""
    tags = [tag for tag in _table()[0] if keyword_for_tag(tag) and tag >> 16 != 2]
    return [keyword_for_tag(tag) for tag in tags if dictionary_VR(tag) in TEXT_VRS]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_identifying_value_is_left_anywhere(data):
    """In the data set, in a sequence that the table does not name, in private elements, at any depth."""
    keywords = data.draw(st.lists(st.sampled_from(identifying_texts()), min_size=5, max_size=30, unique=True))
    values = {each: data.draw(SECRET_WORD) for each in keywords}
    made, region, deeper, private = image(), Dataset(), Dataset(), data.draw(SECRET_WORD)
    for number, (keyword, value) in enumerate(values.items()):
        setattr((made, region, deeper)[number % 3], keyword, value)
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "43067004", "SCT", "Skin of scalp"
    region.AnatomicRegionModifierSequence = [deeper]
    made.AnatomicRegionSequence = [region]
    for level in (made, deeper):
        level.private_block(0x0011, private, create=True).add_new(1, "LO", private)
    content = dicom_bytes(deidentified(made).dataset)
    assert all(each.encode() not in content for each in (*values.values(), private, "1.2.826.9"))
    found = dicom_photograph(content, "made.dcm")
    assert np.array_equal(found.photograph.pixels, PIXELS)
    assert found.patient.site == "Head and neck:Head:Scalp"


def test_dates_numbers_names_and_titles_go():
    made = image(
        PatientName="Doe^Jane", PatientID="MRN-77", PatientBirthDate="19600102", PatientAge="061Y", PatientSex="F",
        StudyDate="20240305", AcquisitionDateTime="20240305101112", InstitutionName="St Elsewhere",
        DeviceSerialNumber="SN-4711", PatientWeight="71.5", StudyDescription="Jane's mole",
    )  # fmt: skip
    made.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    found = deidentified(made)
    content = dicom_bytes(found.dataset)
    for each in ("Doe", "MRN-77", "19600102", "061Y", "20240305", "Elsewhere", "SN-4711", "71.5", "mole", "ELSEWHERE"):
        assert each.encode() not in content
    read = pydicom.dcmread(io.BytesIO(content))
    assert read.PatientIdentityRemoved == "YES"
    assert read.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert read.LongitudinalTemporalInformationModified == "REMOVED"
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert str(made.PatientName) == "Doe^Jane"  # what was given is not changed


def test_new_uids_still_refer_to_each_other_under_one_key_only():
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.77.1.7", "1.2.826.9.1"
    first = deidentified(image(), key=b"k").dataset
    second = deidentified(image(SOPInstanceUID="1.2.826.9.7", ReferencedInstanceSequence=[source]), key=b"k").dataset
    assert second.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert second.ReferencedInstanceSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.7"
    assert second.StudyInstanceUID == first.StudyInstanceUID != "1.2.826.9.2"
    assert deidentified(image(), key=b"l").dataset.SOPInstanceUID != first.SOPInstanceUID
    assert deidentified(image()).dataset.SOPInstanceUID != deidentified(image()).dataset.SOPInstanceUID


@pytest.mark.parametrize(
    ("burned", "told"), [("YES", "blacken it before sharing"), (None, "look whether text"), ("NO", None)]
)
def test_burned_in_text_is_told(burned, told):
    notes = deidentified(image(**({"BurnedInAnnotation": burned} if burned else {}))).notes
    assert "picture itself is unchanged" in notes[0]
    assert len(notes) == (1 if told is None else 2)
    assert told is None or told in notes[1]


def test_overlays_curves_and_attachments_go():
    made = image()
    made.add_new(0x60003000, "OW", b"\1\2" * 4)
    made.add_new(0x60004000, "LT", "Jane")
    made.add_new(0x50003000, "OW", b"\1\2" * 4)
    found = deidentified(made).dataset
    assert not [each for each in found if each.tag.group in (0x5000, 0x6000)]


def test_what_the_camera_wrote_into_a_jpeg_goes():
    exif = Image.Exif()
    exif[0x010E], exif[0x0132] = "QXZPLACE", "2024:03:05 10:11:12"
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "JPEG", quality=95, exif=exif, comment="QXZCOMMENT")
    assert b"QXZPLACE" in stream.getvalue()
    made = image(PhotometricInterpretation="YBR_FULL_422")
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.PixelData = encapsulate([stream.getvalue()])
    content = dicom_bytes(deidentified(made).dataset)
    assert b"QXZ" not in content
    assert b"2024:03" not in content
    before, after = (dicom_photograph(each, "a.dcm").photograph.pixels for each in (dicom_bytes(made), content))
    assert np.array_equal(before, after)
    assert without_metadata(b"\xff\x4f\xff\x51 JPEG 2000") == b"\xff\x4f\xff\x51 JPEG 2000"


def test_a_report_by_others_is_refused():
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", "Jane Doe has a mole"
    made = image(Manufacturer="ACME", ContentSequence=[item])
    with pytest.raises(ImageError, match="report that others wrote"):
        deidentified(made)
