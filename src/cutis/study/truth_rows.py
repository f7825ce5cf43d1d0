"""Truth that is written in rows of its own, as if it had been read."""

from collections.abc import Sequence

import polars as pl

from cutis.study.readings import Readings, check_readings, refuse_rows

TRUTH_NAMES = ("-1", "truth")
"""A row of this reader, or of the modality ``truth``, holds a case's truth in place of a rating."""


def join_truth(rows: Sequence[tuple[int, str, str, str, str | None, str]], *, where: str) -> Readings:
    """Readings from rows among which some are truth.

    Args:
        rows: line number, reader, modality, case, truth (None where the file has no such column) and rating, as text.
        where: the file, for messages.

    Raises:
        ReadingsError: a case has no truth or two, or as :func:`cutis.study.check_readings`.
    """
    truths: dict[str, tuple[str, int]] = {}
    reads: list[tuple[int, str, str, str, str | None, str]] = []
    problems: list[tuple[int, str]] = []
    for row in rows:
        line, reader, modality, case, _, rating = row
        if reader.lower() not in TRUTH_NAMES and modality.lower() != "truth":
            reads.append(row)
            continue
        if _whole(rating) not in ("0", "1"):
            problems.append((line, f"truth is '{rating}', not 0 or 1"))
        elif case in truths:
            problems.append((line, f"case '{case}' has a truth in line {truths[case][1]} already"))
        else:
            truths[case] = (_whole(rating), line)
    known: list[str | None] = []
    for line, _, _, case, truth, _ in reads:
        told = truths.get(case)
        if told is None and truth is None:
            problems.append((line, f"case '{case}' has no truth"))
        elif told is not None and truth is not None and _whole(truth) != told[0]:
            problems.append((line, f"case '{case}' has truth {truth}, and {told[0]} in line {told[1]}"))
        known.append(told[0] if told is not None else truth)
    refuse_rows(sorted(problems), where=where, unit="line")
    columns = {
        "reader": [each[1] for each in reads],
        "modality": [each[2] for each in reads],
        "case": [each[3] for each in reads],
        "truth": known,
        "rating": [each[5] for each in reads],
    }
    table = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return check_readings(table, where=where, rows=[each[0] for each in reads], unit="line")


def _whole(number: str) -> str:
    """``"1.000"`` as ``"1"``; anything else as it is."""
    try:
        return str(int(float(number))) if float(number) == int(float(number)) else number
    except (ValueError, OverflowError):
        return number.strip()
