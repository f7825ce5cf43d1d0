"""Choosing a study's cases: at random within each diagnosis, never two of one patient, none the AI was trained on.

What is drawn is the patient (or lesion), then one of their images: a lesion with ten images is as likely as one with
one. The draw depends on the seed and the ids alone, so the same manifest gives the same cases, and a case taken out
(unfit, excluded) is replaced by the next of its stratum while the others stay.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from cutis.data import check_images, content_key, read_ids
from cutis.errors import ImageError, listed
from cutis.evaluation import Predictions
from cutis.models import BundleFacts
from cutis.study.answers import right_choice
from cutis.study.design import StudyDesign, StudyError
from cutis.study.random_order import random_order
from cutis.study.strata import strata_of, units_of

CasePart = Literal["main", "training"]
Slot = tuple[CasePart, int]  # what a case is drawn for: part and stratum


class StudyCase(BaseModel):
    """One case of a study, with its truth: never to be shown to a reader.

    ``stratum``: which of the design's ``[[cases]]`` it was drawn for, from 0. ``part``: it counts, or is a training
    case. ``node``: its diagnosis in the tree. ``image_path``: whole. ``age`` (years), ``sex`` and ``site``: as far as
    the manifest knows them, whether or not they are shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_id: str
    image_path: str
    stratum: int
    part: CasePart
    node: str
    age: int | None = None
    sex: str | None = None
    site: str | None = None


class CaseChoice(NamedTuple):
    """The cases of a study, and what must be known of how they were found, in words."""

    cases: list[StudyCase]
    notes: list[str]


def choose_cases(
    design: StudyDesign,
    manifest: pl.DataFrame,
    *,
    ai: BundleFacts | Predictions | None = None,
    unfit: Collection[str] = (),
) -> CaseChoice:
    """Draw the cases that count, then the training cases, which are shared out evenly over the strata.

    Left out are images without a file or a diagnosis, those the manifest excludes, those with no right answer to the
    question, and with an aiding AI those of which it has seen the image, lesion, group or patient.

    Args:
        design: what is asked for.
        manifest: as :func:`cutis.data.read_manifest` gives it.
        ai: what aids. Of predictions, ``seen`` is believed, and images they lack are left out.
        unfit: image ids that the check of image quality refused.

    Raises:
        StudyError: strata are short of cases (all told together, with what was left out), an excluded id or a filter's
            column is not in the manifest.
        ImageError: images that were drawn cannot be read; all are named.
    """
    excluded = _excluded(design, manifest)
    reasons = _left_out(design, manifest, excluded, set(unfit), ai)
    units = units_of(manifest, design.one_image_per)
    strata = strata_of(design, manifest)
    rows = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
    while True:
        drawn = _drawn(design, manifest["image_id"].to_list(), units, strata, reasons)
        copies = _copies_of_training(ai, [manifest["image_path"][rows[each]] for each, _ in drawn])
        if not copies:
            break
        # The AI was trained on the same file under another name; only the files drawn are read to find that.
        for (image_id, _), copy in zip(drawn, copies, strict=True):
            if copy:
                reasons[rows[image_id]] = _SEEN
    chosen = manifest[[rows[each] for each, _ in drawn]]
    bad = check_images(chosen)
    if bad:
        raise ImageError(
            f"{len(bad)} of {len(chosen)} cases cannot be read: {listed([str(each) for each in bad])}",
            fix="Replace the files, or exclude these images.",
        )
    cases = [_case(row, slot) for row, (_, slot) in zip(chosen.iter_rows(named=True), drawn, strict=True)]
    return CaseChoice(cases, _notes(design, chosen, reasons, strata, ai))


_SEEN = "seen by the AI in training"


def _excluded(design: StudyDesign, manifest: pl.DataFrame) -> set[str]:
    excluded = read_ids(design.exclude) if isinstance(design.exclude, str) else list(design.exclude)
    known = set(manifest["image_id"])
    unknown = [each for each in excluded if each not in known]
    if unknown:
        raise StudyError(
            f"{len(unknown)} ids to be excluded are not in the manifest: {listed(unknown)}",
            where="exclude",
            fix="Correct them: a misspelt id would let the image in.",
        )
    return set(excluded)


