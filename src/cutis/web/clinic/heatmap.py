"""Heatmaps for the page and the API: Grad-CAM, made by torch in a process of its own.

Torch takes seconds to import and much memory, and holds up whoever shares its process. The process starts with the
first heatmap and ends when none was asked for in some minutes.
"""

import asyncio
import io
import signal
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cutis.clinic import Patient, Photograph
from cutis.data import Pixels, fit_image, manifest_frame
from cutis.errors import BundleError
from cutis.models import ImageSize, OnnxBundle
from cutis.web.refusals import Refusal

METHOD = "gradcam"

_IDLE_SECONDS = 300
_LONGER_SIDE = 768  # of the picture under the map, pixels
_ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Where the network looked.

    Attributes:
        node: the class, or node of the tree, that is explained.
        name: the same, to read.
        probability: of it, calibrated.
        method: the method's title.
        told: what its map tells, in an English sentence.
        unclear: whether the map points nowhere: it is 0 everywhere, or nothing in it speaks for the diagnosis.
        overlay: PNG: the map over the photograph in grey, upright, with the longer side at 768 pixels at most.
        map: PNG, of the network's resolution, grey: 128 no influence, 255 what speaks most for it, 1 as much against.
        scale: PNG: the colour scale of ``overlay``, from what speaks most against to what speaks most for.
    """

    node: str
    name: str
    probability: float
    method: str
    told: str
    unclear: bool
    overlay: bytes
    map: bytes
    scale: bytes


class HeatmapProcess:
    """Makes heatmaps one at a time in another process.

    Args:
        bundle: the model that answers.
        folder: where it lies; None: it is the one that comes with cutis.
        seconds: for one, with the start of the process.
        most_waiting: that wait or are made at the same time.
    """

    def __init__(self, bundle: OnnxBundle, folder: Path | None, seconds: float, most_waiting: int) -> None:
        self._image = bundle.image
        self._weights = str(bundle.about.get("weights_sha256"))
        self._folder = folder
        self._seconds = seconds
        self._most_waiting = most_waiting
        self._waiting = 0
        self._pool: Any = None

    async def heatmap(self, photograph: Photograph, patient: Patient, node: str | None) -> Heatmap:
        """See :meth:`cutis.web.clinic.engine.Engine.heatmap`."""
        if self._waiting >= self._most_waiting:
            raise Refusal(503, "server-busy", back="/")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                image, picture, turned = await asyncio.to_thread(_views, photograph.pixels, self._image)
                columns = patient.columns()
                work = self._started().submit(
                    drawn, self._folder, self._weights, image, picture, columns, node, turned=turned
                )
                return await asyncio.wrap_future(work)
        except TimeoutError as error:
            await asyncio.to_thread(self.close)  # whatever holds it up; the next heatmap starts a fresh process
            raise Refusal(504, "took-too-long", back="/") from error
        except BrokenExecutor as error:  # killed, perhaps for want of memory
            await asyncio.to_thread(self.close)
            raise Refusal(503, "server-busy", back="/") from error
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the process, whatever it does."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=True)

    def _started(self) -> Executor:
        if self._pool is None:
            from loky import ProcessPoolExecutor  # noqa: PLC0415 - only where a heatmap is asked for

            self._pool = ProcessPoolExecutor(1, timeout=_IDLE_SECONDS, initializer=_left_alone, env=_ALONE)
        pool: Executor = self._pool
        return pool


def drawn(
    folder: Path | None,
    weights: str,
    image: Pixels,
    picture: Pixels,
    patient: dict[str, object],
    node: str | None,
    *,
    turned: bool,
) -> Heatmap:
    """Make a heatmap; runs in the process of its own.

    Args:
        folder: of the bundle.
        weights: hash of the weights that answer; others explain nothing.
        image: of the bundle's decoded size.
        picture: the same view, larger, to draw on.
        patient: columns of a manifest.
        node: what to explain.
        turned: whether the view is the photograph turned by a quarter.

    Raises:
        BundleError: the bundle in the folder is another one by now.
        TaxonomyError: ``node`` cannot be explained.
    """
    from cutis.explanation import METHODS, colour_scale, explain_images, laid_over, strength  # noqa: PLC0415
    from cutis.models import calibrated_predictions, network_outputs  # noqa: PLC0415

    bundle = _loaded(folder)
    if bundle.about["weights_sha256"] != weights:
        raise BundleError("is not the bundle that answers", where=str(folder), fix="Start the server again.")
    manifest = manifest_frame([{"image_id": "photograph", **patient}])
    outputs = network_outputs(bundle, manifest, [image], [""], None)
    predictions = calibrated_predictions(bundle, manifest, outputs)
    (found,) = explain_images(
        bundle, manifest, methods=[METHOD], node=node, images=[image], predictions=predictions, batch_size=1
    )
    method = METHODS[METHOD]
    values, _ = strength(found.maps[METHOD], method)
    over = laid_over(picture, found.maps[METHOD], method)
    grey = np.round(128 + 127 * values).astype(np.uint8)
    if turned:
        over, grey = np.rot90(over, -1), np.rot90(grey, -1)
    return Heatmap(
        node=found.target.node,
        name=found.target.name,
        probability=min(1.0, found.probability),
        method=method.title,
        told=method.told,
        unclear=bool(values.max() <= 0),
        overlay=_png(over),
        map=_png(grey),
        scale=_png(colour_scale(260, 16, signed=method.signed)),
    )


def _views(pixels: Pixels, size: ImageSize) -> tuple[Pixels, Pixels, bool]:
    """The photograph at the bundle's size, the same view larger, and whether both are turned by a quarter."""
    height, width = size.decoded
    image = fit_image(pixels, height, width, size.aspect)
    turned = (pixels.shape[0] - pixels.shape[1]) * (height - width) < 0
    if size.aspect == "stretch":  # to be seen as it is, not stretched
        height, width = pixels.shape[1::-1] if turned else pixels.shape[:2]
    scale = min(_LONGER_SIDE / max(height, width), max(1.0, max(pixels.shape[:2]) / max(height, width)))
    picture = fit_image(pixels, max(1, round(height * scale)), max(1, round(width * scale)), size.aspect)
    return image, picture, turned


@cache
def _loaded(folder: Path | None) -> Any:
    from cutis.models import load_bundle  # noqa: PLC0415 - imports torch

    return load_bundle(folder)


def _left_alone() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends this process itself


def _png(pixels: Pixels) -> bytes:
    from PIL import Image  # noqa: PLC0415

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG")
    return out.getvalue()
