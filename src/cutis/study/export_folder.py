"""A study's results as a folder of plain files: answers, readings, cases, events, the design, and what each holds."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from cutis.files import replacing_folder, write_text
from cutis.study.answer_readings import readings_from_answers, repeated_readings
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError
from cutis.study.design_files import write_design
from cutis.study.reading_files import write_readings
from cutis.study.readings import Readings, ReadingsError
from cutis.study.store import (
    ChainError,
    Store,
    answered_steps,
    seal,
    study_design,
    verify_chain,
    write_answers,
    write_events,
)
from cutis.study.study_folder import check_new_place
from cutis.taxonomy import Risk, shipped_taxonomy

_COLUMNS = """\
## answers.csv: a row for each case that was shown, in each reader's order

| column | holds |
|---|---|
| reader, group | the reader's code and group |
| position | 0, 1, …: the order in which this reader saw the cases |
| period | 0, 1, …: the part of a crossover study |
| part | `training`, `main`, or `repeat`: the second showing of a case |
| case | the image id of the manifest |
| step | 0, or 1 for the second answer to a case in a sequential study |
| arm | the arm in which it was answered |
| outcome | `answered`, `timed out`, or empty: open, or open when the study was closed |
| shown_at, due_at, answered_at | the server's time, UTC; `due_at` only with a time limit |
| sent_by | `reader`, or `time limit`: the browser sent what was chosen. Empty in studies made before this |
| seconds | from showing to the answer that is kept |
| choices | ids of the options, `\\|` between several, the likeliest first |
| confidence | 0–100 or a word of the design |
| truth | the case's diagnosis, a node of the tree |
| right_choice | the option that is right for it |
| zoomed, hidden | how often the browser told that the photograph was enlarged, that the page was hidden |
| displayed | what the browser last told of the sizes of window and photograph, as JSON |

## cases.csv

`image_id`, `part` (`main` or `training`), `stratum` (which of the design's `[[cases]]`, from 0), `truth` (a node of the
tree), `diagnosis` (in words).

## readings.csv, readings_correct.csv, repeats.csv: for `cutis study analyze`

`reader`, `modality` (the arm), `case`, `truth` (1 positive, 0 negative), `rating`. Training cases, repeats and cases
that timed out are not among them.

- `readings.csv`: the rating says how suspect the case was thought.
- `readings_correct.csv`: a right answer is rated as the truth and a wrong one as its opposite, so accuracy is the share
  of right answers.
- `repeats.csv`: cases shown twice, for the agreement of readers with themselves; each arm is two modalities.

## events.jsonl

All that happened, in the order of the server's clock: a first line with the study's key, then an event a line. Each
holds the hash of the one before, so a line that was changed, taken out or put in shows.
"""


class Exported(NamedTuple):
    """What was written. ``notes``: what could not be made, and why; ``broken``: what is wrong with the event log."""

    files: list[Path]
    notes: list[str]
    seal: str
    broken: str | None


def write_export(
    store: Store,
    study_id: int,
    folder: str | Path,
    now: datetime,
    *,
    positive: Sequence[str] | None = None,
    at: Risk = "high",
    first: int = 1,
    withdrawn: bool = False,
) -> Exported:
    """Write a study's results into a new folder, with a README that says what each column holds.

    The event log is sealed first and checked; if it is broken, the results are written all the same and say so first.

    Args:
        store: the open database.
        study_id: the study's.
        folder: to be made.
        now: the server's time.
        positive: nodes that count as positive; see :func:`cutis.study.readings_from_answers`, as for the next two.
        at: of a question of risk.
        first: of a ranked question.
        withdrawn: whether the readings and answers of readers who withdrew are in it; the event log always tells of
            them.

    Raises:
        StoreError: there is no such study.
        StudyError: something is in the folder already.
    """
    check_new_place(folder)
    design = study_design(store, study_id)
    sealed = seal(store, study_id, now)
    broken = None
    try:
        events = verify_chain(store, study_id).events
        checked = f"The event log was checked: its {events:,} events are whole and fit the answers."
    except ChainError as error:
        broken = str(error)
        checked = f"**The event log is broken:** {error}"
    cases, steps = answered_steps(store, study_id, withdrawn=withdrawn)
    notes = []
    with replacing_folder(folder) as temporary:
        write_answers(store, study_id, temporary / "answers.csv", withdrawn=withdrawn)
        _cases_table(cases).write_csv(temporary / "cases.csv")
        write_events(store, study_id, temporary / "events.jsonl")
        write_design(temporary / "design.toml", design)
        makers: dict[str, Callable[[], Readings]] = {
            "readings.csv": lambda: readings_from_answers(design, cases, steps, positive=positive, at=at, first=first),
            "readings_correct.csv": lambda: readings_from_answers(
                design, cases, steps, measured="correct", positive=positive, at=at, first=first
            ),
        }
        if design.repeated_cases:
            makers["repeats.csv"] = lambda: repeated_readings(design, cases, steps, positive=positive, at=at)
        for name, make in makers.items():
            try:
                readings = make()
            except (StudyError, ReadingsError) as error:  # told: the answers themselves are written in any case
                notes.append(f"{name} was not made: {error}")
            else:
                write_readings(temporary / name, readings)
        write_text(temporary / "README.md", _readme(design, checked, sealed, now, notes, withdrawn))
        names = sorted(each.name for each in temporary.iterdir())
    return Exported([Path(folder) / each for each in names], notes, sealed, broken)


def _cases_table(cases: Sequence[StudyCase]) -> pl.DataFrame:
    taxonomy = shipped_taxonomy()
    rows = [(each.image_id, each.part, each.stratum, each.node, taxonomy[each.node].name) for each in cases]
    return pl.DataFrame(rows, schema=["image_id", "part", "stratum", "truth", "diagnosis"], orient="row")


def _readme(
    design: StudyDesign, checked: str, sealed: str, now: datetime, notes: Sequence[str], withdrawn: bool
) -> str:
    out = "" if withdrawn else " Answers of readers who withdrew are left out; the event log still tells of them."
    told = "".join(f"- {each}\n" for each in notes)
    missing = f"\nNot made:\n\n{told}" if notes else ""
    return f"""\
# {design.title}

Exported by cutis on {now:%Y-%m-%d at %H:%M} UTC. Research data: they hold the truth of every case and every reader's
answers. Do not show them to readers who have not finished.{out}

{checked} Its seal at this moment is `{sealed}`: kept elsewhere, it shows later whether the log was made anew.
{missing}
Next: `cutis study analyze readings.csv`

{_COLUMNS}"""
