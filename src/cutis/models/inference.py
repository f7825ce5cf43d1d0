"""Running a classifier over images: batches, test-time views, precision."""

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cutis.data import DecodedImages, Pixels, network_input
from cutis.models.classifier import LesionClassifier


def best_device() -> torch.device:
    """The GPU if there is one, else the CPU; ``$CUTIS_DEVICE`` overrides."""
    named = os.environ.get("CUTIS_DEVICE")
    return torch.device(named or ("cuda" if torch.cuda.is_available() else "cpu"))


def keep_memory() -> None:
    """Ask glibc to keep freed memory instead of giving each tensor's pages back to the system.

    On a CPU a training step frees and takes gigabytes; faulting those pages in again costs a third to a half of the
    step (EfficientNet-Lite0, batch of 32 at 192 × 256 on 2 cores: 15 images a second without, 30 with).
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # musl has none
            trim_threshold, mmap_threshold = -1, -3
            libc.mallopt(mmap_threshold, 1 << 30)
            libc.mallopt(trim_threshold, (1 << 31) - 1)


def to_input(images: "list[Pixels] | npt.NDArray[np.uint8]", device: torch.device) -> Tensor:
    """Decoded images of one size as network input: float32 N × 3 × height × width in [0, 1], channels last."""
    batch = torch.from_numpy(np.ascontiguousarray(np.stack(list(images)))).to(device, non_blocking=True)
    return batch.permute(0, 3, 1, 2).float().div_(255).contiguous(memory_format=torch.channels_last)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision as the recipe names it: ``"float32"`` or ``"bfloat16"``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def keep_depthwise_in_float32(model: nn.Module) -> None:
    """Compute depthwise convolutions in float32 under bfloat16: on a CPU their bfloat16 backward is far slower."""
    for each in model.modules():
        if isinstance(each, nn.Conv2d) and each.groups > 1:
            each.forward = _in_float32(each.forward)  # type: ignore[method-assign, assignment]


def _in_float32(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def wrapped(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    return wrapped


def predict_logits(
    model: LesionClassifier,
    images: Sequence[Pixels] | DecodedImages,
    patient: npt.NDArray[np.int64] | None,
    size: tuple[int, int],
    *,
    views: int = 1,
    precision: str = "float32",
    batch_size: int = 32,
    device: torch.device | None = None,
    progress: Callable[[int], None] | None = None,
    read_features: Callable[[npt.NDArray[np.float32]], None] | None = None,
) -> npt.NDArray[np.float64]:
    """Logits of every image, averaged over its views.

    Args:
        model: put into evaluation mode here.
        images: N decoded images.
        patient: int64 N × F codes, or None if the model takes none.
        size: the network's input, height × width.
        views: 1 as it is; 2 and its left–right mirror image; 4 both mirrors and the half-turn.
        precision: ``"float32"`` or ``"bfloat16"``.
        batch_size: images at a time.
        device: where to run; :func:`best_device` when None.
        progress: called with the number of images just finished.
        read_features: called with each batch's image features (n × ``model.image_width``), averaged over the views.

    Returns:
        float64, N × K.
    """
    device = device or best_device()
    model = model.to(device).eval()
    flips = [(), (3,), (2,), (2, 3)][:views]
    logits = np.empty((len(images), model.head.out_features))
    starts = range(0, len(images), batch_size)

    def read(start: int) -> list[Pixels]:
        return [network_input(images[i], *size) for i in range(start, min(start + batch_size, len(images)))]

    with ThreadPoolExecutor(1) as pool, torch.inference_mode(), autocast(precision, device):
        coming = pool.submit(read, 0) if len(images) else None
        for start in starts:
            assert coming is not None
            batch = to_input(coming.result(), device)
            if start + batch_size < len(images):
                coming = pool.submit(read, start + batch_size)
            codes = None if patient is None else torch.from_numpy(patient[start : start + batch_size]).to(device)
            features = [model.features(batch.flip(dims) if dims else batch, codes) for dims in flips]
            total = sum(model.head(each).float() for each in features)
            assert isinstance(total, Tensor)
            if read_features:
                read_features(torch.stack(features)[..., : model.image_width].float().mean(dim=0).cpu().numpy())
            logits[start : start + len(batch)] = (total / len(flips)).cpu().numpy()
            if progress:
                progress(len(batch))
    return logits
