"""Grad-CAM: which places in a network's feature maps speak for the target, for any backbone of timm.

The layer and its layout come from the network itself, not from a list of names. Every backbone of timm hands its last
features to ``forward_head``; they are taken there, right before they are pooled, so that Swin's final norm or
EfficientNet's last convolution is not missed. Where the head looks at a class token alone, the places of the last block
no longer matter to it (their gradient is nothing, an old trap), so the search goes back into that block, which
``feature_info`` names, to the last tensor whose places still do: for a ViT, what attention reads.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cutis.errors import CutisError
from cutis.explanation.target import TargetScore

_ONE_AT_A_TIME = threading.Lock()  # a second one would take the first one's place at the backbone


def gradcam(
    score: TargetScore,
    images: Tensor,
    *,
    seed: int = 0,  # noqa: ARG001 - nothing is drawn
    progress: Callable[[int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Grad-CAM (Selvaraju 2017, arXiv:1610.02391) of the last features, scaled to the image's size.

    It keeps its sign: Selvaraju's rectifier would leave the map of an unlikely diagnosis empty; the positive part is
    his map. Channels are weighted by the sum of their gradients over places, where he has the mean, so that figures do
    not depend on the resolution of the features.

    Features of earlier stages that a classifier pools as well (``architecture.stages``) are left out. They reach the
    head through a LayerNorm, which no scaling of them can move: their gradient is at right angles to them, so that
    their Grad-CAM has a mean of zero and deals out nothing. In 40 images of HAM10000 their maps lay on the lesion no
    more than chance would have it (share 0.25 and 0.26, the lesions' area being 0.23; the last features' map: 0.56).

    Args:
        score: of what, by which network.
        images: float N × 3 × H × W, RGB in [0, 1].
        seed: has no effect.
        progress: called with the number of images done.

    Returns:
        N × H × W, log-odds: where features are pooled by their mean and judged by one linear layer, a map's mean is
        just what they add to the score.

    Raises:
        CutisError: the backbone keeps no map of places up to its head, or has but a single place in images so small.
    """
    backbone = score.model.backbone
    size = (int(images.shape[2]), int(images.shape[3]))
    # Without gradients up to the maps: the way there costs what a prediction costs, and backward ends at the maps.
    with _ONE_AT_A_TIME, torch.inference_mode(False), torch.no_grad(), _recorded(backbone) as features:
        total = score(images.detach().clone()).sum()
        gradients = torch.autograd.grad(total, features, allow_unused=True)
    maps = _class_activation(features, gradients, backbone, size)
    if progress:
        progress(len(images))
    return maps.float().cpu().numpy()


@contextmanager
def _recorded(backbone: Any) -> Iterator[list[Tensor]]:
    """Keep the last features of the one forward pass made within, with gradients from them on.

    The last one is what goes to the head. Before it stand, for a backbone with a class token, those from which it is
    made within the last block, in the order in which they are computed.
    """
    features: list[Tensor] = []
    thread = threading.get_ident()  # another thread may be predicting with the same network

    def begin(x: Tensor) -> Tensor:
        torch.set_grad_enabled(True)
        return x if x.requires_grad else x.detach().requires_grad_()

    def forward_head(x: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if threading.get_ident() == thread:
            features.append(begin(x))
            x = features[-1].clone()  # a head may work in place, which autograd forbids on what it starts from
        return original_head(x, *arguments, **options)  # type: ignore[no-any-return]

    def into_block(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if threading.get_ident() != thread or not isinstance(inputs[0], Tensor):
            return None
        features.append(begin(inputs[0]))
        return (features[-1].clone(), *inputs[1:])

    def within_block(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        if threading.get_ident() != thread or not features or not isinstance(output, Tensor):
            return
        if output.shape == features[0].shape:
            features.append(output)

    original_head = backbone.forward_head
    with ExitStack() as undo:
        backbone.forward_head = forward_head
        undo.callback(delattr, backbone, "forward_head")
        if getattr(backbone, "num_prefix_tokens", 0) or getattr(backbone, "cls_token", None) is not None:
            block = backbone.get_submodule(backbone.feature_info[-1]["module"])
            undo.enter_context(block.register_forward_pre_hook(into_block))
            for each in block.modules():
                undo.enter_context(each.register_forward_hook(within_block))
        yield features


def _class_activation(
    features: list[Tensor], gradients: tuple[Tensor | None, ...], backbone: Any, size: tuple[int, int]
) -> Tensor:
    """N × height × width, by the last features whose places have a gradient."""
    for feature, gradient in reversed(list(zip(features, gradients, strict=True))):
        if gradient is None:
            continue
        activation, slope = _as_map(feature.detach(), backbone, size), _as_map(gradient, backbone, size)
        if activation is None or slope is None or slope[0, 0].numel() == 1 or not slope.any():
            continue
        weights = slope.sum(dim=(2, 3), keepdim=True)
        cam = (weights * activation).sum(dim=1, keepdim=True)
        return interpolate(cam.float(), size, mode="bilinear", align_corners=False)[:, 0]
    raise CutisError(
        f"backbone {type(backbone).__name__} keeps no map of places up to its head at {size[0]} × {size[1]} pixels, "
        "which Grad-CAM needs",
        fix="Use another method, as integrated gradients or occlusion.",
    )


def _as_map(x: Tensor, backbone: Any, size: tuple[int, int]) -> Tensor | None:
    """Features as N × C × h × w, without tokens that have no place (class, registers); None if none has."""
    if x.ndim == 4:
        return x.permute(0, 3, 1, 2) if getattr(backbone, "output_fmt", "NCHW") == "NHWC" else x
    if x.ndim != 3:
        return None
    reduction = backbone.feature_info[-1]["reduction"]
    for height, width in {tuple(side // reduction for side in size), tuple(-(-side // reduction) for side in size)}:
        before = x.shape[1] - height * width
        if before in {0, getattr(backbone, "num_prefix_tokens", 1)}:  # CaiT adds its class token after the blocks
            return x[:, before:].transpose(1, 2).reshape(len(x), -1, height, width)
    return None
