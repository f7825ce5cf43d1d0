"""What a network is made of and how a photograph becomes its input: plain values, readable without torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cutis.data import Aspect
from cutis.models.patient import PatientField


class ImageSize(BaseModel):
    """How a photograph becomes the network's input; sizes are height × width in pixels.

    ``decoded`` is what the cache holds and augmentation draws from, ``training`` and ``inference`` are what the network
    sees. A network often does best on slightly larger images than it was trained on (Touvron 2019, arXiv:1906.06423).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    decoded: tuple[int, int] = (150, 200)
    training: tuple[int, int] = (144, 192)
    inference: tuple[int, int] = (144, 192)
    aspect: Aspect = "stretch"


class Architecture(BaseModel):
    """What a network is made of; with its weights it can be rebuilt from a bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = "tf_efficientnet_lite0"
    stages: tuple[int, ...] = ()
    """Feature stages pooled beside the last one, as indices into timm's feature_info; empty for the last alone."""
    dropout: float = Field(0.2, ge=0, lt=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    patient: tuple[PatientField, ...] = ()
    """Patient metadata used as a second input; empty for images alone."""
    patient_width: int = Field(32, ge=1)
    normalisation: Literal["timm", "none"] = "timm"
    """``timm``: the mean and standard deviation that the backbone was pretrained with."""
