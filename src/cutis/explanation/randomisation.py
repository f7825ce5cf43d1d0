"""The randomisation test: a map that stays when the network's weights are drawn anew does not explain the network.

Adebayo 2018, arXiv:1810.03292 (model parameter randomisation test).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cutis.explanation.methods import Method
from cutis.explanation.quality import Floats, Maps, rank_correlation, structural_similarity
from cutis.explanation.target import TargetScore
from cutis.models import LesionClassifier

_NORMALISATION = ("mean", "std")


@dataclass(frozen=True, eq=False)
class MapSimilarity:
    """How much each map resembles the map of the network as it was trained; N values each, near 1 is a failed test.

    Attributes:
        rank_correlation: Spearman, −1 to 1.
        structural_similarity: SSIM, at most 1.
    """

    rank_correlation: Floats
    structural_similarity: Floats


def network_parts(model: LesionClassifier) -> tuple[str, ...]:
    """The parts of a network by name, from its head down to its first layer: the order of a cascading randomisation.

    ``"head"`` is the last layer alone. A backbone's stages or blocks are a part each; what it keeps outside its layers
    (tokens, position embeddings) comes last.
    """
    names = dict.fromkeys(_part(model, key) for key in model.state_dict() if key not in _NORMALISATION)
    return tuple(reversed(names))


def cascade(model: LesionClassifier) -> list[tuple[str, ...]]:
    """The sets of parts that a cascading randomisation draws anew, one after the other: the head, it and the next, …"""
    parts = network_parts(model)
    return [parts[: number + 1] for number in range(len(parts))]


@contextmanager
def redrawn(
    model: LesionClassifier, parts: Collection[str], image_size: tuple[int, int], seed: int = 0
) -> Iterator[None]:
    """Inside the block, these parts of the network have the weights of a fresh random start.

    Each layer is drawn as its family starts it (timm's initialisation), with the running statistics of batch
    normalisation as they are before training. Afterwards every weight is again what it was, to the bit.

    Args:
        model: altered in place.
        parts: names of :func:`network_parts`.
        image_size: height and width for which the network is built.
        seed: the same seed draws the same weights.

    Raises:
        ValueError: there is no such part.
    """
    unknown = sorted(set(parts) - set(network_parts(model)))
    if unknown:
        raise ValueError(f"the network has no part '{unknown[0]}'; it has {', '.join(network_parts(model))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = LesionClassifier(model.architecture, model.head.out_features, image_size).state_dict()
    state = model.state_dict()
    chosen = [key for key in state if key not in _NORMALISATION and _part(model, key) in parts]
    kept = {key: state[key].clone() for key in chosen}
    try:
        model.load_state_dict({key: fresh[key] for key in chosen}, strict=False)
        yield
    finally:
        model.load_state_dict(kept, strict=False)


def randomisation_test(
    method: Method, score: TargetScore, images: Tensor, maps: Maps, *, parts: Collection[str], seed: int = 0
) -> MapSimilarity:
    """Compare maps with those of the same network after some of its parts were drawn anew.

    Args:
        method: whose maps they are; ``seed`` 0 is taken for its own draws, as for ``maps``.
        score: of the network as it was trained; its weights are altered and restored.
        images: float N × 3 × h × w in [0, 1], on the network's device.
        maps: N × h × w, of these images by this method.
        parts: what is drawn anew; :func:`cascade` gives the sets of the test, ``network_parts(model)`` is all.
        seed: of the weights.
    """
    with redrawn(score.model, parts, (images.shape[2], images.shape[3]), seed):
        others = method.attribute(score, images)
    return MapSimilarity(rank_correlation(maps, others), structural_similarity(maps, others))


def _part(model: LesionClassifier, key: str) -> str:
    """The part that an entry of the state belongs to."""
    first, *rest = key.split(".")
    if first != "backbone":
        return first
    if len(rest) == 1:
        return first
    child = getattr(model.backbone, rest[0])
    several = isinstance(child, nn.Sequential | nn.ModuleList)
    return ".".join([first, *rest[: 2 if several else 1]])
