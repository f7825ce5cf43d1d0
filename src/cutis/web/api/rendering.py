"""Bytes of JSON, and the language of an answer."""

import json
from typing import Any

from fastapi import Request

from cutis.taxonomy import LANGUAGES

STATEMENT = {
    "en": "Research software, not a medical device: see a doctor about any skin change.",
    "es": "Software de investigación, no un producto sanitario: consulte a un médico ante cualquier cambio en la piel.",
    "zh": "本软件仅供研究使用，不是医疗器械：皮肤有任何变化，请去看医生。",
    "ko": "연구용 소프트웨어이며 의료기기가 아닙니다. 피부에 변화가 있으면 의사의 진료를 받으십시오.",
}
"""What stands beside every answer, in each language of the advice."""


def json_bytes(value: Any) -> bytes:
    """JSON in UTF-8. What UTF-8 cannot hold (half a surrogate pair) is replaced by "?"."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def asked_language(request: Request) -> str:
    """The language of the advice that ``Accept-Language`` likes best; English where it likes none of them."""
    liked: list[tuple[float, int, str]] = []
    for place, each in enumerate(request.headers.get("accept-language", "").split(",")[:20]):
        tag, _, weight = each.partition(";")
        main = tag.strip().lower().partition("-")[0]
        quality = _quality(weight)
        if main in LANGUAGES and quality > 0:
            liked.append((-quality, place, main))
    return min(liked)[2] if liked else "en"


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0
