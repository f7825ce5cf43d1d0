"""JSON in one way of writing, since hashes are made of it."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON in one way of writing: keys in order, no spaces, ASCII only, no NaN.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_sha256(value: Any) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()
