"""Photographs that come as DICOM: written here in every way a photograph may be, and all that comes with pydicom."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isic_metadata.fields import AnatomSiteEnum
from PIL import Image, ImageCms
from pydicom.data import get_charset_files, get_palette_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.sr import _cid_dict, _concepts_dict
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from cutis.clinic.dicom_file import read_dicom
from cutis.clinic.dicom_mark import is_dicom
from cutis.clinic.dicom_pixels import dicom_pixels
from cutis.clinic.dicom_reading import PHOTOGRAPH_CLASSES, _sites, dicom_photograph, site_of_code
from cutis.data import content_key
from cutis.errors import ImageError

DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.7"
PYDICOM = Path(pydicom.__file__).parent / "data"
OTHERS = sorted(
    {each for each in (PYDICOM / "test_files").rglob("*") if each.is_file()}
    | {Path(each) for each in (*get_charset_files("*"), *get_palette_files("*"))}
)
TEXT = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)


def gradient(rows=24, columns=32):
    """A picture without an edge, so that lossy compression and halved colour change it little."""
    y, x = np.mgrid[0:rows, 0:columns]
    return np.stack([60 + 4 * x, 40 + 5 * y, 90 + 2 * x + y], axis=2).astype(np.uint8)


def dataset(pixels=None, syntax=ExplicitVRLittleEndian, sop_class=DERMOSCOPIC, **elements):
    pixels = gradient() if pixels is None else pixels
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.SOPClassUID, made.SOPInstanceUID = sop_class, "1.2.3.4"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.5", "1.2.3.6"
    made.PatientName, made.PatientID = "Doe^Jane", "MRN-1"
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    made.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        made.PlanarConfiguration = 0
    bits = 8 * pixels.dtype.itemsize
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def written(made):
    file = io.BytesIO()
    pydicom.dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


def read(made, **options):
    return dicom_photograph(written(made), "lesion.dcm", **options)


def pillow(pixels, form, **options):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form, **options)
    return content.getvalue()


@pytest.mark.parametrize("sop_class", PHOTOGRAPH_CLASSES)
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_an_uncompressed_photograph_is_read_as_it_is(sop_class, syntax):
    content = written(dataset(sop_class=sop_class, syntax=syntax))
    found = dicom_photograph(content, "lesion.dcm")
    assert np.array_equal(found.photograph.pixels, gradient())
    assert found.photograph.pixels.dtype == np.uint8
    assert (found.photograph.name, found.photograph.key) == ("lesion.dcm", content_key(content))
    assert (found.source.frame, found.source.frames, found.source.notes) == (1, 1, ())
    assert [found.source.uid(f"{each}InstanceUID") for each in ("Study", "Series", "SOP")] == [
        "1.2.3.5",
        "1.2.3.6",
        "1.2.3.4",
    ]
    assert "PixelData" not in found.source.header


@pytest.mark.parametrize(
    ("syntax", "stream", "off"),
    [
        (JPEGBaseline8Bit, lambda each: pillow(each, "JPEG", quality=95, subsampling=0), 4),
        (JPEG2000, lambda each: pillow(each, "JPEG2000", irreversible=True, no_jp2=True), 4),
        (JPEG2000Lossless, lambda each: pillow(each, "JPEG2000", no_jp2=True), 0),
    ],
)
def test_compressed_photographs(syntax, stream, off):
    photometric = {JPEGBaseline8Bit: "YBR_FULL_422", JPEG2000: "YBR_ICT", JPEG2000Lossless: "YBR_RCT"}[syntax]
    made = dataset(syntax=syntax, PhotometricInterpretation=photometric)
    made.PixelData = encapsulate([stream(gradient())])
    found = read(made).photograph.pixels
    assert np.abs(found.astype(int) - gradient()).max() <= off


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_losslessly_compressed_by_pydicom(syntax):
    made = dataset()
    made.compress(syntax, generate_instance_uid=False)
    assert np.array_equal(read(made).photograph.pixels, gradient())


def test_planes_ybr_palette_and_greys():
    planes = dataset(PlanarConfiguration=1)
    planes.PixelData = np.ascontiguousarray(gradient().transpose(2, 0, 1)).tobytes()
    assert np.array_equal(read(planes).photograph.pixels, gradient())

    ybr = dataset(convert_color_space(gradient(), "RGB", "YBR_FULL"), PhotometricInterpretation="YBR_FULL")
    assert np.abs(read(ybr).photograph.pixels.astype(int) - gradient()).max() <= 2

    index = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
    palette = dataset(index, PhotometricInterpretation="PALETTE COLOR")
    table = np.random.default_rng(0).integers(0, 256, (3, 256), dtype=np.uint16)
    for each, colour in zip(("Red", "Green", "Blue"), table, strict=True):
        setattr(palette, f"{each}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(palette, f"{each}PaletteColorLookupTableData", (257 * colour).tobytes())
    assert np.array_equal(read(palette).photograph.pixels, table.T[index].astype(np.uint8))

    grey = gradient()[..., 0]
    for photometric, shown in (("MONOCHROME2", grey), ("MONOCHROME1", 255 - grey)):
        found = read(dataset(grey, PhotometricInterpretation=photometric)).photograph.pixels
        assert np.array_equal(found, np.repeat(shown[..., None], 3, axis=2))


def test_more_than_eight_bits_are_scaled_by_the_bits_that_are_stored():
    twelve = dataset(gradient().astype(np.uint16) * 16, BitsStored=12, HighBit=11)
    assert np.abs(read(twelve).photograph.pixels.astype(int) - gradient()).max() <= 1
    sixteen = dataset(gradient().astype(np.uint16) * 257)
    assert np.array_equal(read(sixteen).photograph.pixels, gradient())
    signed = dataset((gradient()[..., 0].astype(np.int32) * 257 - 32768).astype(np.int16))
    assert np.array_equal(read(signed).photograph.pixels[..., 0], gradient()[..., 0])


def test_a_window_is_the_standards():
    """PS3.3 C.11.2.1.2: below c - 0.5 - (w - 1) / 2 black, above c - 0.5 + (w - 1) / 2 white, between them a line."""
    grey = np.arange(0, 2400, 100, dtype=np.uint16).reshape(4, 6)
    shown = read(dataset(grey, WindowCenter=1000, WindowWidth=1001)).photograph.pixels[..., 0]
    line = ((grey - 999.5) / 1000 + 0.5).clip(0, 1) * 255
    assert np.array_equal(shown, np.round(line))
    exact = read(dataset(grey, WindowCenter=1000, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT")).photograph.pixels
    assert np.array_equal(exact[..., 0], np.round(((grey - 1000.0) / 1000 + 0.5).clip(0, 1) * 255))


def test_an_icc_profile_is_applied():
    """Red and green change places in this profile, so they must in the picture."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = read(dataset(ICCProfile=srgb)).photograph.pixels
    assert np.abs(same.astype(int) - gradient()).max() <= 2
    swapped = srgb.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")
    turned = read(dataset(ICCProfile=swapped)).photograph.pixels
    assert np.abs(turned.astype(int)[..., :2] - gradient()[..., 1::-1]).mean() < 12
    with pytest.raises(ImageError, match="ICC profile"):
        read(dataset(ICCProfile=b"nonsense" * 20))


