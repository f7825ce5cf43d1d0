"""Agreement of the two annotators on the images that both have annotated.

Intervals are 95 %: Wilson's for shares, with the effective number of images, and percentiles of a bootstrap for the
others. Both go by patients (else lesions, else images): several images of one patient are not independent.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sqlalchemy import Connection, select

from cutis.annotation.content import Annotation
from cutis.annotation.library import Library
from cutis.annotation.saving import annotation_from
from cutis.annotation.settlement import paired_boxes
from cutis.annotation.tables import ImageRow, KeptRow, PersonRow
from cutis.evaluation import clustered_bootstrap, clustered_wilson_interval, cohen_kappa, percentile_interval

RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


class Figure(NamedTuple):
    """A figure with its interval, and on how many images it rests; NaN where it is not defined."""

    value: float
    low: float
    high: float
    images: int


class AnnotatorAgreement(NamedTuple):
    """How the two agree. ``images``: both have annotated.

    ``*_percent``: shares, 0 to 1. ``*_kappa``: Cohen's (1960); no diagnosis, or no confirmation, counts as a category
    of its own. ``mean_iou``: over images with a box of either; an image's is the sum over its best paired boxes by the
    greater number of boxes, so that a box without a partner counts 0. ``boxes_percent``: share of these images whose
    boxes all pair off at the library's limit.
    """

    images: int
    diagnosis_percent: Figure
    diagnosis_kappa: Figure
    confirmation_percent: Figure
    confirmation_kappa: Figure
    mean_iou: Figure
    boxes_percent: Figure


def annotator_agreement(library: Library) -> AnnotatorAgreement:
    """How the two annotators agree, adjudicated or not."""
    pairs = library.database.read(_pairs)
    clusters = [cluster for cluster, *_ in pairs]
    nodes = [(one.node or "", two.node or "") for _, one, two in pairs]
    confirmed = [(one.confirm_type or "", two.confirm_type or "") for _, one, two in pairs]
    with_boxes = [(cluster, one, two) for cluster, one, two in pairs if one.boxes or two.boxes]
    overlaps = np.array([_overlap(one, two) for _, one, two in with_boxes], dtype=np.float64)
    agreed = [_boxes_agree(one, two, library.iou) for _, one, two in with_boxes]
    box_clusters = [cluster for cluster, *_ in with_boxes]
    return AnnotatorAgreement(
        len(pairs),
        _share([one == two for one, two in nodes], clusters),
        kappa_of(nodes, clusters),
        _share([one == two for one, two in confirmed], clusters),
        kappa_of(confirmed, clusters),
        _mean(overlaps, box_clusters),
        _share(agreed, box_clusters),
    )


def kappa_of(answers: list[tuple[str, str]], clusters: list[str]) -> Figure:
    """Cohen's kappa of pairs of answers with its bootstrap interval; NaN where all answers are one category."""
    if not answers:
        return Figure(math.nan, math.nan, math.nan, 0)
    names = sorted({each for pair in answers for each in pair})
    number = {each: k for k, each in enumerate(names)}
    count = len(names)
    cells = [number[one] * count + number[two] for one, two in answers]
    # Which cell of the table an image stands in: a product with the weights then counts all resamples at once.
    member = csr_array((np.ones(len(cells)), (cells, range(len(cells)))), shape=(count * count, len(cells)))

    def kappas(weights: Floats) -> dict[str, Floats]:
        return {"kappa": cohen_kappa((member @ weights).T.reshape(-1, count, count))}

    value = float(kappas(np.ones((len(cells), 1)))["kappa"][0])
    resampled = clustered_bootstrap(kappas, clusters, resamples=RESAMPLES, width=count * count)["kappa"]
    low, high = percentile_interval(resampled)
    return Figure(value, float(low), float(high), len(answers))


def _pairs(connection: Connection) -> list[tuple[str, Annotation, Annotation]]:
    annotators = connection.execute(
        select(PersonRow.id).where(PersonRow.role == "annotator").order_by(PersonRow.id)
    ).scalars()
    one, two = (
        {
            image: (cluster, content)
            for image, cluster, content in connection.execute(
                select(KeptRow.image_id, ImageRow.cluster, KeptRow.content)
                .join(ImageRow, ImageRow.id == KeptRow.image_id)
                .where(KeptRow.person_id == person)
                .order_by(KeptRow.image_id)
            )
        }
        for person in annotators
    )
    return [
        (cluster, annotation_from(content), annotation_from(two[image][1]))
        for image, (cluster, content) in one.items()
        if image in two
    ]


def _overlap(one: Annotation, two: Annotation) -> float:
    pairs = paired_boxes(one.boxes, two.boxes)
    return sum(each.iou for each in pairs) / max(len(one.boxes), len(two.boxes))


def _boxes_agree(one: Annotation, two: Annotation, iou: float) -> bool:
    pairs = paired_boxes(one.boxes, two.boxes)
    return len(one.boxes) == len(two.boxes) and all(each.iou >= iou for each in pairs)


def _share(hits: list[bool], clusters: list[str]) -> Figure:
    if not hits:
        return Figure(math.nan, math.nan, math.nan, 0)
    found = clustered_wilson_interval(np.array(hits, dtype=np.bool_), clusters)
    return Figure(sum(hits) / len(hits), float(found.low), float(found.high), len(hits))


def _mean(values: Floats, clusters: list[str]) -> Figure:
    if not len(values):
        return Figure(math.nan, math.nan, math.nan, 0)

    def means(weights: Floats) -> dict[str, Floats]:
        return {"mean": values @ weights / weights.sum(axis=0)}

    low, high = percentile_interval(clustered_bootstrap(means, clusters, resamples=RESAMPLES)["mean"])
    return Figure(float(values.mean()), float(low), float(high), len(values))