def _left_out(
    design: StudyDesign,
    manifest: pl.DataFrame,
    excluded: set[str],
    unfit: set[str],
    ai: BundleFacts | Predictions | None,
) -> list[str | None]:
    """Why each row of the manifest cannot be a case; None where it can."""
    answerable = {
        node: right_choice(design.question, node) for node in manifest["diagnosis_node"].drop_nulls().unique()
    }
    seen = _seen(manifest, ai)
    reasons: list[str | None] = []
    columns = manifest.select("image_id", "image_path", "diagnosis_node", "subset").iter_rows()
    for (image_id, path, node, subset), known in zip(columns, seen, strict=True):
        if node is None:
            reasons.append("without a diagnosis")
        elif path is None:
            reasons.append("without an image")
        elif subset == "excluded":
            reasons.append("excluded by the manifest")
        elif image_id in excluded:
            reasons.append("excluded by the design")
        elif image_id in unfit:
            reasons.append("unfit in the check of image quality")
        elif answerable[node] is None:
            reasons.append("without a right answer to the question")
        else:
            reasons.append(known)
    return reasons


def _seen(manifest: pl.DataFrame, ai: BundleFacts | Predictions | None) -> list[str | None]:
    """Why the AI forbids each row: it has seen something of it, or has no answer."""
    if ai is None:
        return [None] * len(manifest)
    if isinstance(ai, Predictions):
        said = dict(zip(ai.image_ids, ai.seen or [None] * len(ai.image_ids), strict=True))
        return [
            "not predicted by the AI" if each not in said else None if said[each] in (None, "no") else _SEEN
            for each in manifest["image_id"]
        ]
    seen = np.zeros(len(manifest), dtype=bool)
    for column in ("image_id", "lesion_id", "group", "patient_id"):
        # Ids of two data sets may coincide by chance, so an id counts only together with its source.
        known = set(ai.training_record.drop_nulls(column).select("source", column).iter_rows())
        seen |= [pair in known for pair in manifest.select("source", column).iter_rows()]
    return [_SEEN if each else None for each in seen]


def _copies_of_training(ai: BundleFacts | Predictions | None, paths: Sequence[str]) -> list[bool]:
    """For each file whether the bundle was trained on one of the same content; nothing where on none."""
    if not isinstance(ai, BundleFacts):
        return []
    known = set(ai.training_record["content_key"].drop_nulls())
    copies = [content_key(path) in known for path in paths]
    return copies if any(copies) else []


def _drawn(
    design: StudyDesign,
    ids: Sequence[str],
    units: Sequence[str],
    strata: Sequence[Sequence[int]],
    reasons: Sequence[str | None],
) -> list[tuple[str, Slot]]:
    """The images chosen, with what each is for: first the cases that count, stratum by stratum, then the training."""
    images: dict[tuple[int, str], list[str]] = {}  # of a unit in a stratum
    for image_id, unit, of, reason in zip(ids, units, strata, reasons, strict=True):
        if reason is None:
            for stratum in of:
                images.setdefault((stratum, unit), []).append(image_id)
    by_stratum: list[list[str]] = [[] for _ in design.cases]
    for stratum, unit in images:
        by_stratum[stratum].append(unit)
    wanted: dict[Slot, int] = {("main", k): each.number for k, each in enumerate(design.cases)}
    each, rest = divmod(design.training_cases, len(design.cases))
    wanted |= {("training", k): each + (k < rest) for k in range(len(design.cases))}
    order = {slot: random_order(by_stratum[slot[1]], design.seed, *slot) for slot in wanted}
    owner: dict[str, Slot] = {}
    for slot, number in wanted.items():
        free = [unit for unit in order[slot] if unit not in owner][:number]
        owner |= dict.fromkeys(free, slot)
    held = Counter(owner.values())
    for slot, number in wanted.items():
        while held[slot] < number and _taken_over(slot, order, owner):
            held[slot] += 1
    short = [slot for slot, number in wanted.items() if held[slot] < number]
    if short:
        raise _shortage(design, wanted, images, strata, reasons)
    place = {slot: {unit: rank for rank, unit in enumerate(of)} for slot, of in order.items()}
    slots = sorted(owner.items(), key=lambda pair: (list(wanted).index(pair[1]), place[pair[1]][pair[0]]))
    return [(random_order(images[slot[1], unit], design.seed, "image")[0], slot) for unit, slot in slots]