def test_a_frame_must_be_named_where_there_are_several():
    frames = np.stack([gradient(), 255 - gradient()])
    made = dataset(gradient(), NumberOfFrames=2)
    made.PixelData = frames.tobytes()
    with pytest.raises(ImageError, match=r"lesion\.dcm: holds 2 frames\. Say which"):
        read(made)
    with pytest.raises(ImageError, match="holds 2 frames, no frame 3"):
        read(made, frame=3)
    for number in (1, 2):
        found = read(made, frame=number)
        assert np.array_equal(found.photograph.pixels, frames[number - 1])
        assert (found.source.frame, found.source.frames) == (number, 2)


@pytest.mark.parametrize(
    ("elements", "age"),
    [
        ({"PatientAge": "061Y"}, 61),
        ({"PatientAge": "018M"}, 1),
        ({"PatientAge": "104W"}, 1),
        ({"PatientAge": "010D"}, 0),
        ({"PatientBirthDate": "19600615", "StudyDate": "20200614"}, 59),
        ({"PatientBirthDate": "19600615", "StudyDate": "20200615"}, 60),
        ({"PatientBirthDate": "19600615", "StudyDate": "20250101", "AcquisitionDate": "20200615"}, 60),
        ({"PatientBirthDate": "19600615"}, None),
        ({}, None),
    ],
)
def test_the_age_is_that_at_the_photograph(elements, age):
    found = read(dataset(**elements))
    assert (found.patient.age, found.source.notes) == (age, ())


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientAge": "47"},
        {"PatientAge": "999Y"},
        {"PatientBirthDate": "20300101", "StudyDate": "20200101"},
        {"PatientBirthDate": "unknown", "StudyDate": "20200101"},
        {"PatientSex": "W"},
    ],
)
def test_what_is_wrong_of_the_patient_is_left_out_and_told_without_its_value(elements):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read(dataset(**elements))
    assert found.patient.age is None
    assert found.patient.sex is None
    (note,) = found.source.notes
    assert note.endswith("left out.")
    assert not any(str(value) in note for value in elements.values())


