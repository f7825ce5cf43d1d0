"""A DICOM image's pixels as a photograph's: RGB, eight bits, upright as stored.

The way from stored values to what is shown is the standard's (PS3.3 C.11, PS3.4 N.2): modality and VOI transformation
for greys, the palette for indexed colours, RGB from whatever YBR, and the ICC profile to sRGB. Sizes are checked before
a decoder runs, in the data set and in the compressed stream itself, as the two may differ.
"""

import io
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array

from cutis.clinic.dicom_file import damage_told, value_of
from cutis.data import Pixels
from cutis.errors import ImageError

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # SOF0 … SOF15, and that of JPEG-LS


class _Layout(NamedTuple):
    rows: int
    columns: int
    samples: int
    photometric: str
    bits: int
    frames: int
    signed: bool


def frame_count(dataset: Dataset) -> int:
    """How many frames an image has; 1 where it does not say."""
    return int(value_of(dataset, "NumberOfFrames") or 1)


def dicom_pixels(dataset: Dataset, where: str, frame: int | None = None, *, most_pixels: int) -> Pixels:
    """One frame, decoded.

    Args:
        dataset: as :func:`cutis.clinic.dicom_file.read_dicom` gives it.
        where: what the file is called in an error.
        frame: which frame, from 1; needed where there are several.
        most_pixels: rows times columns that are decoded at most; checked before decoding.

    Returns:
        uint8 array, rows × columns × 3, RGB.

    Raises:
        ImageError: no pixels, too many, truncated or damaged, of a kind no photograph has, or several frames and none
            named.
    """
    with damage_told(where):
        layout = _layout(dataset, where, most_pixels)
        if frame is None and layout.frames > 1:
            raise ImageError(f"holds {layout.frames:,} frames", where=where, fix="Say which, from 1 on.")
        chosen = frame or 1
        if not 1 <= chosen <= layout.frames:
            raise ImageError(f"holds {layout.frames:,} frames, no frame {chosen}", where=where, fix="Name another.")
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            stream = get_frame(dataset.PixelData, chosen - 1, number_of_frames=layout.frames)
            told = _stream_size(stream)
            if told is not None and told != (layout.rows, layout.columns):
                raise ImageError(
                    f"says {layout.rows:,} × {layout.columns:,} pixels, its compressed image {told[0]:,} × {told[1]:,}",
                    where=where,
                    fix="Export it again.",
                )
    compression = dataset.file_meta.TransferSyntaxUID.name
    with damage_told(where, f"has pixels that are truncated, damaged or compressed as is not read: {compression}"):
        stored = pixel_array(dataset, index=chosen - 1)
        if layout.photometric in _GREY:
            shown = np.repeat(_grey(stored, dataset, layout)[:, :, None], 3, axis=2)
        elif layout.photometric == "PALETTE COLOR":
            table = apply_color_lut(stored, dataset)
            shown = _eight_bits(table[..., :3], 8 * table.dtype.itemsize)
        else:
            shown = _eight_bits(stored, layout.bits)
    if layout.photometric not in _GREY:
        shown = _in_srgb(shown, dataset, where)
    return np.ascontiguousarray(shown)


def _layout(dataset: Dataset, where: str, most_pixels: int) -> _Layout:
    def wrong(problem: str) -> ImageError:
        return ImageError(problem, where=where, fix="Export the photograph as 8-bit colour.")

    if "PixelData" not in dataset:
        raise ImageError("holds no pixels", where=where, fix="Name an image.")
    needed = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "PixelRepresentation")
    missing = [each for each in needed if value_of(dataset, each) is None]
    if missing:
        raise ImageError(f"does not say {', '.join(missing)}", where=where, fix="Export it again.")
    layout = _Layout(
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        samples=int(dataset.SamplesPerPixel),
        photometric=str(dataset.PhotometricInterpretation).strip().upper(),
        bits=int(value_of(dataset, "BitsStored") or dataset.BitsAllocated),
        frames=frame_count(dataset),
        signed=int(dataset.PixelRepresentation) == 1,
    )
    allocated = int(dataset.BitsAllocated)
    if layout.rows < 1 or layout.columns < 1 or layout.frames < 1:
        raise wrong(f"has {layout.rows} × {layout.columns} pixels in {layout.frames} frames")
    if layout.rows * layout.columns > most_pixels:
        raise ImageError(
            f"has {layout.columns:,} × {layout.rows:,} pixels; at most {most_pixels:,} are read",
            where=where,
            fix="Scale it down.",
        )
    if allocated not in (8, 16, 32) or not 1 < layout.bits <= allocated:
        raise wrong(f"stores {layout.bits} of {allocated} bits a value, which no photograph does")
    samples = {**dict.fromkeys((*_GREY, "PALETTE COLOR"), 1), **dict.fromkeys(_COLOUR, 3)}
    if layout.photometric not in samples:
        raise wrong("has a photometric interpretation that is not read")
    if samples[layout.photometric] != layout.samples:
        raise wrong(f"has {layout.samples} samples a pixel, which {layout.photometric} has not")
    return layout


