"""Phantom lesions: procedural drawings of skin lesions with known truth. Synthetic: they show no person."""

from cutis.data.phantom.dataset import make_phantoms
from cutis.data.phantom.lesion import PhantomLesion, phantom_lesion
from cutis.data.phantom.patients import SOURCE as PHANTOM_SOURCE
from cutis.data.phantom.structures import STRUCTURES
from cutis.data.phantom.view import PhantomImage, PhantomView, draw_phantom, phantom_view, typology_angle

__all__ = [
    "PHANTOM_SOURCE",
    "STRUCTURES",
    "PhantomImage",
    "PhantomLesion",
    "PhantomView",
    "draw_phantom",
    "make_phantoms",
    "phantom_lesion",
    "phantom_view",
    "typology_angle",
]
