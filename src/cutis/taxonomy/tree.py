"""The tree of diagnoses: reading it, walking it, and finding a diagnosis by any of its words.

The tree that ships with cutis is ``taxonomy/tree.toml``; a user's own is a file of the same form. A node's table is
headed by its id; ``malignancy``, ``lineage`` and ``risk`` are inherited by its descendants until one says otherwise.
"""

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutis.errors import TaxonomyError, listed

Malignancy = Literal["benign", "premalignant", "malignant", "either"]
"""``either``: the diagnosis covers benign and malignant disease, or cannot be told (as ISIC's *Indeterminate*)."""

Risk = Literal["low", "high", "dangerous"]
"""Zhao 2019's three grades."""

Lineage = Literal[
    # what a neoplasm grows from
    "melanocytic", "epidermal", "follicular", "sebaceous", "sweat-gland", "myoepithelial", "fibrohistiocytic",
    "vascular", "adipocytic", "muscular", "neural", "osseous", "lymphoid", "mast-cell", "histiocytic",
    "neuroendocrine", "metastatic", "cyst", "mixed",
    # what kind of disease another one is
    "inflammatory", "infectious", "genetic", "pigmentary", "exogenous", "metabolic", "hemorrhagic", "connective-tissue",
    "hair", "nail", "mucosal", "normal",
]  # fmt: skip
"""The tissue a neoplasm grows from, or the kind of another disease; ``mixed`` where a group holds several."""

INHERITED = ("malignancy", "lineage", "risk")

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HEADER = re.compile(r"^\s*\[\s*node\s*\.\s*[\"']?([^\]\"']+?)[\"']?\s*\]")
_FOLD: dict[int, str | None] = {ord("–"): " ", ord("’"): None}
_FOLD |= {each: base for each in range(0xC0, 0x180) if (base := unicodedata.normalize("NFD", chr(each))[0]).isascii()}


class Node(BaseModel):
    """One diagnosis, or a group of them.

    ``isic`` is the ISIC archive's path for it where the archive has one. ``synonyms`` are further words that mean this
    node and no other. ``icd10cm`` and ``icd11`` are codes; ``sources`` are keys of the file's table of sources.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    parent: str | None = None
    synonyms: tuple[str, ...] = ()
    isic: str | None = None
    icd10cm: tuple[str, ...] = ()
    icd11: tuple[str, ...] = ()
    malignancy: Malignancy | None = None
    lineage: Lineage | None = None
    risk: Risk | None = None
    sources: tuple[str, ...] = Field(min_length=1)
    note: str = ""


class TreeProblem(NamedTuple):
    """What is wrong in a tree's file: at which line (0 for the file as a whole), with which node, and why."""

    line: int
    node: str
    reason: str

    def __str__(self) -> str:
        """In one line."""
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{f'[node.{self.node}] ' if self.node else ''}{self.reason}"


