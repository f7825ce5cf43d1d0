"""Explanations of a classifier's answers: maps, checks of the maps, cases like this one, and the map of all cases.

Names are imported when first asked for: torch, captum and openTSNE take seconds, and a page about maps needs none.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.explanation.attention_areas import (
        AREAS,
        SHORTCUTS,
        ListingRule,
        attention_by_area,
        image_areas,
        shortcut_cases,
    )
    from cutis.explanation.biopsy import BIOPSY_WARNING, BiopsySuggestion, Site, suggested_site
    from cutis.explanation.deletion import DeletionCurves, deletion_curves, deletion_insertion
    from cutis.explanation.embedding import (
        MAP_PERPLEXITY,
        MAP_STEPS,
        EmbeddingMap,
        MapFacts,
        check_map_target,
        embed_library,
        read_map,
        write_map,
    )
    from cutis.explanation.explain import Explanation, explain_images, explanation_methods
    from cutis.explanation.explanation_folder import (
        ExplanationFolder,
        MapRecord,
        check_explanation_target,
        explanation_files,
    )
    from cutis.explanation.inset_placement import example_rows, place_insets
    from cutis.explanation.lesion_masks import estimated_lesion_mask, network_masks
    from cutis.explanation.map_quality import MAP_NEIGHBOURS, Agreement, MapQuality, measure_map
    from cutis.explanation.methods import METHODS, Method
    from cutis.explanation.overlay import (
        LEAST_WEIGHT,
        REGIONS,
        Legend,
        colour_scale,
        laid_over,
        marked_picture,
        marked_site,
        region_swatch,
        side_by_side,
        sized,
        strength,
    )
    from cutis.explanation.quality import (
        Masks,
        about_the_centre,
        agreement,
        centre_map,
        mask_share,
        pointing_game,
        random_map,
        rank_correlation,
        structural_similarity,
    )
    from cutis.explanation.randomisation import MapSimilarity, cascade, network_parts, randomisation_test, redrawn
    from cutis.explanation.similar_cases import (
        CASE_COLUMNS,
        CaseLibrary,
        NearestCases,
        case_library,
        photographs,
        seen_pictures,
        similar_table,
    )
    from cutis.explanation.stability import shift_stability
    from cutis.explanation.target import Target, TargetScore, explained_target

_HOMES = {
    "attention_areas": (
        "AREAS",
        "SHORTCUTS",
        "ListingRule",
        "attention_by_area",
        "image_areas",
        "shortcut_cases",
    ),
    "biopsy": (
        "BIOPSY_WARNING",
        "BiopsySuggestion",
        "Site",
        "suggested_site",
    ),
    "deletion": (
        "DeletionCurves",
        "deletion_curves",
        "deletion_insertion",
    ),
    "embedding": (
        "MAP_PERPLEXITY",
        "MAP_STEPS",
        "EmbeddingMap",
        "MapFacts",
        "check_map_target",
        "embed_library",
        "read_map",
        "write_map",
    ),
    "explain": (
        "Explanation",
        "explain_images",
        "explanation_methods",
    ),
    "explanation_folder": (
        "ExplanationFolder",
        "MapRecord",
        "check_explanation_target",
        "explanation_files",
    ),
    "inset_placement": (
        "example_rows",
        "place_insets",
    ),
    "lesion_masks": (
        "estimated_lesion_mask",
        "network_masks",
    ),
    "map_quality": (
        "MAP_NEIGHBOURS",
        "Agreement",
        "MapQuality",
        "measure_map",
    ),
    "methods": (
        "METHODS",
        "Method",
    ),
    "overlay": (
        "LEAST_WEIGHT",
        "REGIONS",
        "Legend",
        "colour_scale",
        "laid_over",
        "marked_picture",
        "marked_site",
        "region_swatch",
        "side_by_side",
        "sized",
        "strength",
    ),
    "quality": (
        "Masks",
        "about_the_centre",
        "agreement",
        "centre_map",
        "mask_share",
        "pointing_game",
        "random_map",
        "rank_correlation",
        "structural_similarity",
    ),
    "randomisation": (
        "MapSimilarity",
        "cascade",
        "network_parts",
        "randomisation_test",
        "redrawn",
    ),
    "similar_cases": (
        "CASE_COLUMNS",
        "CaseLibrary",
        "NearestCases",
        "case_library",
        "photographs",
        "seen_pictures",
        "similar_table",
    ),
    "stability": ("shift_stability",),
    "target": (
        "Target",
        "TargetScore",
        "explained_target",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AREAS",
    "BIOPSY_WARNING",
    "CASE_COLUMNS",
    "LEAST_WEIGHT",
    "MAP_NEIGHBOURS",
    "MAP_PERPLEXITY",
    "MAP_STEPS",
    "METHODS",
    "REGIONS",
    "SHORTCUTS",
    "Agreement",
    "BiopsySuggestion",
    "CaseLibrary",
    "DeletionCurves",
    "EmbeddingMap",
    "Explanation",
    "ExplanationFolder",
    "Legend",
    "ListingRule",
    "MapFacts",
    "MapQuality",
    "MapRecord",
    "MapSimilarity",
    "Masks",
    "Method",
    "NearestCases",
    "Site",
    "Target",
    "TargetScore",
    "about_the_centre",
    "agreement",
    "attention_by_area",
    "cascade",
    "case_library",
    "centre_map",
    "check_explanation_target",
    "check_map_target",
    "colour_scale",
    "deletion_curves",
    "deletion_insertion",
    "embed_library",
    "estimated_lesion_mask",
    "example_rows",
    "explain_images",
    "explained_target",
    "explanation_files",
    "explanation_methods",
    "image_areas",
    "laid_over",
    "marked_picture",
    "marked_site",
    "mask_share",
    "measure_map",
    "network_masks",
    "network_parts",
    "photographs",
    "place_insets",
    "pointing_game",
    "random_map",
    "randomisation_test",
    "rank_correlation",
    "read_map",
    "redrawn",
    "region_swatch",
    "seen_pictures",
    "shift_stability",
    "shortcut_cases",
    "side_by_side",
    "similar_table",
    "sized",
    "strength",
    "structural_similarity",
    "suggested_site",
    "write_map",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.explanation.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.explanation' has no attribute '{name}'")
