"""Pictures as DICOM: a photograph that came as JPEG or PNG, a map laid over one, and where the map is strong.

A picture of a DICOM source lies in its study, in a series of its own; of any other file, in a study of its own with no
patient's name, as none is known.
"""

from typing import Literal

import highdicom as hd
import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from highdicom.seg import Segmentation
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from cutis import __version__
from cutis.clinic.answer import Patient, Photograph
from cutis.clinic.dicom_identity import CODING_SCHEME, DESCRIPTION, MANUFACTURER, checked_source, uid_of
from cutis.clinic.dicom_reading import DicomSource
from cutis.clinic.wording import STATEMENT, model_version
from cutis.data import Pixels
from cutis.errors import ImageError
from cutis.models import BundleFacts

_ASKED_FOR = ("L", "F")  # highdicom wants a direction; a photograph of the skin has none, so it is emptied after
_SEXES: dict[str | None, Literal["F", "M", ""]] = {"female": "F", "male": "M", None: ""}


def dicom_picture(photograph: Photograph, patient: Patient) -> SCImage:
    """A photograph as a Secondary Capture in a study of its own, without anybody's identity.

    Args:
        photograph: as decoded.
        patient: age and sex are written where they are known.
    """
    picture = SCImage(
        pixel_array=photograph.pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=_ASKED_FOR,
        study_instance_uid=uid_of("study", photograph.key),
        series_instance_uid=uid_of("series", photograph.key),
        series_number=1,
        sop_instance_uid=uid_of("photograph", photograph.key),
        instance_number=1,
        manufacturer=MANUFACTURER,
        patient_sex=_SEXES[patient.sex],
        software_versions=f"cutis {__version__}",
        specific_character_set="ISO_IR 192",
    )
    picture.add_new(
        "PatientOrientation", "CS", None
    )  # which way is up and which side of the body it is: unknown, as type 2C may be
    picture.add_new("Laterality", "CS", None)
    if patient.age is not None:
        picture.PatientAge = f"{patient.age:03d}Y"
    return picture


def source_of(picture: SCImage) -> DicomSource:
    """The source that a report on a picture made here refers to."""
    header = Dataset()
    header.update({each.tag: each for each in picture if each.keyword != "PixelData"})
    return DicomSource(header, 1, 1, ())


def dicom_overlay(overlay: Pixels, bundle: BundleFacts, source: DicomSource, key: str, method: str) -> SCImage:
    """A map laid over its photograph, as a derived Secondary Capture in the source's study.

    Args:
        overlay: uint8, height × width × 3, with the legend that says what it shows.
        bundle: the model.
        source: the instance it was made of.
        key: hash of the photograph's file.
        method: the map's, in words.

    Raises:
        ImageError: the source has no UIDs to refer to.
    """
    header = checked_source(source.header, "overlay")
    parts = (key, str(source.frame), str(header.SOPInstanceUID), str(bundle.about["weights_sha256"]), method)
    picture = SCImage.from_ref_dataset(
        ref_dataset=header,
        pixel_array=overlay,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=_ASKED_FOR,
        series_instance_uid=uid_of("overlay series", *parts),
        series_number=9002,
        sop_instance_uid=uid_of("overlay", *parts),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=bundle.name,
        software_versions=model_version(bundle),
        series_description=DESCRIPTION,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    picture.add_new(
        "PatientOrientation", "CS", None
    )  # which way is up and which side of the body it is: unknown, as type 2C may be
    picture.add_new("Laterality", "CS", None)
    picture.BurnedInAnnotation = "NO"
    picture.ImageComments = STATEMENT
    picture.DerivationDescription = f"{method}, laid over the photograph"
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [hd.sr.CodedConcept(*codes.DCM.SourceImageForImageProcessingOperation)]
    if source.frames > 1:
        item.ReferencedFrameNumber = source.frame
    picture.SourceImageSequence = [item]
    return picture


def dicom_segmentation(
    heat: npt.NDArray[np.floating], threshold: float, bundle: BundleFacts, source: DicomSource, key: str, method: str
) -> Segmentation:
    """Where a map reaches ``threshold``, as a binary segmentation of the source.

    Args:
        heat: rows × columns of the source's frame.
        threshold: in the map's own units.
        bundle: the model.
        source: the instance the map was made of.
        key: hash of the photograph's file.
        method: the map's, in words.

    Raises:
        ImageError: the source has no UIDs to refer to, or is of another size.
    """
    header = checked_source(source.header, "segmentation")
    if heat.shape != (header.Rows, header.Columns):
        raise ImageError(f"is {header.Rows} × {header.Columns}, the map {heat.shape}", fix="Scale the map to it.")
    weights = str(bundle.about["weights_sha256"])
    parts = (key, str(source.frame), str(header.SOPInstanceUID), weights, method, str(threshold))
    made = Segmentation(
        source_images=[header],
        pixel_array=(heat >= threshold).astype(np.uint8)[None],
        segmentation_type="BINARY",
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=1,
                segment_label="Map above its threshold",
                segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
                segmented_property_type=hd.sr.CodedConcept(
                    "map-above", CODING_SCHEME, "Map above a threshold", __version__
                ),
                algorithm_type="AUTOMATIC",
                algorithm_identification=hd.AlgorithmIdentificationSequence(
                    name=method, family=codes.DCM.ArtificialIntelligence, version=model_version(bundle)
                ),
            )
        ],
        series_instance_uid=uid_of("segmentation series", *parts),
        series_number=9003,
        sop_instance_uid=uid_of("segmentation", *parts),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=bundle.name,
        software_versions=model_version(bundle),
        device_serial_number=weights[:16],
        content_description=DESCRIPTION,
        series_description=DESCRIPTION,
    )
    made.add_new("PatientOrientation", "CS", None)
    return made
