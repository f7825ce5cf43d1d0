"""What is wrong with a design, told by the keys of its file."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def told_problem(error: Any, top: type[BaseModel], sections: Mapping[str, type[BaseModel]]) -> str:
    """One of pydantic's errors in a line: the key as it stands in the file, what is wrong, what may be meant.

    Args:
        error: an entry of ``ValidationError.errors()``.
        top: the fields at the top of the file.
        sections: those of each section, by its name.
    """
    place = [each for each in error["loc"] if each not in ("str", "tuple[str, ...]")]  # branches of a union
    key = ""
    for each in place:
        key += f" {each + 1}" if isinstance(each, int) else f".{each}" if key else str(each)
    kind = error["type"]
    if kind == "extra_forbidden":
        section = sections.get(str(place[0])) if len(place) > 1 else None
        return f"'{key}' is not known{_meant(str(place[-1]), section, top, sections)}"
    if kind == "missing":
        return f"'{key}' is missing"
    message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    given = error.get("input")
    shown = f" (it is {given!r})" if isinstance(given, str | int | float) and kind != "value_error" else ""
    return f"'{key}': {message}{shown}" if key else message


def _meant(
    key: str, section: type[BaseModel] | None, top: type[BaseModel], sections: Mapping[str, type[BaseModel]]
) -> str:
    known = (section or top).model_fields
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f" (did you mean '{near[0]}'?)"
    if section is not None and key in top.model_fields:
        return ": it belongs at the top of the file, above the first [section]"
    home = [name for name, fields in sections.items() if key in fields.model_fields]
    return f": it belongs into '{home[0]}'" if home else f" (known: {', '.join(known)})"
