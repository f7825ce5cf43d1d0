"""Designs as TOML files, and those that ship with cutis.

Ready designs are ``study/designs/NAME.toml``, each after a paper; the file says what is the paper's and what is our
choice.
"""

import tomllib
from importlib import resources
from pathlib import Path

import tomli_w

from cutis.errors import listed
from cutis.files import write_text
from cutis.study.design import BUILT_IN, StudyDesign, StudyError, parse_design


def design_names() -> list[str]:
    """The designs that ship with cutis."""
    shipped = resources.files("cutis.study").joinpath("designs").iterdir()
    return sorted(each.name.removesuffix(".toml") for each in shipped if each.name.endswith(".toml"))


def shipped_design(name: str) -> str:
    """The text of a design that ships with cutis, to be saved beside a manifest and changed.

    Raises:
        StudyError: there is none of this name.
    """
    if name not in design_names():
        raise StudyError(f"no design is called '{name}'", fix=f"There are {listed(design_names())}.")
    return resources.files("cutis.study").joinpath("designs", f"{name}.toml").read_text(encoding="utf-8")


def read_design(path: str | Path) -> StudyDesign:
    """A design from its TOML file; ``manifest``, ``ai`` and the file of ``exclude`` are made whole paths.

    Raises:
        StudyError: the file is not there, is no TOML, or holds no valid design; all that is wrong is told together.
    """
    path = Path(path)
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StudyError("does not exist", where=str(path), fix="Name a .toml file.") from error
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"is not valid TOML ({error})", where=str(path), fix="Correct that line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot be read ({error})", where=str(path), fix="Name a .toml file.") from error
    design = parse_design(fields, str(path))
    folder = path.resolve().parent
    whole: dict[str, str] = {"manifest": str(folder / design.manifest)}
    if design.ai is not None and design.ai != BUILT_IN:
        whole["ai"] = str(folder / design.ai)
    if isinstance(design.exclude, str):
        whole["exclude"] = str(folder / design.exclude)
    return design.model_copy(update=whole)


def write_design(path: str | Path, design: StudyDesign) -> None:
    """Write a design as TOML; paths below the file's folder are written relative to it.

    Raises:
        CutisError: the file cannot be written.
    """
    folder = Path(path).resolve().parent
    fields = design.model_dump(mode="json", exclude_none=True)
    for stratum in fields["cases"]:
        if len(stratum["node"]) == 1:
            stratum["node"] = stratum["node"][0]
    for key in ("manifest", "ai", "exclude"):
        value = fields.get(key)
        if isinstance(value, str) and value != BUILT_IN and Path(value).is_relative_to(folder):
            fields[key] = Path(value).relative_to(folder).as_posix()
    write_text(path, tomli_w.dumps(fields, multiline_strings=False))
