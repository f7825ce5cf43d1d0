"""Whether images can carry a result: near-copies and leaks, quality, label trouble, shortcuts, skin tone.

Names are imported when first asked for: reading an audit needs no OpenCV, no faiss and no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.audit.audit import audit_images, compared_images
    from cutis.audit.decisions import Decision, Decisions, read_decisions, write_decisions
    from cutis.audit.gate import audit_findings, split_leaks, with_audit_groups, with_sides
    from cutis.audit.neighbours import nearest_neighbours
    from cutis.audit.quality import (
        PhotographQuality,
        QualityThresholds,
        image_quality,
        leave_out_unfit,
        photograph_quality,
        read_quality_thresholds,
    )
    from cutis.audit.quality_areas import Areas, areas_of, within
    from cutis.audit.quality_measures import MEASURES, ruler
    from cutis.audit.result import Audit, AuditResult, read_audit, write_audit
    from cutis.audit.shortcuts import ShortcutResult, shortcut_check
    from cutis.audit.skin_tone import FitzpatrickAgreement, fitzpatrick_agreement, skin_tone

_HOMES = {
    "audit": ("audit_images", "compared_images"),
    "decisions": ("Decision", "Decisions", "read_decisions", "write_decisions"),
    "gate": ("audit_findings", "split_leaks", "with_audit_groups", "with_sides"),
    "neighbours": ("nearest_neighbours",),
    "quality": (
        "PhotographQuality",
        "QualityThresholds",
        "image_quality",
        "leave_out_unfit",
        "photograph_quality",
        "read_quality_thresholds",
    ),
    "quality_areas": ("Areas", "areas_of", "within"),
    "quality_measures": ("MEASURES", "ruler"),
    "result": ("Audit", "AuditResult", "read_audit", "write_audit"),
    "shortcuts": ("ShortcutResult", "shortcut_check"),
    "skin_tone": ("FitzpatrickAgreement", "fitzpatrick_agreement", "skin_tone"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "MEASURES",
    "Areas",
    "Audit",
    "AuditResult",
    "Decision",
    "Decisions",
    "FitzpatrickAgreement",
    "PhotographQuality",
    "QualityThresholds",
    "ShortcutResult",
    "areas_of",
    "audit_findings",
    "audit_images",
    "compared_images",
    "fitzpatrick_agreement",
    "image_quality",
    "leave_out_unfit",
    "nearest_neighbours",
    "photograph_quality",
    "read_audit",
    "read_decisions",
    "read_quality_thresholds",
    "ruler",
    "shortcut_check",
    "skin_tone",
    "split_leaks",
    "with_audit_groups",
    "with_sides",
    "within",
    "write_audit",
    "write_decisions",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.audit.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.audit' has no attribute '{name}'")
