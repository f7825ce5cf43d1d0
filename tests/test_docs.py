"""What the documents claim and the code can contradict."""

import re
import tomllib
from pathlib import Path

from pydantic import BaseModel

from cutis.training import Recipe, recipe_names

DOCS = Path(__file__).resolve().parents[1] / "docs"


def fields(part: BaseModel, prefix: str = ""):
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_the_table_of_recipe_fields_has_every_field_with_its_default():
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| (`[^`]*`|none) \|", text, flags=re.MULTILINE))
    expected = dict(fields(Recipe()))
    assert told.keys() >= expected.keys()
    for name, value in expected.items():
        default = None if told[name] == "none" else tomllib.loads(f"v = {told[name].strip('`')}")["v"]
        assert default == (list(value) if isinstance(value, tuple) else value), name


def test_the_table_of_recipes_has_every_one_that_ships():
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    for name in recipe_names():
        assert f"| `{name}` |" in text


def test_links_between_documents_lead_somewhere():
    for page in [*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
