"""Taking what another tool says into a library, as the annotations of one of its people: all of it or nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, select

from cutis.annotation.content import Annotation, Size, checked_annotation
from cutis.annotation.errors import AnnotationError
from cutis.annotation.events import Log
from cutis.annotation.labelled import Labelled
from cutis.annotation.library import Library
from cutis.annotation.people import people_in
from cutis.annotation.saving import kept_of, put
from cutis.annotation.settled_images import LESION
from cutis.annotation.tables import ImageRow
from cutis.database import AnyRow
from cutis.errors import TaxonomyError, listed
from cutis.taxonomy import VOCABULARIES, shipped_taxonomy, vocabulary


class ImportedAnnotations(NamedTuple):
    """How many images were annotated, with how many boxes; ``words``: what each word was taken for, None: nothing."""

    images: int
    boxes: int
    unchanged: int
    words: dict[str, str | None]


def import_annotations(
    library: Library,
    labelled: Sequence[Labelled],
    name: str,
    now: datetime,
    *,
    origin: str,
    words: Mapping[str, str | None] | None = None,
    data_set: str | None = None,
    replace: bool = False,
) -> ImportedAnnotations:
    """Save annotations from a file as those of a person, each a version in the history.

    Diagnosis and boxes come from the file; confirmation, quality and note of an annotation that is replaced stay.

    Args:
        library: open.
        labelled: what the file says.
        name: of the person in the library whose annotations these are.
        now: the server's time.
        origin: the file's name, for the history.
        words: what words of the file mean: a node; None: no diagnosis. They go before the vocabulary.
        data_set: whose vocabulary the words are of; None: the words of the tree of diagnoses.
        replace: whether images that the person has annotated already get a new version.

    Raises:
        AnnotationError: words without a meaning, images that are not in the library or doubled, sizes and boxes that
            do not fit, images annotated already: all of a kind together. Nothing was imported then.
    """
    meaning = _meanings(labelled, dict(words or {}), data_set)

    def work(connection: Connection) -> ImportedAnnotations:
        log = Log(connection, now)
        person = next((each for each in people_in(connection) if each.name == name), None)
        if person is None:
            known = listed([each.name for each in people_in(connection)])
            raise AnnotationError(f"nobody here is called '{name}'", fix=f"There are {known}.")
        found = _matched(connection, labelled)
        problems: list[str] = []
        annotated: list[str] = []
        ready: list[tuple[AnyRow, Annotation, int]] = []
        for each, row in found:
            mine = next((kept for kept in kept_of(connection, row.id) if kept.person.id == person.id), None)
            try:
                given = _annotation(each, row, meaning, Annotation() if mine is None else mine.annotation)
            except AnnotationError as error:
                problems.append(f"{each.where}: {error.problem}")
                continue
            if mine is not None and mine.annotation != given and not replace:
                annotated.append(row.image_id)
            ready.append((row, given, 0 if mine is None else mine.version))
        if problems:
            raise AnnotationError(
                f"{len(problems):,} images do not fit: {listed(problems)}",
                where=origin,
                fix="Correct them; nothing was imported.",
            )
        if annotated:
            raise AnnotationError(
                f"{name} has annotated {len(annotated):,} of these images already: {listed(annotated)}",
                where=origin,
                fix="With --replace they get a new version; the present one stays in the history.",
            )
        changed = boxes = 0
        for row, given, version in ready:
            saved = put(log, connection, library, person, row.id, given, version=version, imported_from=origin)
            changed += saved.version != version
            boxes += len(given.boxes)
        return ImportedAnnotations(changed, boxes, len(ready) - changed, meaning)

    return library.database.write(work)


def _meanings(
    labelled: Sequence[Labelled], words: dict[str, str | None], data_set: str | None
) -> dict[str, str | None]:
    taxonomy = shipped_taxonomy()
    wrong = [f"{word}={node}" for word, node in words.items() if node is not None and node not in taxonomy]
    if wrong:
        raise AnnotationError(f"not in the tree of diagnoses: {listed(wrong)}", fix="Name nodes of the tree.")
    find: Callable[[str], str | None] = taxonomy.find
    if data_set is not None:
        if data_set not in VOCABULARIES:
            raise AnnotationError(
                f"the words of '{data_set}' are not known", fix=f"Take one of {', '.join(VOCABULARIES)}."
            )
        find = vocabulary(data_set).node_of
    meaning: dict[str, str | None] = {}
    unknown = []
    for word in sorted({word for each in labelled for word in each.words}):
        if word in words:
            meaning[word] = words[word]
        elif word == LESION:
            meaning[word] = None
        else:
            try:
                meaning[word] = find(word)
            except TaxonomyError:
                unknown.append(f"'{word}'")
    if unknown:
        raise AnnotationError(
            f"{len(unknown):,} words have no meaning: {listed(unknown, 50)}",
            fix="Say what each means with --map WORD=NODE, or --map WORD= for no diagnosis; nothing was imported.",
        )
    return meaning


def _matched(connection: Connection, labelled: Sequence[Labelled]) -> list[tuple[Labelled, AnyRow]]:
    """The library's image of each, by its id, its file's name or that without the ending."""
    rows = connection.execute(
        select(ImageRow.id, ImageRow.image_id, ImageRow.image_path, ImageRow.width, ImageRow.height)
    ).all()
    by_id = {row.image_id: row for row in rows}
    by_file: dict[str, list[AnyRow]] = {}
    for row in rows:
        file = Path(row.image_path)
        for name in {file.name, file.stem}:
            by_file.setdefault(name, []).append(row)
    found: list[tuple[Labelled, AnyRow]] = []
    problems = []
    taken: dict[int, str] = {}
    for each in labelled:
        candidates = _candidates(each.names, by_id, by_file)
        told = each.names[0] if each.names else "no name"
        if len(candidates) != 1:
            what = f"{len(candidates)} images of the library are called so" if candidates else "is not in the library"
            problems.append(f"{each.where} ({told}) {what}")
        elif candidates[0].id in taken:
            problems.append(f"{each.where} ({told}) is the same image as {taken[candidates[0].id]}")
        else:
            taken[candidates[0].id] = each.where
            found.append((each, candidates[0]))
    if problems:
        raise AnnotationError(
            f"{len(problems):,} images are not found: {listed(problems)}", fix="Correct them; nothing was imported."
        )
    return found


def _candidates(names: Sequence[str], by_id: Mapping[str, AnyRow], by_file: Mapping[str, list[AnyRow]]) -> list[AnyRow]:
    for name in names:
        if name in by_id:
            return [by_id[name]]
    for name in names:
        plain = name.replace("\\", "/").rpartition("/")[2]
        stem = Path(plain).stem
        for known in (by_file.get(plain), [by_id[stem]] if stem in by_id else None, by_file.get(stem)):
            if known:
                return known
    return []


def _annotation(each: Labelled, row: AnyRow, meaning: Mapping[str, str | None], before: Annotation) -> Annotation:
    size = Size(row.width, row.height)
    if each.size is not None and each.size != size:
        raise AnnotationError(
            f"{row.image_id} is {each.size.width} × {each.size.height} pixels there, {size.width} × {size.height} here"
        )
    nodes = {node for word in each.words if (node := meaning[word]) is not None}
    if len(nodes) > 1:
        raise AnnotationError(f"{row.image_id} has several diagnoses: {listed(sorted(nodes))}")
    given = before.model_copy(update={"node": next(iter(nodes), None), "boxes": each.boxes})
    return checked_annotation(given, size, row.image_id)
