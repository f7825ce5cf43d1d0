"""An image library that two people annotate, and a third adjudicates: diagnosis, confirmation, quality and boxes.

Every version of an annotation is kept in a hash-chained history. Needs the extra ``study`` (a database).
"""

from cutis.annotation.agreement import AnnotatorAgreement, Figure, annotator_agreement
from cutis.annotation.browse import (
    NO_DIAGNOSIS,
    Filters,
    ImagesPage,
    Place,
    Progress,
    ShownImage,
    diagnosis_counts,
    facets,
    images_page,
    place_of,
)
from cutis.annotation.coco import read_coco, write_coco
from cutis.annotation.content import CONFIRM_TYPES, LONGEST_NOTE, MOST_BOXES, QUALITIES, Annotation, Box, Size
from cutis.annotation.errors import AccessError, AnnotationError, ChainError, ConflictError, LibraryError
from cutis.annotation.history import Change, Verified, box_words, image_history, verify
from cutis.annotation.importing import ImportedAnnotations, import_annotations
from cutis.annotation.label_studio import read_label_studio
from cutis.annotation.labelled import Labelled
from cutis.annotation.library import Library, create_library, opened_library
from cutis.annotation.manifest_export import ExportedManifest, export_manifest
from cutis.annotation.pascal_voc import read_pascal_voc, write_pascal_voc
from cutis.annotation.people import Person, Role, invite, join, list_people, person_of, sign_out
from cutis.annotation.saving import AnnotatedImage, Kept, Saved, annotated_image, save
from cutis.annotation.search import Found, search_diagnoses
from cutis.annotation.settled_images import SettledImage, settled_images
from cutis.annotation.settlement import PARTS, Settlement, State, box_iou, settle
from cutis.annotation.status import LibraryStatus, library_status

__all__ = [
    "CONFIRM_TYPES",
    "LONGEST_NOTE",
    "MOST_BOXES",
    "NO_DIAGNOSIS",
    "PARTS",
    "QUALITIES",
    "AccessError",
    "AnnotatedImage",
    "Annotation",
    "AnnotationError",
    "AnnotatorAgreement",
    "Box",
    "ChainError",
    "Change",
    "ConflictError",
    "ExportedManifest",
    "Figure",
    "Filters",
    "Found",
    "ImagesPage",
    "ImportedAnnotations",
    "Kept",
    "Labelled",
    "Library",
    "LibraryError",
    "LibraryStatus",
    "Person",
    "Place",
    "Progress",
    "Role",
    "Saved",
    "SettledImage",
    "Settlement",
    "ShownImage",
    "Size",
    "State",
    "Verified",
    "annotated_image",
    "annotator_agreement",
    "box_iou",
    "box_words",
    "create_library",
    "diagnosis_counts",
    "export_manifest",
    "facets",
    "image_history",
    "images_page",
    "import_annotations",
    "invite",
    "join",
    "library_status",
    "list_people",
    "opened_library",
    "person_of",
    "place_of",
    "read_coco",
    "read_label_studio",
    "read_pascal_voc",
    "save",
    "search_diagnoses",
    "settle",
    "settled_images",
    "sign_out",
    "verify",
    "write_coco",
    "write_pascal_voc",
]
