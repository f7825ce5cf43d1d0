"""What a page holds inline: data that cannot end their script element, and the policy that lets only our script run."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any


def inline_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def content_hash(text: str) -> str:
    """A script's or style's source expression in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def shipped_script(path: Path) -> str:
    """One of our scripts without its comments and indents, which a page need not carry."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def page_policy(script: str) -> str:
    """The policy of a page that may ask for nothing: its own script alone runs, pictures are within the page.

    Styles may stand in elements: they carry a cell's shade and a bar's length.
    """
    return (
        f"default-src 'none'; script-src {content_hash(script)}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
