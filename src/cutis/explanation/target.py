"""What is explained: a class, or a node of the tree as the sum of its classes, and the network's score for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cutis.errors import TaxonomyError, listed
from cutis.models import LesionClassifier
from cutis.taxonomy import ClassSet, rollup_matrix, shipped_taxonomy


@dataclass(frozen=True, eq=False)
class Target:
    """What an explanation is of.

    Attributes:
        node: the id of a class or of a node of the tree.
        name: the same, to read.
        inside: K booleans: the classes that it holds; at least one, not all.
    """

    node: str
    name: str
    inside: npt.NDArray[np.bool_]


def explained_target(classes: ClassSet, node: str) -> Target:
    """The target that a word names.

    Args:
        classes: what the network tells apart.
        node: the id or name of a class; or a node of the shipped tree, by any of its words, that holds some classes
            whole. A class comes first where both are called the same.

    Raises:
        TaxonomyError: nothing is called so, or the node holds no class, all of them, or one only in part.
    """
    named = [each.id for each in classes.classes if node == each.id] or [
        each.id for each in classes.classes if node.casefold() == each.name.casefold()
    ]
    if len(named) == 1:
        return Target(named[0], classes[named[0]].name, np.array([each == named[0] for each in classes.ids]))
    taxonomy = shipped_taxonomy()
    try:
        found = taxonomy.find(node)
    except TaxonomyError as error:
        raise TaxonomyError(
            error.problem, fix=f"Name a class ({listed(classes.ids)}) or a node of the tree. {error.fix}"
        ) from error
    if classes.rest is not None and classes.rest in classes.candidates(found):
        raise TaxonomyError(
            f"class '{classes.rest}' lies partly within '{found}'", fix="Name a node that only the other classes share."
        )
    inside = np.zeros(len(classes.ids), dtype=bool)
    placed = [position for position, each in enumerate(classes.classes) if each.nodes]
    if placed:
        try:
            matrix = rollup_matrix(taxonomy, [classes.classes[position].nodes for position in placed], [found])
        except TaxonomyError as error:
            raise TaxonomyError(
                error.problem, fix=f"Name a class ({listed(classes.ids)}) or a node that holds some of them whole."
            ) from error
        inside[placed] = matrix.toarray()[:, 0] > 0
    if not inside.any() or inside.all():
        raise TaxonomyError(
            f"'{found}' holds {'all classes' if inside.all() else 'no class'} of '{classes.name}'",
            fix=f"Name a class ({listed(classes.ids)}) or a node that holds some of them.",
        )
    return Target(found, taxonomy[found].name, inside)


class TargetScore(nn.Module):
    """The log-odds that a network gives a target: log P(inside) − log P(outside), P the softmax of its logits.

    It is what the softmax decides by. A sum of classes is explained as a sum, since log P(inside) is the logarithm of
    the summed probabilities. What raises all logits alike does not move it, so an explanation tells what sets the
    target apart from the other diagnoses; a probability would have no slope left where the network is certain.

    Args:
        model: put into evaluation mode here.
        target: one for all images, or a list with one an image.
        patient: int64 N × F from :func:`cutis.models.patient_codes`; None counts as missing throughout.

    Raises:
        ValueError: targets and patients are not of one number, or a target is not of the network's classes.
    """

    inside: Tensor
    patient: Tensor | None

    def __init__(
        self, model: LesionClassifier, target: Target | Sequence[Target], patient: npt.NDArray[np.int64] | Tensor | None
    ) -> None:
        super().__init__()
        self.model = model.eval() if model.training else model
        self.target = target if isinstance(target, Target) else list(target)
        targets = [self.target] if isinstance(self.target, Target) else self.target
        if any(each.inside.shape != (model.head.out_features,) for each in targets):
            raise ValueError(f"a target is not of the network's {model.head.out_features} classes")
        device = model.head.weight.device
        codes = None if patient is None else torch.as_tensor(patient, dtype=torch.int64, device=device)
        if isinstance(self.target, list) and codes is not None and len(codes) != len(self.target):
            raise ValueError(f"{len(self.target)} targets for {len(codes)} patients")
        inside = torch.from_numpy(np.stack([each.inside for each in targets])).to(device)
        self.register_buffer("inside", inside, persistent=False)
        self.register_buffer("patient", codes, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """N scores, in units of the logits.

        Args:
            images: float N × 3 × H × W, RGB in [0, 1].
        """
        logits: Tensor = self.model(images, self.patient).float()
        of_target = logits.masked_fill(~self.inside, -torch.inf).logsumexp(dim=1)
        return of_target - logits.masked_fill(self.inside, -torch.inf).logsumexp(dim=1)

    def on(self, rows: Sequence[int] | npt.NDArray[np.int64] | Tensor) -> "TargetScore":
        """The score of M images, each one of these, perhaps altered: ``rows`` tells which; one may stand repeatedly."""
        chosen = torch.as_tensor(rows, dtype=torch.int64)
        target = self.target if isinstance(self.target, Target) else [self.target[row] for row in chosen.tolist()]
        return TargetScore(self.model, target, None if self.patient is None else self.patient[chosen])


@contextmanager
def differentiable(images: Tensor) -> Iterator[Tensor]:
    """A copy of the images by which one can differentiate, within this context, even in inference mode around it."""
    with torch.inference_mode(False), torch.enable_grad():
        yield images.detach().clone().requires_grad_()
