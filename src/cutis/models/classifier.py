"""The lesion classifier: an image backbone, features pooled from several of its stages, patient metadata if wanted."""

from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from cutis.errors import RecipeError
from cutis.models.architecture import Architecture
from cutis.models.patient import FIELD_SIZES, PatientField
from cutis.models.weights import PretrainedWeights, check_backbone


class LesionClassifier(nn.Module):
    """Maps images (and patient metadata) to one logit a class.

    Normalisation is part of the model: its input is plain RGB in [0, 1].

    Args:
        architecture: what to build.
        classes: number of classes K.
        image_size: height and width at which the backbone is built (only transformers depend on it).
        weights: pretrained backbone weights, or None for a random start.

    Raises:
        RecipeError: the backbone has no such stage, or the weights do not fit it.
        WeightsError: timm has no such backbone.
    """

    backbone: Any
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: Architecture,
        classes: int,
        image_size: tuple[int, int],
        weights: PretrainedWeights | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = _build_backbone(architecture, image_size)
        if weights is not None:
            _load_backbone(self.backbone, weights)
        if architecture.normalisation == "timm":
            mean, std = self.backbone.default_cfg["mean"], self.backbone.default_cfg["std"]
        else:
            mean, std = (0.0,) * 3, (1.0,) * 3
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.stage_widths = _stage_widths(self.backbone, architecture, image_size)
        self.stage_norms = nn.ModuleList(nn.LayerNorm(width) for width in self.stage_widths)
        self.image_width = width = int(self.backbone.head_hidden_size) + sum(self.stage_widths)
        self.patient = (
            PatientEncoder(architecture.patient, architecture.patient_width) if architecture.patient else None
        )
        if self.patient is not None:
            width += architecture.patient_width
        self.dropout = nn.Dropout(architecture.dropout)
        self.head = nn.Linear(width, classes)
        nn.init.trunc_normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def features(self, images: Tensor, patient: Tensor | None = None) -> Tensor:
        """The vector the head decides on, N × width: the last hidden layer, for t-SNE and retrieval.

        Its first ``image_width`` entries are the image's, the rest the patient's.

        Args:
            images: float tensor N × 3 × height × width, RGB in [0, 1].
            patient: int64 N × F from :func:`cutis.models.patient_codes`; None counts as missing throughout.
        """
        x = (images - self.mean) / self.std
        stages: list[Tensor] = []
        if self.stage_widths:
            last, stages = self.backbone.forward_intermediates(x, indices=list(self.architecture.stages))
        else:
            last = self.backbone.forward_features(x)
        parts = [self.backbone.forward_head(last, pre_logits=True).flatten(1)]
        # Pooled in float32: a mean over thousands of bfloat16 values loses what tells two lesions apart.
        parts += [norm(stage.float().mean(dim=(2, 3))) for norm, stage in zip(self.stage_norms, stages, strict=True)]
        if self.patient is not None:
            if patient is None:
                patient = torch.zeros(
                    len(images), len(self.architecture.patient), dtype=torch.int64, device=images.device
                )
            parts.append(self.patient(patient))
        return torch.cat(parts, dim=1)

    def forward(self, images: Tensor, patient: Tensor | None = None) -> Tensor:
        """Logits, N × K. Arguments as for :meth:`features`."""
        return self.head(self.dropout(self.features(images, patient)))  # type: ignore[no-any-return]


class PatientEncoder(nn.Module):
    """Patient metadata as one vector: an embedding a field, *missing* among its values, summed and mixed."""

    def __init__(self, fields: Sequence[PatientField], width: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(FIELD_SIZES[field], width) for field in fields)
        for each in self.embeddings:
            nn.init.normal_(each.weight, std=0.5)  # type: ignore[arg-type]
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, codes: Tensor) -> Tensor:
        """N × width from int64 codes N × F."""
        total = torch.stack([embed(codes[:, i]) for i, embed in enumerate(self.embeddings)]).sum(0)
        return self.mix(total)  # type: ignore[no-any-return]


def _build_backbone(architecture: Architecture, image_size: tuple[int, int]) -> Any:
    # Typed Any: timm adds default_cfg, head_hidden_size, forward_head … to every model, which nn.Module does not tell.
    check_backbone(architecture.backbone)
    options: dict[str, object] = {"num_classes": 0}
    if architecture.drop_path:
        options["drop_path_rate"] = architecture.drop_path
    if timm.get_pretrained_cfg_value(architecture.backbone, "fixed_input_size"):
        options["img_size"] = image_size
    try:
        return timm.create_model(architecture.backbone, **options)
    except (TypeError, AssertionError, ValueError) as error:
        raise RecipeError(
            f"backbone {architecture.backbone} cannot be built for {image_size[0]} × {image_size[1]} pixels ({error})",
            fix="Change the image size or drop_path.",
        ) from error


def _load_backbone(backbone: Any, weights: PretrainedWeights) -> None:
    expected = backbone.state_dict()
    fitting = {name: value for name, value in weights.state.items() if name in expected}
    misfits = [name for name, value in expected.items() if name not in fitting or fitting[name].shape != value.shape]
    if misfits:
        raise RecipeError(
            f"the weights from {weights.origin} do not fit the backbone: {len(misfits)} of {len(expected)} tensors are "
            f"missing or of another shape, the first is '{misfits[0]}'",
            fix="Name the backbone they were made for.",
        )
    backbone.load_state_dict(fitting)


def _stage_widths(backbone: Any, architecture: Architecture, image_size: tuple[int, int]) -> list[int]:
    if not architecture.stages:
        return []
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            _, stages = backbone.forward_intermediates(
                torch.zeros(1, 3, *image_size), indices=list(architecture.stages)
            )
    except (AssertionError, AttributeError, IndexError) as error:
        raise RecipeError(
            f"backbone {architecture.backbone} has no feature stages {list(architecture.stages)}",
            fix="Name fewer, or none for the last alone.",
        ) from error
    finally:
        backbone.train(was_training)
    return [int(stage.shape[1]) for stage in stages]
