"""Images and what is known of them: manifests, importers, splits, decoding, synthetic phantoms."""

from cutis.data.decoded import DecodedImages, cache_folder, content_key, decode_images
from cutis.data.describe import describe
from cutis.data.images import (
    IMAGE_SUFFIXES,
    Aspect,
    BadImage,
    Pixels,
    check_images,
    fit_image,
    image_paths,
    read_image,
)
from cutis.data.manifest import (
    FITZPATRICK_SKIN_TYPES,
    SCHEMA,
    SUBSETS,
    BadRow,
    check_manifest,
    known_columns,
    manifest_frame,
    read_manifest,
    read_table,
    write_manifest,
    write_table,
)
from cutis.data.phantom import (
    PHANTOM_SOURCE,
    PhantomImage,
    PhantomLesion,
    PhantomView,
    draw_phantom,
    make_phantoms,
    phantom_lesion,
    phantom_view,
)
from cutis.data.sources import SOURCES, Imported, Source, source
from cutis.data.sources.words import isic_anatom_site
from cutis.data.splits import absent_classes, check_split, read_ids, split

__all__ = [
    "FITZPATRICK_SKIN_TYPES",
    "IMAGE_SUFFIXES",
    "PHANTOM_SOURCE",
    "SCHEMA",
    "SOURCES",
    "SUBSETS",
    "Aspect",
    "BadImage",
    "BadRow",
    "DecodedImages",
    "Imported",
    "PhantomImage",
    "PhantomLesion",
    "PhantomView",
    "Pixels",
    "Source",
    "absent_classes",
    "cache_folder",
    "check_images",
    "check_manifest",
    "check_split",
    "content_key",
    "decode_images",
    "describe",
    "draw_phantom",
    "fit_image",
    "image_paths",
    "isic_anatom_site",
    "known_columns",
    "make_phantoms",
    "manifest_frame",
    "phantom_lesion",
    "phantom_view",
    "read_ids",
    "read_image",
    "read_manifest",
    "read_table",
    "source",
    "split",
    "write_manifest",
    "write_table",
]
