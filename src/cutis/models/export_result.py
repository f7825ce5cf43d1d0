"""What an export found: ``export.json`` in its parts."""

from pydantic import Field

from cutis.evaluation import Estimate, Part
from cutis.models.onnx_network import Precision


class Timing(Part):
    """Milliseconds that single images took, one after the other: their file decoded, resized, and through the network.

    ``p50`` and ``p99`` are of the whole; ``decode``, ``resize`` and ``network`` are the parts' own medians. The
    network sees each image in ``views`` mirror images, in one run.
    """

    views: int
    images: int
    threads: int
    photograph: tuple[int, int]
    """Median height and width of the files' pictures, in pixels."""
    p50: float
    p99: float
    decode: float
    resize: float
    network: float


class Agreement(Part):
    """How far a network's answers to N validation images are from torch's.

    ``largest_difference`` and ``mean_difference`` are of a probability, over images and classes;
    ``same_first_diagnosis`` is the share of images whose most probable class is torch's;
    ``change`` is the balanced accuracy less torch's, its interval from the same resampled cases.
    """

    largest_difference: float
    mean_difference: float
    same_first_diagnosis: float
    balanced_accuracy: Estimate
    change: Estimate
    largest_unfamiliarity_difference: float | None = None
    mean_unfamiliarity_difference: float | None = None


class Parity(Agreement):
    """One file of an export: what it is, how far it is from torch, and how long an image takes."""

    precision: Precision
    file: str
    sha256: str
    bytes: int = Field(ge=1)
    convolutions_in_fp32: int | None = None
    """Of int8: how many of the first convolutions are left in single precision."""
    timings: tuple[Timing, ...]


class CalibrationImages(Part):
    """The training images that the ranges of int8 come from, by the diagnosis their data set gives."""

    images: int
    diagnoses: dict[str, int]


class Export(Part):
    """What ``export.json`` holds.

    Attributes:
        model: its name.
        weights_sha256: of the bundle.
        images: validation images that were compared.
        labelled_images: those of them that are of one class, which the balanced accuracy is of.
        cases: what was resampled for intervals, by kind.
        balanced_accuracy: torch's.
        precisions: each file.
        limit: the largest difference of a probability that what serves may have.
        serves: the file that answers from this folder; ``torch`` where there is none.
        not_served: why what was asked for does not serve; empty if it does or nothing was asked for.
        served_despite: what spoke against what serves, and was overruled.
    """

    model: str
    weights_sha256: str
    made_at: str
    cutis: str
    onnxruntime: str
    machine: str
    images: int
    labelled_images: int
    cases: dict[str, int]
    balanced_accuracy: Estimate
    calibration: CalibrationImages | None
    precisions: tuple[Parity, ...]
    limit: float
    serves: str
    not_served: tuple[str, ...] = ()
    served_despite: tuple[str, ...] = ()