def _stream_size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns by a JPEG, JPEG-LS or JPEG 2000 stream's own header; None for others, such as RLE."""
    start = stream.find(b"\xff\x4f\xff\x51")
    if start >= 0 and not stream.startswith(b"\xff\xd8"):  # JPEG 2000, possibly inside a JP2 box: its SIZ marker
        width, height, left, top = (
            int.from_bytes(stream[start + at : start + at + 4], "big") for at in (8, 12, 16, 20)
        )
        return height - top, width - left
    if not stream.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 < len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_FRAMES:
            return int.from_bytes(stream[at + 5 : at + 7], "big"), int.from_bytes(stream[at + 7 : at + 9], "big")
        else:
            at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


def _eight_bits(values: npt.NDArray[Any], bits: int) -> Pixels:
    if bits == 8:
        return np.asarray(values, dtype=np.uint8)
    return np.asarray(np.round(values.astype(np.float64) * (255 / (2**bits - 1))).clip(0, 255), dtype=np.uint8)


def _grey(stored: npt.NDArray[Any], dataset: Dataset, layout: _Layout) -> Pixels:
    """Stored greys as shown: modality transformation, then VOI table or window, else the whole range."""
    values = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64)
    center, width = (_first(value_of(dataset, each)) for each in ("WindowCenter", "WindowWidth"))
    if value_of(dataset, "VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        shown = np.asarray(apply_voi(values.astype(np.int64), dataset), dtype=np.float64) / (2**bits - 1)
    elif center is not None and width is not None:
        shown = _windowed(values, center, width, str(value_of(dataset, "VOILUTFunction") or "LINEAR").upper())
    else:
        span = (-(2 ** (layout.bits - 1)), 2 ** (layout.bits - 1) - 1) if layout.signed else (0, 2**layout.bits - 1)
        low, high = sorted(np.asarray(apply_modality_lut(np.array(span), dataset), dtype=np.float64))
        shown = (values - low) / (high - low)
    shown = shown.clip(0, 1)
    return np.asarray(np.round(255 * (1 - shown if layout.photometric == "MONOCHROME1" else shown)), dtype=np.uint8)


def _windowed(values: npt.NDArray[np.float64], center: float, width: float, function: str) -> npt.NDArray[np.float64]:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, to [0, 1]; a width of 1 is a threshold."""
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(-4 * (values - center) / width)))
    if function == "LINEAR_EXACT":
        return np.asarray((values - center) / width + 0.5)
    if width <= 1:
        return np.asarray(values > center - 0.5, dtype=np.float64)
    return np.asarray((values - (center - 0.5)) / (width - 1) + 0.5)


def _first(value: Any) -> float | None:
    """The first of several windows, which the standard makes alternatives."""
    if value is None:
        return None
    return float(value[0]) if hasattr(value, "__len__") and not isinstance(value, str) else float(value)


def _in_srgb(image: Pixels, dataset: Dataset, where: str) -> Pixels:
    profile = value_of(dataset, "ICCProfile")
    if profile is None:
        return image
    try:
        converted = ImageCms.profileToProfile(
            Image.fromarray(image), ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ImageError("has an ICC profile that cannot be used", where=where, fix="Export it without.") from error
    return np.asarray(converted)