def read_or_told(content, name):
    """A photograph, or the error in its place."""
    try:
        return dicom_photograph(content, name, frame=1), None
    except ImageError as error:
        return None, error


def region(value, scheme, meaning="somewhere"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


def test_sex_and_site():
    found = read(dataset(PatientSex="F", AnatomicRegionSequence=region("43067004", "SCT")))
    assert (found.patient.sex, found.patient.site) == ("female", "Head and neck:Head:Scalp")
    older = read(dataset(PatientSex="O", AnatomicRegionSequence=region("T-D8500", "SRT")))
    assert (older.patient.sex, older.patient.site) == (None, "Upper extremity:Forearm")
    inside = read(dataset(AnatomicRegionSequence=region("80891009", "SCT", "Heart")))
    assert inside.patient.site is None
    assert inside.source.notes == ("Anatomic Region (80891009, SCT) has no place among the ISIC archive's; left out.",)
    assert site_of_code("no such code", "SRT") is None


def test_every_site_is_a_code_of_the_standard_and_a_path_of_isic():
    """Against pydicom's copy of PS3.16, CID 4029 and CID 4031: the code exists, and its meaning fits the path."""
    known = {}
    for cid in (4029, 4031):
        for scheme, names in _cid_dict.cid_concepts[cid].items():
            for name in names:
                for value, (meaning, _) in _concepts_dict.concepts[scheme][name].items():
                    known[f"{scheme}:{value}"] = meaning.lower()
    paths = {each.value for each in AnatomSiteEnum}
    assert len(_sites()) > 100
    odd = []
    for code, path in _sites().items():
        assert path in paths
        assert code in known
        words = {each.rstrip("s").lower() for each in path.replace(":", " ").split()}
        if not words & {each.rstrip("s") for each in known[code].split()}:
            odd.append((known[code], path))
    assert len(odd) < 25, odd  # such as the external ear's "concha" for "cavity of concha", looked at one by one


def test_burned_in_text_is_told():
    (note,) = read(dataset(BurnedInAnnotation="YES")).source.notes
    assert "may name the patient" in note


def test_private_elements_are_not_carried_on():
    made = dataset()
    block = made.private_block(0x0011, "ACME", create=True)
    block.add_new(1, "LO", "Doe^Jane")
    assert all(each.tag.group % 2 == 0 for each in read(made).source.header)


def broken(**elements):
    return written(dataset(**elements))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (lambda: b"", "is empty"),
        (lambda: b"\xff\xd8\xff\xe0" * 100, "is no DICOM file"),
        (lambda: broken()[132:], "is no DICOM file"),
        (lambda: broken()[:140], "does not say in which transfer syntax|truncated"),
        (lambda: broken()[:-500], "truncated, damaged"),
        (lambda: broken(syntax=MPEG2MPML, PixelData=encapsulate([b"1234"])), "is a video"),
        (lambda: broken().replace(b"10008.1.2.1\0", b"10008.9.2.1\0"), "transfer syntax that is not read"),
        (lambda: broken(sop_class="1.2.840.10008.5.1.4.1.1.2"), "is 'CT Image Storage', not a photograph"),
        (lambda: broken(sop_class="1.2.3.4.5"), "is of a private kind, not a photograph"),
        (lambda: broken(Rows=60_000, Columns=60_000), r"has 60,000 × 60,000 pixels; at most 50,000,000 are read"),
        (lambda: broken(Rows=0), "has 0 × 32 pixels"),
        (lambda: broken(PhotometricInterpretation="CMYK"), "photometric interpretation that is not read"),
        (lambda: broken(SamplesPerPixel=1), "has 1 samples a pixel, which RGB has not"),
        (lambda: broken(BitsAllocated=1, BitsStored=1), "stores 1 of 1 bits"),
        (lambda: broken(NumberOfFrames=-3), "pixels in -3 frames|damaged"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(content, problem):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sent = content()
    with pytest.raises(ImageError, match=problem) as told:
        dicom_photograph(sent, "lesion.dcm")
    assert str(told.value).startswith("lesion.dcm: ")
    assert "\n" not in str(told.value)
    assert told.value.fix


@pytest.mark.parametrize("missing", ["Rows", "Columns", "BitsAllocated", "PhotometricInterpretation", "PixelData"])
def test_missing_elements_are_named(missing):
    made = dataset()
    del made[missing]
    with pytest.raises(ImageError, match="holds no pixels" if missing == "PixelData" else f"does not say {missing}"):
        read(made)


def test_bombs_are_refused_before_they_are_inflated():
    """A compressed image larger than the data set says, and a deflated data set of a thousand times its size."""
    for stream, syntax in (
        (pillow(gradient(640, 640), "JPEG"), JPEGBaseline8Bit),
        (pillow(gradient(640, 640), "JPEG2000", no_jp2=True), JPEG2000Lossless),
    ):
        made = dataset(syntax=syntax)
        made.PixelData = encapsulate([stream])
        with pytest.raises(ImageError, match="says 24 × 32 pixels, its compressed image 640 × 640"):
            read(made)
    small = written(dataset(syntax=DeflatedExplicitVRLittleEndian))
    with pytest.raises(ImageError, match="inflates to more than 1,000 bytes"):
        read_dicom(small, "bomb.dcm", most_bytes=1000)


@pytest.mark.parametrize("path", OTHERS, ids=lambda each: each.name)
def test_dicom_by_others_gives_a_photograph_or_one_clear_line(path):
    content = path.read_bytes()
    found, told = read_or_told(content, path.name)
    if told is not None:
        assert str(told).startswith(f"{path.name}: ")
        assert "\n" not in str(told)
        assert told.fix
    else:
        assert found.photograph.pixels.dtype == np.uint8
        assert found.photograph.pixels.shape == (found.source.header.Rows, found.source.header.Columns, 3)


def test_of_the_others_as_many_decode_as_before():
    """Not only refused: whatever kind of image it is, its pixels decode, but for 14 known ones (see below)."""
    decoded, refused = 0, set()
    for path in OTHERS:
        try:
            image = read_dicom(path.read_bytes(), path.name)
            if "PixelData" in image and "Rows" in image:
                dicom_pixels(image, path.name, 1, most_pixels=50_000_000)
                decoded += 1
        except ImageError:
            if is_dicom(path.read_bytes()):
                refused.add(path.name)
    assert decoded >= 98
    assert refused <= {
        "JPEG-lossy.dcm",  # JPEG Extended of 12 bits, for which no decoder is installed
        "JPGExtended.dcm",
        "JPEG2000-embedded-sequence-delimiter.dcm",  # claims another size in its stream
        "MR_truncated.dcm",
        "badVR.dcm",
        "liver_1frame.dcm",  # segmentations: one bit a pixel
        "liver_expb_1frame.dcm",
        "meta_missing_tsyntax.dcm",
    }


def test_the_photographs_of_others_have_the_colours_that_were_drawn():
    """pydicom's SC_rgb files are one test card: its first rows are red, in every encoding of them."""
    cards = [each for each in OTHERS if each.name.startswith(("SC_rgb_dcmtk", "SC_rgb_rle", "SC_rgb_gdcm", "SC_ybr"))]
    assert len(cards) > 12
    for path in cards:
        found = dicom_photograph(path.read_bytes(), path.name, frame=1).photograph.pixels
        assert np.abs(found[5, 50].astype(int) - (255, 0, 0)).max() <= 2, path.name


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_ends_in_anything_but_a_clear_line(data):
    content = bytearray(written(dataset()))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(128, 700))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(600, len(content)))
    _, told = read_or_told(bytes(content[:cut]), "damaged.dcm")
    assert "\n" not in str(told)
    assert "Doe" not in str(told)


def test_reading_leaves_no_file_and_no_warning(tmp_path, recwarn):
    os.chdir(tmp_path)
    read(dataset(PatientAge="061Y"))
    assert list(tmp_path.iterdir()) == []
    assert not [each for each in recwarn if "pydicom" in str(each.filename)]
