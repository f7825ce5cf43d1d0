"""Cases like this one: photographs of known diagnosis that the network sees as nearest, from a library of the clinic's.

They are what ``cutis embed`` wrote, with their pictures; whoever may use the page may see them. Nothing is kept of the
photograph that is asked about.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cutis.clinic import Photograph
from cutis.data import fit_image
from cutis.errors import CutisError, listed
from cutis.explanation import read_map, seen_pictures
from cutis.models import OnnxBundle
from cutis.web.thumbnails import thumbnail_jpeg

MOST = 6
"""Cases on a page: a row or two, which a doctor takes in at a look."""

_KEPT = 512  # thumbnails in memory, of some 15 kB


@dataclass(frozen=True)
class SimilarCase:
    """A case of the library.

    Attributes:
        case: its place in the library, by which its picture is asked for.
        image_id: its name in its data set.
        source: the data set; empty where it is not known.
        class_id: the model's class that holds it; None where none does.
        name: its diagnosis.
        malignancy: of that class; empty where none holds it.
        confirmed: how the diagnosis was confirmed, in the ISIC archive's words; empty where it is not known.
        similarity: cosine of the two images' features, 1 at most.
        learnt: whether the model learnt from this image.
    """

    case: int
    image_id: str
    source: str
    class_id: str | None
    name: str
    malignancy: str
    confirmed: str
    similarity: float
    learnt: bool


class SimilarCases:
    """The library, as one network sees it.

    Args:
        bundle: the network.
        folder: a map that ``cutis embed`` wrote with the same network.

    Raises:
        CutisError: no such map, one of another network, or photographs of it that are gone, named together.
    """

    def __init__(self, bundle: OnnxBundle, folder: Path) -> None:
        library = read_map(folder).library
        library.check_network(str(bundle.about.get("weights_sha256")), bundle.name)
        known = np.flatnonzero(library.cases["named_diagnosis"].is_not_null().to_numpy())
        if len(known) == 0:
            raise CutisError("holds no case of known diagnosis", where=str(folder), fix="Embed images with diagnoses.")
        self._bundle = bundle
        self._library = library.chosen(known)
        self._library.unit  # noqa: B018 - reckoned now, not for the first visitor
        self._paths = self._library.cases["image_path"].to_list()
        gone = [str(path) for path in self._paths if path is None or not Path(path).is_file()]
        if gone:
            raise CutisError(
                f"{len(gone):,} of {len(self):,} photographs are gone: {listed(gone)}",
                where=str(folder),
                fix="Put them back, or make the map anew with `cutis embed`.",
            )
        self._picture = lru_cache(_KEPT)(thumbnail_jpeg)

    def __len__(self) -> int:
        return len(self._library)

    def nearest(self, photograph: Photograph) -> list[SimilarCase]:
        """The cases most alike, the nearest first: one a lesion, and not the photograph's own file."""
        height, width = self._bundle.image.decoded
        fitted = fit_image(photograph.pixels, height, width, self._bundle.image.aspect)
        query = seen_pictures(self._bundle, [fitted], ["sent"], [photograph.key])
        found = self._library.nearest(query, MOST)
        return [
            self._case(int(row), float(alike))
            for row, alike in zip(found.row[0], found.similarity[0], strict=True)
            if row >= 0
        ]

    def jpeg(self, case: int) -> bytes:
        """A case's picture, small.

        Raises:
            IndexError: there is no such case.
            ImageError: its file is gone or damaged.
        """
        if not 0 <= case < len(self):
            raise IndexError(case)
        return self._picture(Path(self._paths[case]))

    def _case(self, row: int, similarity: float) -> SimilarCase:
        case = self._library.cases.row(row, named=True)
        class_id = self._bundle.classes.assign(case["diagnosis_node"], case["source_diagnosis"])
        return SimilarCase(
            case=row,
            image_id=case["image_id"],
            source=case["source"] or "",
            class_id=class_id,
            name=case["named_diagnosis"],
            malignancy="" if class_id is None else self._bundle.classes[class_id].malignancy,
            confirmed=case["diagnosis_confirm_type"] or "",
            similarity=min(1.0, similarity),
            learnt=case["seen_in_training"] not in (None, "no"),
        )
