"""The verbs `cutis taxonomy …`: the tree of diagnoses, what is found in it, and what is made of it."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutis.cli.taxonomy_classes import node_counts, partition_verb, risk_verb
from cutis.errors import TaxonomyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.tree import Tree

    from cutis.taxonomy import Taxonomy

taxonomy_app = typer.Typer(
    name="taxonomy", help="The tree of diagnoses: show, find, check, partition, risk grades.", no_args_is_help=True
)

taxonomy_app.command("partition")(partition_verb)
taxonomy_app.command("risk")(risk_verb)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]

_COLOURS = {"benign": "green", "premalignant": "yellow", "malignant": "red", "either": "magenta"}
_ROWS = 20  # of a table


@taxonomy_app.command("show")
def show(
    node: Annotated[
        str | None, typer.Option("--node", metavar="WORD", help="Show this diagnosis and all below it; any synonym.")
    ] = None,
    manifests: Annotated[
        list[Path] | None, typer.Option("--counts", metavar="M", help="Count the images of this manifest. Repeat it.")
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=0, help="Levels below the first. Default: all below a node; of the whole tree, 1."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with a chart of the tree to zoom into.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Print a part of the tree: name, id, malignancy, risk grade, ICD codes, and images where they are counted.

    Images are counted twice: those labelled at the very node, and those at it and below it. Rows without a node are
    told. The page of --html holds the whole tree and opens at the node.

    Example: cutis taxonomy show --node melanoma --counts ham.parquet

    Example: cutis taxonomy show --counts ham.parquet --html tree.html
    """
    from rich.console import Console

    from cutis.taxonomy import shipped_taxonomy

    taxonomy = shipped_taxonomy()
    tops = taxonomy.roots if node is None else (taxonomy.find(node),)
    deepest = depth if depth is not None else (1 if node is None else None)
    counts, notes = node_counts(taxonomy, manifests) if manifests else (None, [])
    if html is not None:
        from cutis.report import write_taxonomy_page

        write_taxonomy_page(taxonomy, html, counts=counts, start=None if node is None else tops[0], notes=notes)
    if json:
        rows = [
            {**_facts(taxonomy, each), **_images(taxonomy, each, counts)}
            for top in tops
            for each in taxonomy.descendants(top)
            if deepest is None or len(taxonomy.ancestors(each)) - len(taxonomy.ancestors(top)) <= deepest
        ]
        _print_json({"nodes": rows, "notes": notes, "written": None if html is None else str(html)})
        return
    console = Console()
    if not console.is_terminal:  # whole lines, so that they can be searched
        console = Console(width=1000)
    for top in tops:
        console.print(_tree(taxonomy, top, deepest, counts), highlight=False)
    for note in notes:
        typer.echo(f"note: {note}")
    if html is not None:
        typer.echo(f"written: {html}")


@taxonomy_app.command("find")
def find(
    word: Annotated[str, typer.Argument(metavar="WORD", help="A name, a synonym, an ICD code, a data set's word.")],
    *,
    json: Json = False,
) -> None:
    """Find a diagnosis by any of its words: its place, synonyms, codes, and the words of data sets that mean it.

    Nothing is guessed: a word that nothing is called by is an error that suggests the nearest.

    Example: cutis taxonomy find "bowen disease"

    Example: cutis taxonomy find C44.91
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from cutis.taxonomy import shipped_taxonomy

    taxonomy = shipped_taxonomy()
    found = _meant(taxonomy, word)
    if json:
        _print_json({"word": word, "nodes": [{**_facts(taxonomy, each), "data_sets": _words(each)} for each in found]})
        return
    if len(found) > 1:
        table = Table("id", "name", title=f"{len(found)} nodes for '{escape(word)}'", title_justify="left")
        for each in found[:_ROWS]:
            table.add_row(each, escape(taxonomy[each].name))
    else:
        table = Table(show_header=False, title=escape(taxonomy[found[0]].name), title_justify="left")
        for name, value in _told(taxonomy, found[0]):
            table.add_row(name, escape(value))
    Console().print(table)
    if len(found) > _ROWS:
        typer.echo(f"note: and {len(found) - _ROWS} more (--json shows all)")


@taxonomy_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A tree's .toml file.")], *, json: Json = False
) -> None:
    """Check a tree's file; exit with status 2 and line and reason of every problem when there is any.

    Example: cutis taxonomy check tree.toml
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from cutis.evaluation import counted
    from cutis.taxonomy import check_taxonomy, read_taxonomy

    problems = check_taxonomy(file)
    nodes = None if problems else len(read_taxonomy(file))
    if json:
        _print_json({"file": str(file), "nodes": nodes, "problems": [each._asdict() for each in problems]})
    elif problems:
        table = Table("line", "node", "reason", title=counted(len(problems), "problem"), title_justify="left")
        for each in problems:
            table.add_row(str(each.line or "–"), escape(each.node or "–"), escape(each.reason))
        Console().print(table)
    else:
        typer.echo(f"{nodes:,} nodes, no problems")
    if problems:
        raise typer.Exit(2)