def _taken_over(slot: Slot, order: dict[Slot, list[str]], owner: dict[str, Slot]) -> bool:
    """Give a slot one unit more where others can move to units of theirs: a shortest augmenting path over slots."""
    came: dict[Slot, tuple[Slot, str]] = {}  # a slot that gives a unit away: to which, and the unit
    waiting = [slot]
    for taker in waiting:
        free = next((unit for unit in order[taker] if unit not in owner), None)
        if free is not None:
            owner[free] = taker
            while taker != slot:
                receiver, unit = came[taker]
                owner[unit] = receiver
                taker = receiver  # noqa: PLW2901 - back along the path
            return True
        for unit in order[taker]:
            giver = owner[unit]
            if giver != slot and giver not in came:
                came[giver] = (taker, unit)
                waiting.append(giver)
    return False


def _shortage(
    design: StudyDesign,
    wanted: dict[Slot, int],
    images: dict[tuple[int, str], list[str]],
    strata: Sequence[Sequence[int]],
    reasons: Sequence[str | None],
) -> StudyError:
    told = []
    for k, stratum in enumerate(design.cases):
        asked = wanted["main", k] + wanted["training", k]
        fit = [each for of, each in images.items() if of[0] == k]
        if len(fit) >= asked:
            continue
        counts = Counter(why for of, why in zip(strata, reasons, strict=True) if k in of and why is not None)
        several = sum(len(each) - 1 for each in fit)
        if several:
            counts[f"of the same {design.one_image_per} as another"] = several
        out = "; left out " + ", ".join(f"{number:,} {why}" for why, number in counts.most_common()) if counts else ""
        training = f" and {wanted['training', k]} for training" if wanted["training", k] else ""
        told.append(f"{stratum.name}: {wanted['main', k]}{training} asked for, {len(fit)} found{out}")
    if not told:
        told = ["each diagnosis alone has cases enough, but patients with several diagnoses count once"]
    return StudyError(
        f"there are too few cases: {'; '.join(told)}",
        where="[[cases]]",
        fix="Ask for fewer, widen 'where', or take a larger manifest.",
    )


def _notes(
    design: StudyDesign,
    chosen: pl.DataFrame,
    reasons: Sequence[str | None],
    strata: Sequence[Sequence[int]],
    ai: BundleFacts | Predictions | None,
) -> list[str]:
    counts = Counter(why for of, why in zip(strata, reasons, strict=True) if of and why is not None)
    notes = [
        f"{number:,} images of the diagnoses asked for were left out: {why}." for why, number in counts.most_common()
    ]
    if isinstance(ai, Predictions):
        said = dict(zip(ai.image_ids, ai.seen or [None] * len(ai.image_ids), strict=True))
        unknown = sum(said[each] is None for each in chosen["image_id"])
        if unknown:
            notes.append(f"For {unknown:,} cases it is not known whether the AI was trained on them.")
    unconfirmed = chosen.filter(pl.col("diagnosis_confirm_type").fill_null("") != "histopathology")
    if len(unconfirmed):
        notes.append(f"{len(unconfirmed):,} of {len(chosen):,} cases are not confirmed by histopathology.")
    for word, column in (("age", "age_approx"), ("sex", "sex"), ("site", "source_anatom_site")):
        absent = chosen[column].null_count()
        if word in design.shown and absent:
            notes.append(f"For {absent:,} of {len(chosen):,} cases the {word} is not known.")
    if design.one_image_per != "image" and chosen["lesion_id"].null_count() and chosen["patient_id"].null_count():
        unknown = len(chosen.filter(pl.col("lesion_id").is_null() & pl.col("patient_id").is_null()))
        notes += [f"For {unknown:,} cases neither lesion nor patient is known."] if unknown else []
    return notes


def _case(row: dict[str, object], slot: Slot) -> StudyCase:
    site = row["anatom_site"] or row["source_anatom_site"]
    return StudyCase.model_validate(
        {
            "image_id": row["image_id"],
            "image_path": row["image_path"],
            "stratum": slot[1],
            "part": slot[0],
            "node": row["diagnosis_node"],
            "age": row["age_approx"],
            "sex": row["sex"],
            "site": None if site is None else str(site).split(":")[-1].lower(),
        }
    )
