"""What a study's data and design themselves say against its result."""

from collections.abc import Iterator

import polars as pl

from cutis.evaluation import counted, joined, percent
from cutis.study import StudyFindings

_FEW_READERS, _FEW_CASES, _SHORT_WASHOUT = 5, 20, 28  # days of wash-out, as crossover reader studies often have


def limits(found: StudyFindings) -> list[str]:
    """What the data themselves say against the result."""
    return [*_of_conduct(found), *_of_design(found), *_of_sample(found)]


def _of_conduct(found: StudyFindings) -> Iterator[str]:
    record = found.record
    yield from record.notes
    unfinished = [each for each in record.states if each.state not in ("finished", "withdrawn")]
    if unfinished:
        more = (
            ""
            if record.closed
            else " The study is not closed: figures will change, and looking at them early can bias it."
        )
        yield f"{counted(len(unfinished), 'reader has', 'readers have')} not finished.{more}"
    gone = [each for each in record.states if each.state == "withdrawn"]
    kept = [each for each in gone if each.reader in record.readings.readers]
    if gone:
        how = "are in the figures" if kept else "are left out"
        yield f"{counted(len(gone), 'reader')} withdrew; their answers {how}."
    late = sum(each.timed_out or 0 for each in found.counts)
    if late:
        asked = sum(each.asked for each in found.counts)
        verb = "is" if late == 1 else "are"
        told = f"{counted(late, 'case')} of {asked:,} ({percent(late / asked, 1)}) timed out and {verb} left out."
        yield told + _were_all_wrong(found)
    sent = sum(each.at_limit or 0 for each in found.counts)
    if sent:
        yield f"{counted(sent, 'answer')} counted as it stood chosen when the time was up, without being confirmed."
    absent = record.readings.missing
    if absent and record.answers is None and record.readings.design == "incomplete":
        yield f"{counted(absent, 'reading is', 'readings are')} not there; why, a table of readings does not tell."
    enlarged = sum(each.enlarged or 0 for each in found.counts)
    if enlarged:
        answered = sum(each.answered for each in found.counts)
        yield (
            f"Readers enlarged the photograph in {enlarged:,} of {answered:,} answered cases "
            f"({percent(enlarged / answered)}): not all saw the same detail, which can lower their agreement."
        )
    elif record.design is not None and record.design.zoom:
        yield "Photographs could be enlarged; nobody did."


def _were_all_wrong(found: StudyFindings) -> str:
    """How far accuracy would fall if every case that timed out counted as wrong."""
    judged = found.record.judged
    if judged is None:
        return ""
    told = []
    for arm in found.record.arms:
        rows = [each for each in found.counts if each.arm == arm.id]
        late, answered = sum(each.timed_out or 0 for each in rows), sum(each.answered for each in rows)
        own = judged.frame.filter(judged.frame["modality"] == arm.id)
        right = int((own["truth"].cast(pl.Float64) == own["rating"]).sum())
        if late and answered:
            lower, share = percent(right / (answered + late), 1), percent(right / answered, 1)
            told.append(f"{lower} instead of {share} in {found.record.quoted(arm.id)}")
    return f" Were all of them wrong, the share of right answers would be {joined(told)}." if told else ""


def _of_design(found: StudyFindings) -> Iterator[str]:
    design = found.record.design
    if design is None:
        if len(found.record.arms) > 1:
            yield "How arms, order and readers were assigned, a table of readings does not tell: add it to the methods."
        return
    if design.reading == "sequential":
        yield (
            "Each case was answered a second time at once with the AI: what a second look alone would have changed "
            "is not told apart from the AI’s part."
        )
    if design.reading == "one arm" and len(design.arms) > 1:
        yield "Readers stayed in one arm: arms differ by their readers as well."
    if design.reading == "crossover" and design.case_sets == "same" and design.washout_days < _SHORT_WASHOUT:
        yield (
            f"The same cases were read in each part with {counted(design.washout_days, 'day')} between: readers may "
            "have remembered some."
        )
    if design.repeated_cases:
        twice = counted(design.repeated_cases, "case was", "cases were")
        yield f"{twice} shown twice in a part; first showings alone count."
    if design.one_image_per == "image":
        yield "Several photographs of one patient or lesion may be among the cases; intervals take them as independent."
    yield "Readers saw photographs on a screen, not patients: touch, history and other lesions were missing."


def _of_sample(found: StudyFindings) -> Iterator[str]:
    record = found.record
    readings = record.readings
    least, arm = min((len(readings.only(modalities=[each.id]).readers), each.id) for each in record.arms)
    if least < _FEW_READERS:
        yield f"{counted(least, 'reader')} in {record.quoted(arm)}: so few tell little of what other readers would do."
    for number, name in ((readings.positives, record.positive), (readings.negatives, record.negative)):
        if number < _FEW_CASES:
            yield f"Only {counted(number, 'case')} {'is' if number == 1 else 'are'} {name}."
    alone = [each for each in record.group_names if len(record.of_group(each)) == 1]
    if alone:
        yield f"One reader only is of the group {joined(alone)}: that figure is this reader’s."
    if len(record.group_names) > 1:
        yield "Groups were not tested against each other; those within a group are few."
    share = readings.positives / (readings.positives + readings.negatives)
    yield (
        f"{percent(share)} of the cases are {record.positive}. Readers who expect that share may be less strict, or "
        "more, than in practice; predictive values of this sample do not hold elsewhere and are not told."
    )
    if len(found.analyses) > 1:
        yield "Tests of several endpoints, groups and pairs are not adjusted for their number: the main one counts."
    yield from dict.fromkeys(each for told in found.comparisons.values() for each in told.warnings)
