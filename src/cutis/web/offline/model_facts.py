"""All that the offline page must know of a model to make an answer of its network's outputs, as one JSON.

The page's scripts hold no number of any model, and no rule of how a patient's data become codes.
"""

from typing import Any

import numpy as np

from cutis.clinic import MOST_PIXELS, Patient, class_risks
from cutis.data import FITZPATRICK_SKIN_TYPES, manifest_frame
from cutis.models import BundleFacts, OnnxBundle, PatientField, patient_codes
from cutis.taxonomy import RiskRule
from cutis.web.clinic.sent import SITES

SEXES = ("female", "male")
_OLDEST = 120
_TOLERANCE = 1e-3
_TOLERANCE_OF_INTEGERS = 0.02  # processors round 8-bit and 16-bit sums in their own ways


def model_facts(bundle: OnnxBundle, rule: RiskRule) -> dict[str, Any]:
    """What ``/offline/model.json`` holds.

    Args:
        bundle: the model.
        rule: costs and grades of risk.

    Returns:
        ``name``, ``classes`` (in the order of the outputs), ``image`` (sizes, height before width; ``aspect``),
        ``views``, ``most_pixels``, ``patient`` (``fields`` in their order, ``codes``: field = value = code),
        ``calibration`` as in ``calibration.json``, ``thresholds`` (one a class or null), ``conformal`` (``score``,
        ``coverage``, ``limits``: one a class or null), ``familiarity`` (``neighbours``, ``median``, ``limit_95``,
        ``limit_99``), ``risk`` (``classes``: each one's grade; ``cost[truth][decision]``); null where the bundle
        has none. ``check``: the ``probabilities`` of a drawing, which a device must reach to the ``tolerance``.
    """
    grades = class_risks(bundle, rule)
    return {
        "name": bundle.name,
        "classes": [each.model_dump(include={"id", "name", "nodes", "malignancy"}) for each in bundle.classes.classes],
        "image": bundle.image.model_dump(include={"decoded", "inference", "aspect"}),
        "views": bundle.views,
        "most_pixels": MOST_PIXELS,
        "patient": _patient(bundle.architecture.patient),
        "calibration": bundle.calibration.scaling.model_dump(),
        "thresholds": bundle.thresholds and [each.value for each in bundle.thresholds.classes.values()],
        "conformal": bundle.conformal
        and {
            "score": bundle.conformal.score,
            "coverage": bundle.conformal.coverage,
            "limits": list(bundle.conformal.limits.values()),
        },
        "familiarity": bundle.familiarity
        and bundle.familiarity.facts.model_dump(include={"neighbours", "median", "limit_95", "limit_99"}),
        "risk": grades and {"classes": grades, "cost": rule.cost},
        "check": _check(bundle),
    }


def _check(bundle: OnnxBundle) -> dict[str, Any]:
    """Of a drawing of stripes that ``answering.js`` makes alike, nothing known of the patient."""
    height, width = bundle.image.decoded
    row, column, channel = np.ogrid[:height, :width, 1:4]
    drawing = ((3 * column * channel + 5 * row) % 256).astype(np.uint8)
    fields = len(bundle.architecture.patient)
    logits = bundle.logits([drawing], np.zeros((1, fields), dtype=np.int64) if fields else None)
    tolerance = _TOLERANCE if bundle.precision == "fp32" else _TOLERANCE_OF_INTEGERS
    return {"probabilities": bundle.calibration.probabilities(logits)[0].tolist(), "tolerance": tolerance}


def seen_prefixes(bundle: BundleFacts) -> bytes:
    """The first eight bytes of the hash of every image the model was made with, sorted: N × 8 bytes.

    Of two million images none other than these is expected to share one (N = 10,000: a chance of 1 in 10⁹).
    """
    keys = bundle.training_record["content_key"].drop_nulls().unique().sort().to_list()
    return b"".join(bytes.fromhex(each)[:8] for each in keys)


def _patient(fields: tuple[PatientField, ...]) -> dict[str, Any]:
    said: dict[PatientField, list[tuple[str, Patient]]] = {
        "age": [(str(years), Patient(age=years)) for years in range(_OLDEST + 1)],
        "sex": [(word, Patient.model_validate({"sex": word})) for word in SEXES],
        "site": [(key, Patient(site=word)) for key, word in SITES.items()],
        "skin_type": [(word, Patient(skin_type=word)) for word in FITZPATRICK_SKIN_TYPES],
    }
    return {"fields": fields, "codes": {each: _codes(each, said[each]) for each in fields}}


def _codes(field: PatientField, said: list[tuple[str, Patient]]) -> dict[str, int]:
    """What the page's form holds = the model's code."""
    rows = [{"image_id": str(row), **patient.columns()} for row, (_, patient) in enumerate(said)]
    codes = patient_codes(manifest_frame(rows), (field,))[:, 0]
    return {key: int(code) for (key, _), code in zip(said, codes, strict=True)}