def _facts(taxonomy: "Taxonomy", node_id: str) -> dict[str, Any]:
    return {**taxonomy[node_id].model_dump(), "path": taxonomy.path(node_id), "children": taxonomy.children(node_id)}


def _images(taxonomy: "Taxonomy", node_id: str, counts: "Mapping[str, int] | None") -> dict[str, int]:
    """Images at the very node, and at it and below it."""
    if counts is None:
        return {}
    below = sum(counts.get(each, 0) for each in taxonomy.descendants(node_id))
    return {"images": counts.get(node_id, 0), "images_with_below": below}


def _tree(taxonomy: "Taxonomy", top: str, deepest: int | None, counts: "Mapping[str, int] | None") -> "Tree":
    from rich.tree import Tree

    drawn = {top: Tree(_line(taxonomy, top, counts, cut=deepest == 0))}
    levels = {top: 0}
    for each in taxonomy.descendants(top)[1:]:
        parent = taxonomy[each].parent
        if parent not in drawn:
            continue
        levels[each] = levels[parent] + 1
        if deepest is None or levels[each] <= deepest:
            drawn[each] = drawn[parent].add(_line(taxonomy, each, counts, cut=levels[each] == deepest))
    return drawn[top]


def _line(taxonomy: "Taxonomy", node_id: str, counts: "Mapping[str, int] | None", *, cut: bool) -> str:
    """One node in rich's markup; ``cut``: what is below it is not shown, so how much that is has to be told."""
    from rich.markup import escape

    node = taxonomy[node_id]
    colour = _COLOURS.get(node.malignancy or "", "default")
    words = [f"[{colour}]{node.malignancy}[/]" if node.malignancy else "", f"risk {node.risk}" if node.risk else ""]
    words += [
        f"ICD-10 {' '.join(node.icd10cm)}" if node.icd10cm else "",
        f"ICD-11 {' '.join(node.icd11)}" if node.icd11 else "",
    ]
    line = f"[bold]{escape(node.name)}[/]  [dim]{node_id}[/]  {' · '.join(each for each in words if each)}"
    if counts is not None:
        images = _images(taxonomy, node_id, counts)
        own, below = images["images"], images["images_with_below"]
        line += f"  [bold cyan]{own:,} here, {below:,} with below[/]" if below else "  [dim]0[/]"
    hidden = len(taxonomy.descendants(node_id)) - 1
    return line + (f"  [dim](+ {hidden:,} below)[/]" if cut and hidden else "")


def _meant(taxonomy: "Taxonomy", word: str) -> tuple[str, ...]:
    """The nodes a word means: by the tree's words, else by an ICD code, else by the words of data sets.

    Of nodes with one code that stand below each other, the highest.
    """
    from cutis.taxonomy import VOCABULARIES, vocabulary

    try:
        return (taxonomy.find(word),)
    except TaxonomyError:
        code = word.strip().upper()
        for wanted in (code, code.partition(".")[0]):  # the tree leaves out what tells only the site: C43.5 is C43
            with_code = {each.id: each.parent for each in taxonomy if wanted in (*each.icd10cm, *each.icd11)}
            if with_code:
                return tuple(each for each, parent in with_code.items() if parent not in with_code)
        by_data_set = {
            vocabulary(each).words[own]: None
            for each in VOCABULARIES
            for own in vocabulary(each).words
            if own.casefold() == word.strip().casefold()
        }
        if by_data_set:
            return tuple(by_data_set)
        raise


def _words(node_id: str) -> dict[str, list[str]]:
    """Data set → its words that mean the node."""
    from cutis.taxonomy import VOCABULARIES, vocabulary

    found = {
        name: [word for word, meant in vocabulary(name).words.items() if meant == node_id] for name in VOCABULARIES
    }
    return {name: words for name, words in found.items() if words}


def _told(taxonomy: "Taxonomy", node_id: str) -> list[tuple[str, str]]:
    """What is known of a node, in words; without what it has not."""
    node = taxonomy[node_id]
    below = len(taxonomy.descendants(node_id)) - 1
    rows = [
        ("id", node_id),
        ("path", " › ".join(taxonomy[each].name for each in taxonomy.path(node_id))),
        ("also called", "; ".join(node.synonyms)),
        ("malignancy", node.malignancy or ""),
        ("tissue or kind", node.lineage or ""),
        ("risk grade", node.risk or ""),
        ("ICD-10-CM", ", ".join(node.icd10cm)),
        ("ICD-11", ", ".join(node.icd11)),
        ("in the ISIC archive", node.isic or ""),
        ("below it", f"{below:,} nodes" if below else ""),
        ("words of data sets", "; ".join(f"{name}: {', '.join(each)}" for name, each in _words(node_id).items())),
        ("note", node.note),
        ("sources", ", ".join(node.sources)),
    ]
    return [(name, value) for name, value in rows if value]


def _print_json(value: Any) -> None:
    typer.echo(dumps(value, ensure_ascii=False))
