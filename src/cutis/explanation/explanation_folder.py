"""The folder that explanations are written to, an image at a time, so that any number of them needs no memory.

``images/`` (a PNG a map: the photograph and the map over it, with legend and scale) · ``explanations.parquet`` (a row a
map; the columns are the fields of :class:`MapRecord`) · ``maps.npz``, optional: the maps themselves, each a float32
array h × w under the name that the column ``map`` gives, e.g. ``numpy.load("maps.npz")["ISIC_0024306/gradcam"]``;
values are in log-odds of the target, positive for it, and are not scaled. ``biopsy.parquet``, where sites were asked
for: a row an image.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image

from cutis.data import Pixels
from cutis.errors import CutisError, listed

_TABLE = "explanations.parquet"
_MAPS = "maps.npz"
_BIOPSY = "biopsy.parquet"
_PAGE = "index.html"
_PICTURES = "images"


@dataclass(frozen=True)
class MapRecord:
    """One map of one image: a row of ``explanations.parquet``.

    Attributes:
        image_id: of the manifest; the file's name where photographs were named.
        source: the data set.
        method: its name.
        target: the class or node that is explained.
        target_name: the same, to read.
        probability: of the target, calibrated.
        answer: the id of the most probable class.
        strongest: what is 1 on the colour scale, in log-odds (:func:`cutis.explanation.strength`); 0 where the map is 0
            everywhere.
        lesion: ``recorded`` (the manifest's mask), ``estimated`` or ``not found``.
        on_lesion: share of what speaks for the target that lies on the lesion, 0 to 1; None where nothing does. So for
            ``on_rim`` (skin that borders on it), ``on_hair``, ``on_ink``, ``on_ruler``, ``on_dark_corner``,
            ``on_border`` (of the image) and ``on_skin`` (all else): :data:`cutis.explanation.AREAS`.
        listed: whether so much lies on hair, ink, a ruler, a dark corner or the border that a person should look
            (:func:`cutis.explanation.shortcut_cases`); only where what is explained holds the answer.
        listed_for: why, in words; empty where not.
        seen_in_training: what of the image the model was trained on, as predictions tell it.
        unfamiliarity: how strange the image is to the model; None where the bundle cannot say.
        picture: the PNG, relative to the folder.
        map: the name in ``maps.npz``; None where maps are not kept.
    """

    image_id: str
    source: str | None
    method: str
    target: str
    target_name: str
    probability: float
    answer: str
    strongest: float
    lesion: str
    on_lesion: float | None
    on_rim: float | None
    on_hair: float | None
    on_ink: float | None
    on_ruler: float | None
    on_dark_corner: float | None
    on_border: float | None
    on_skin: float | None
    listed: bool
    listed_for: str
    seen_in_training: str | None
    unfamiliarity: float | None
    picture: str
    map: str | None


_SCHEMA: dict[str, pl.DataType] = {
    name: pl.Boolean()
    if name == "listed"
    else pl.Float64()
    if name.startswith("on_") or name in ("probability", "strongest", "unfamiliarity")
    else pl.String()
    for name in MapRecord.__dataclass_fields__
}


def check_explanation_target(folder: str | Path) -> None:
    """Raise CutisError if explanations may not be written to ``folder`` because something else lies there."""
    folder = Path(folder)
    if folder.is_file():
        raise CutisError("is a file, a folder was to be written", where=str(folder), fix="Name another with -o.")
    there = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    others = [each for each in there if each not in (_TABLE, _MAPS, _BIOPSY, _PAGE, _PICTURES)]
    if there and (others or _TABLE not in there):
        what = f"holds something else than explanations: {listed(others or there)}"
        raise CutisError(what, where=str(folder), fix="Name another folder with -o.")


class ExplanationFolder:
    """Writes explanations into a folder as they come; :meth:`finish` writes the table, last.

    Args:
        folder: an empty folder, which takes its place when all is done (:func:`cutis.files.replacing_folder`).
        with_maps: whether to keep the maps themselves.
    """

    def __init__(self, folder: str | Path, *, with_maps: bool = False) -> None:
        self.folder = Path(folder)
        (self.folder / _PICTURES).mkdir()
        self._maps = ZipFile(self.folder / _MAPS, "w", ZIP_DEFLATED, compresslevel=1) if with_maps else None
        self._records: list[MapRecord] = []
        self._stems: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._maps:
            self._maps.close()

    def stem(self, image_id: str) -> str:
        """A file name for an image, another one at each call: its id, without what not every disk takes."""
        plain = re.sub(r"[^\w.-]+", "_", image_id).strip("._")[:100] or "image"
        number = self._stems[plain.lower()] = self._stems.get(plain.lower(), 0) + 1
        if number == 1:
            return plain
        return self.stem(f"{plain}_{number}")

    def picture(self, name: str, picture: Pixels) -> str:
        """Write a picture as a PNG; gives its place relative to the folder."""
        place = f"{_PICTURES}/{name}.png"
        Image.fromarray(picture).save(self.folder / place, compress_level=4)
        return place

    def map(self, name: str, attribution: npt.NDArray[np.float32]) -> str | None:
        """Keep a map under a name; gives it back, or None where maps are not kept."""
        if self._maps is None:
            return None
        with self._maps.open(f"{name}.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array(entry, np.ascontiguousarray(attribution, dtype=np.float32), allow_pickle=False)
        return name

    def record(self, record: MapRecord) -> None:
        """Add a row to the table."""
        self._records.append(record)

    @property
    def page(self) -> Path:
        """Where the page is to be written."""
        return self.folder / _PAGE

    def finish(self, sites: pl.DataFrame | None = None) -> pl.DataFrame:
        """Write the table, and that of suggested sites where there is one; gives the table."""
        if self._maps:
            self._maps.close()
        table = pl.DataFrame([vars(each) for each in self._records], schema=_SCHEMA)
        table.write_parquet(self.folder / _TABLE)
        if sites is not None:
            sites.write_parquet(self.folder / _BIOPSY)
        return table


def explanation_files(folder: str | Path) -> list[Path]:
    """The page, the tables and the maps that a folder of explanations holds; not the pictures."""
    places = (Path(folder) / each for each in (_PAGE, _TABLE, _BIOPSY, _MAPS))
    return [each for each in places if each.exists()]