class Taxonomy:
    """A tree (or several) of diagnoses.

    Args:
        nodes: every node, each after its parent; ids are unique and parents exist (:func:`read_taxonomy` checks).
        name: the tree's name.
        sources: where its facts are from: key → what it is, with its address or citation.
    """

    def __init__(self, nodes: Iterable[Node], name: str = "", sources: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.sources = dict(sources or {})
        self._nodes: dict[str, Node] = {}
        self._children: dict[str, list[str]] = {}
        for node in nodes:
            above = self._nodes.get(node.parent) if node.parent is not None else None
            given = {each: getattr(above, each) for each in INHERITED if above and getattr(node, each) is None}
            self._nodes[node.id] = node.model_copy(update=given)
            self._children[node.id] = []
            if node.parent is not None:
                self._children[node.parent].append(node.id)

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __getitem__(self, node_id: str) -> Node:
        """The node of this id.

        Raises:
            TaxonomyError: there is none; the message suggests what may be meant.
        """
        if node_id not in self._nodes:
            raise self._unknown(node_id)
        return self._nodes[node_id]

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The ids of the nodes without a parent."""
        return tuple(node.id for node in self if node.parent is None)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The ids of the nodes without children."""
        return tuple(node_id for node_id, children in self._children.items() if not children)

    def children(self, node_id: str) -> tuple[str, ...]:
        """The ids of its children, in the file's order."""
        self[node_id]
        return tuple(self._children[node_id])

    def ancestors(self, node_id: str) -> tuple[str, ...]:
        """Its parent, its parent's parent … up to the root."""
        above = []
        parent = self[node_id].parent
        while parent is not None:
            above.append(parent)
            parent = self._nodes[parent].parent
        return tuple(above)

    def path(self, node_id: str) -> tuple[str, ...]:
        """From the root down to the node itself."""
        return (*reversed(self.ancestors(node_id)), node_id)

    def descendants(self, node_id: str) -> tuple[str, ...]:
        """The node itself and all below it, depth first."""
        self[node_id]
        found, waiting = [], [node_id]
        while waiting:
            each = waiting.pop()
            found.append(each)
            waiting.extend(reversed(self._children[each]))
        return tuple(found)

    def is_within(self, node_id: str, above: str) -> bool:
        """Whether the node is ``above`` or one of its descendants."""
        return node_id == above or above in self.ancestors(node_id)

    def find(self, word: str) -> str:
        """The id of the node that a word means: its id, name, a synonym, its ISIC path or the last name of that path.

        Case, accents, spaces, hyphens, underscores, commas and apostrophes do not matter, but in an ISIC path.

        Raises:
            TaxonomyError: no node has this word; the message suggests the nearest. Nothing is guessed.
        """
        found = self._words.get(folded(word)) or self._of_isic.get(word)
        if found is None:
            raise self._unknown(word)
        return found

    def suggest(self, word: str, most: int = 5) -> tuple[str, ...]:
        """Ids of the nodes whose words are nearest to this one, best first; for a message or a search box."""
        wanted = folded(word)
        inside = sorted((each for each in self._words if wanted and wanted in each), key=len)
        near = difflib.get_close_matches(wanted, self._words, n=3 * most, cutoff=0.6)
        return tuple(dict.fromkeys(self._words[each] for each in [*near, *inside]))[:most]

    def of_isic(self, path: str) -> str | None:
        """The id of the node for an ISIC archive path, or None."""
        return self._of_isic.get(path)

    @cached_property
    def _words(self) -> dict[str, str]:
        return {word: node.id for node in reversed(list(self)) for word in words_of(node)}

    @cached_property
    def _of_isic(self) -> dict[str, str]:
        return {node.isic: node.id for node in self if node.isic}

    def _unknown(self, word: str) -> TaxonomyError:
        near = [f"{each} ({self._nodes[each].name})" for each in self.suggest(word, 3)]
        fix = f"Did you mean {listed(near)}?" if near else "See `cutis taxonomy show` for the nodes."
        return TaxonomyError(f"no diagnosis is called '{word}'", fix=fix)


def folded(word: str) -> str:
    """The word in lower case without accents, commas and apostrophes; spaces, hyphens and underscores are one space."""
    plain = word.lower().replace("-", " ").replace("_", " ").replace(",", "").replace("'", "")
    return " ".join((plain if plain.isascii() else plain.translate(_FOLD)).split())


def words_of(node: Node) -> list[str]:
    """Every word that means the node, folded; its ISIC path as a whole is none of them, the path's last name is."""
    words = [node.id, node.name, *node.synonyms]
    if node.isic:
        words.append(node.isic.rpartition(":")[2])
    return list(dict.fromkeys(folded(each) for each in words))


@cache
def shipped_taxonomy() -> Taxonomy:
    """The tree that comes with cutis."""
    with resources.as_file(resources.files("cutis.taxonomy").joinpath("tree.toml")) as path:
        return read_taxonomy(path)


def read_taxonomy(path: str | Path) -> Taxonomy:
    """A tree from its file.

    Raises:
        TaxonomyError: the file is missing or has problems; the message names the first ten with their lines.
    """
    taxonomy, problems = _parse(Path(path))
    if problems or taxonomy is None:
        more = f" ({len(problems)} problems)" if len(problems) > 1 else ""
        raise TaxonomyError(
            "; ".join(str(each) for each in problems[:10]) + more,
            where=str(path),
            fix="Correct it; `cutis taxonomy check` lists every problem.",
        )
    return taxonomy


def check_taxonomy(path: str | Path) -> list[TreeProblem]:
    """Everything that is wrong in a tree's file, by line; empty when all is well.

    Checked: TOML; every field's name and value; ids; that each parent stands before its children; that each node has a
    malignancy, a lineage and a risk of its own or from above; that no word means two nodes; that sources are named.
    """
    return _parse(Path(path))[1]


def _parse(path: Path) -> tuple[Taxonomy | None, list[TreeProblem]]:
    if not path.is_file():
        raise TaxonomyError("does not exist", where=str(path), fix="Name a taxonomy's .toml file.")
    raw = path.read_bytes()
    try:
        text = raw.decode()
        content = tomllib.loads(text)
    except UnicodeDecodeError as error:
        return None, [TreeProblem(raw.count(b"\n", 0, error.start) + 1, "", "is not UTF-8 text")]
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))  # at the end of the document it tells no line
        number = int(line[1]) if line else text.count("\n") + 1
        return None, [TreeProblem(number, "", f"is not valid TOML ({error})")]
    taxonomy, reasons = _tree(content, path.stem)
    if not reasons:
        return taxonomy, []
    lines = {match[1]: number for number, row in enumerate(text.splitlines(), 1) if (match := _HEADER.match(row))}
    return taxonomy, sorted(TreeProblem(lines.get(node_id, 0), node_id, reason) for node_id, reason in reasons)


def _tree(content: Mapping[str, Any], stem: str) -> tuple[Taxonomy | None, list[tuple[str, str]]]:
    problems = [("", f"unknown table or key '{each}'") for each in content if each not in ("name", "sources", "node")]
    name, sources, tables = content.get("name", stem), content.get("sources", {}), content.get("node", {})
    if not isinstance(name, str):
        problems.append(("", "'name' must be a string"))
    if not isinstance(sources, dict) or not all(isinstance(each, str) for each in sources.values()):
        problems.append(("", '[sources] must hold strings: KEY = "what it is"'))
        sources = {}
    if not isinstance(tables, dict) or not tables:
        return None, [*problems, ("", "holds no nodes ([node.ID] tables)")]
    nodes: list[Node] = []
    earlier: set[str] = set()
    for node_id, table in tables.items():
        node, reasons = _node(node_id, table, earlier, tables, sources)
        problems += [(node_id, each) for each in reasons]
        earlier.add(node_id)
        if node is not None:
            nodes.append(node)
    if problems:
        return None, problems
    taxonomy = Taxonomy(nodes, name, sources)
    return taxonomy, _problems_of_the_whole(taxonomy)


def _node(
    node_id: str, table: Any, earlier: set[str], tables: Mapping[str, Any], sources: Mapping[str, str]
) -> tuple[Node | None, list[str]]:
    if not isinstance(table, dict):
        return None, ["is not a table"]
    reasons = []
    if not _ID.fullmatch(node_id):
        reasons.append("an id has lower-case letters, digits and single hyphens only")
    parent, named = table.get("parent"), table.get("sources", [])
    if isinstance(parent, str) and parent not in earlier:
        known = parent in tables
        reasons.append(f"its parent '{parent}' " + ("must stand before it" if known else "does not exist"))
    if isinstance(named, list):
        reasons += [f"source '{each}' is not in [sources]" for each in map(str, named) if each not in sources]
    if "id" in table:
        return None, [*reasons, "'id': the id stands in the table's head only"]
    try:
        node = Node.model_validate({"id": node_id, **table})
    except ValidationError as error:
        reasons += [f"'{'.'.join(str(part) for part in each['loc'])}': {each['msg']}" for each in error.errors()]
        return None, reasons
    return (None if reasons else node), reasons


def _problems_of_the_whole(taxonomy: Taxonomy) -> list[tuple[str, str]]:
    problems = [
        (node.id, f"has no {each}, and none of its ancestors has")
        for node in taxonomy
        for each in INHERITED
        if getattr(node, each) is None
    ]
    owner: dict[str, str] = {}
    isic: dict[str, str] = {}
    for node in taxonomy:
        for word in words_of(node):
            if owner.setdefault(word, node.id) != node.id:
                problems.append((node.id, f"the word '{word}' already means '{owner[word]}'"))
        if node.isic and isic.setdefault(node.isic, node.id) != node.id:
            problems.append((node.id, f"its ISIC path already stands at '{isic[node.isic]}'"))
    return problems
