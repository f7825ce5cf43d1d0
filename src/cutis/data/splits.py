"""Splits that do not leak: rows of one lesion or patient stay together, classes stay in proportion.

A group is a connected component: rows that share a lesion, rows that share a patient, and rows linked through
others. The same seed and manifest give the same split, in whatever order the rows stand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data.manifest import known_columns, read_table
from cutis.errors import ManifestError, SplitError, listed

_NAMES = ("train", "val", "test")


def split(
    frame: pl.DataFrame,
    *,
    by: Sequence[str],
    folds: int | None = None,
    subsets: Mapping[str, float] | None = None,
    by_time: float | None = None,
    test_ids: Sequence[str] | None = None,
    strict: bool = False,
    seed: int = 0,
    stratify: str = "diagnosis",
) -> pl.DataFrame:
    """Set ``group``, ``subset``, ``fold`` and ``split_rule``.

    The test set is fixed by ``test_ids``, made by ``by_time`` or by ``subsets``, or the one that the manifest
    already has: that one stays, with its excluded rows, unless one of the three makes another. ``subsets``
    without ``test`` divides what is left of a fixed test set. ``folds`` are made of everything but test and
    excluded rows; a validation set is among them. A row in no subset then is in ``train``.

    Args:
        frame: a manifest.
        by: columns whose equal values must stay together, e.g. ``["lesion_id", "patient_id"]``. A row without
            a value in any of them is a group of its own.
        folds: number of folds, 2 or more, numbered from 0.
        subsets: fraction of the rows for ``train``, ``val`` and ``test``, summing to 1, e.g. ``{"train": 0.8,
            "val": 0.2}``.
        by_time: fraction in (0, 1) of the rows, the oldest, for ``train``; the newest are ``test``. A group
            belongs to the time of its newest image, so nothing in ``train`` is newer than the cut. Every row
            needs ``acquired_at``.
        test_ids: image ids of a fixed test set.
        strict: rows that share a group with a fixed test set become ``excluded`` instead of an error.
        seed: decides among equally good assignments.
        stratify: column whose values keep their proportions. A missing value counts as a value. A class of
            fewer groups than parts is absent from some (:func:`absent_classes` lists them).

    Raises:
        SplitError: an argument is out of range, arguments contradict each other, test ids are not in the
            manifest, a group straddles a fixed test set, there are fewer groups than parts, or the result
            would put a lesion or a patient that the manifest names on both sides.
        ManifestError: a column named is missing or empty.
    """
    _check_arguments(by, folds, subsets, by_time, test_ids)
    known_columns(frame, [*by, stratify] if by_time is None else [*by, stratify, "acquired_at"])
    frame = frame.with_columns(pl.Series("group", _groups(frame, by), dtype=pl.String))
    subset, rule = _fixed_test(frame, subsets, by_time, test_ids)
    subset, excluded = _guarded(frame, subset, by, strict=strict)
    if excluded:
        rule.append(f"{excluded:,} rows that share a group with the test set excluded")
    if subsets is not None:
        rows = _rows_for_training(subset)
        names = list(subsets)
        for row, part in zip(rows, _assigned(frame[rows], list(subsets.values()), stratify, seed), strict=True):
            subset[row] = names[part]
        rule.append("subsets " + ", ".join(f"{name}={fraction:g}" for name, fraction in subsets.items()))
    subset = [each or "train" for each in subset]
    fold: list[int | None] = [None] * len(frame)
    if folds is not None:
        rows = _rows_for_training(subset)
        for row, part in zip(rows, _assigned(frame[rows], [1 / folds] * folds, stratify, seed), strict=True):
            fold[row] = part
        rule.append(f"{folds} folds")
    rule.append(f"by {', '.join(by)}; stratified by {stratify}; seed {seed}")
    result = frame.with_columns(
        pl.Series("subset", subset, dtype=pl.String),
        pl.Series("fold", fold, dtype=pl.Int64),
        pl.lit("; ".join(rule)).alias("split_rule"),
    )
    check_split(result)
    return result


def check_split(frame: pl.DataFrame, by: Sequence[str] | None = None) -> None:
    """Refuse a split that leaks: one whose groups stand in more than one of train, val and test, or in two
    folds.

    Rows that are ``excluded``, or in no subset and no fold, stand on no side.

    Args:
        frame: a manifest with ``subset`` or ``fold``.
        by: the columns that tell groups; if not given, those of ``group``, ``lesion_id`` and ``patient_id``
            that are there.

    Raises:
        SplitError: a group stands on both sides; the message names the groups (count, first ten) and their
            sides.
        ManifestError: a column named in ``by`` is missing or empty.
    """
    if by is not None:
        known_columns(frame, by)
    columns = [each for each in by or ("group", "lesion_id", "patient_id") if each in frame.columns]
    sides = {
        "subset": frame.filter(pl.col("subset").is_in(list(_NAMES))) if "subset" in frame.columns else None,
        "fold": frame.filter(pl.col("fold").is_not_null()) if "fold" in frame.columns else None,
    }
    for column in columns:
        for side, rows in sides.items():
            if rows is None:
                continue
            torn = (
                rows.filter(pl.col(column).is_not_null())
                .group_by(column)
                .agg(pl.col(side).cast(pl.String).unique().sort())
                .filter(pl.col(side).list.len() > 1)
                .sort(column)
            )
            if len(torn):
                told = [f"'{group}' ({side} {' and '.join(on)})" for group, on in torn.iter_rows()]
                raise SplitError(
                    f"{len(told):,} values of {column} stand on both sides of the split: {listed(told)}",
                    fix=f"Make the split with `cutis split --by`, {column} among its columns.",
                )


def absent_classes(frame: pl.DataFrame, stratify: str = "diagnosis") -> list[str]:
    """Plain lines on values of ``stratify`` that are in the split but not in every subset or fold of it."""
    lines = []
    for column, rows in (
        ("subset", frame.filter(pl.col("subset").is_in(list(_NAMES)))),
        ("fold", frame.filter(pl.col("fold").is_not_null())),
    ):
        parts = rows[column].unique().sort().to_list()
        present = rows.filter(pl.col(stratify).is_not_null()).group_by(stratify).agg(pl.col(column).unique(), pl.len())
        for value, there, count in present.sort(stratify).iter_rows():
            absent = [str(each) for each in parts if each not in there]
            if absent:
                lines.append(f"'{value}' ({count:,} images) is absent from {column} {', '.join(absent)}")
    return lines


def read_ids(path: str | Path) -> list[str]:
    """Image ids from a table with a column ``image_id`` (or ``image``, ``isic_id``), or from a .txt file with
    one a line.

    Raises:
        ManifestError: the file is not there, is empty, or has no such column.
    """
    path = Path(path)
    if path.suffix.lower() == ".txt":
        try:
            ids = [each.strip() for each in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"cannot be read ({error})", where=str(path), fix="Check the file.") from error
    else:
        table = read_table(path)
        column = next((each for each in ("image_id", "image", "isic_id") if each in table.columns), None)
        if column is None:
            raise ManifestError(
                f"column 'image_id' is missing (found: {listed(table.columns)})",
                where=str(path),
                fix="Give the column of ids this name.",
            )
        ids = [str(each).strip() for each in table[column].drop_nulls()]
    ids = [each for each in ids if each]
    if not ids:
        raise ManifestError("holds no image ids", where=str(path), fix="List one a line.")
    return ids


def _check_arguments(
    by: Sequence[str],
    folds: int | None,
    subsets: Mapping[str, float] | None,
    by_time: float | None,
    test_ids: Sequence[str] | None,
) -> None:
    if not by:
        raise SplitError("no column named to keep together", fix="Name one or more, e.g. --by lesion_id,patient_id.")
    if folds is None and subsets is None and by_time is None and test_ids is None:
        raise SplitError("nothing asked for", fix="Give --folds, --subsets, --by-time or --test-ids.")
    if folds is not None and folds < 2:
        raise SplitError(f"{folds} folds asked for", fix="Ask for 2 or more.")
    if by_time is not None:
        if not 0 < by_time < 1:
            raise SplitError(f"--by-time is {by_time:g}", fix="Give a fraction between 0 and 1, e.g. .9.")
        if test_ids is not None or (subsets is not None and "test" in subsets):
            raise SplitError("two test sets asked for", fix="Give --by-time or another test set, not both.")
    if test_ids is not None and subsets is not None and "test" in subsets:
        raise SplitError("two test sets asked for", fix="With --test-ids, divide the rest into train and val only.")
    if subsets is not None:
        unknown = [each for each in subsets if each not in _NAMES]
        if unknown:
            raise SplitError(f"subset {listed(unknown)} is not known", fix="Use train, val and test.")
        if any(not 0 < each <= 1 for each in subsets.values()) or abs(sum(subsets.values()) - 1) > 1e-6:
            told = ", ".join(f"{name}={fraction:g}" for name, fraction in subsets.items())
            raise SplitError(
                f"the fractions {told} sum to {sum(subsets.values()):g}",
                fix="Give positive fractions that sum to 1.",
            )


def _groups(frame: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """Each row's group, named by the first of its image ids in alphabetical order."""
    # Here, as predicting a photograph splits nothing and scipy.sparse takes half a second to import.
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    n = len(frame)
    rows: list[npt.NDArray[np.int64]] = []
    values: list[npt.NDArray[np.int64]] = []
    nodes = n
    for column in by:
        has_value = frame[column].is_not_null().to_numpy()
        # A value of the column is a node too; its rows are linked to it.
        _, value = np.unique(frame[column].cast(pl.String).fill_null("").to_numpy(), return_inverse=True)
        rows.append(np.flatnonzero(has_value))
        values.append(nodes + value[has_value])
        nodes += n
    links = np.concatenate(rows), np.concatenate(values)
    graph = coo_array((np.ones(len(links[0]), dtype=np.int8), links), shape=(nodes, nodes))
    component = connected_components(graph, directed=False)[1][:n]
    named = pl.DataFrame({"component": component, "image_id": frame["image_id"]})
    return named.select(pl.col("image_id").min().over("component")).to_series().to_list()


def _fixed_test(
    frame: pl.DataFrame,
    subsets: Mapping[str, float] | None,
    by_time: float | None,
    test_ids: Sequence[str] | None,
) -> tuple[list[str | None], list[str]]:
    """Each row's subset before anything is drawn, and the words of the rule."""
    if by_time is not None:
        return _by_time(frame, by_time)
    if test_ids is not None:
        known = set(frame["image_id"])
        strangers = [each for each in test_ids if each not in known]
        if strangers:
            counted = f"{len(strangers):,} of {len(test_ids):,}"
            raise SplitError(
                f"{counted} test ids are not in the manifest: {listed(strangers)}",
                fix="Name the manifest that holds them.",
            )
        chosen = set(test_ids)
        return ["test" if each in chosen else None for each in frame["image_id"]], [f"{len(chosen):,} test ids given"]
    if subsets is not None and "test" in subsets:
        return [None] * len(frame), []
    held = frame["subset"].to_list() if "subset" in frame.columns else [None] * len(frame)
    return held, ["test set as it was"] if "test" in held else []


def _by_time(frame: pl.DataFrame, fraction: float) -> tuple[list[str | None], list[str]]:
    undated = frame.filter(pl.col("acquired_at").is_null())["image_id"].to_list()
    if undated:
        raise SplitError(
            f"{len(undated):,} rows have no acquired_at: {listed(undated)}",
            fix="Fill in the dates or leave these rows out: an undated image is on no side of the cut.",
        )
    newest = frame.select(pl.col("acquired_at").max().over("group")).to_series()
    dates = newest.value_counts(name="rows").sort("acquired_at")
    if len(dates) < 2:
        raise SplitError("all groups have the same date", fix="Use --subsets instead.")
    # Cut between two dates, where the share of the older rows is nearest to what was asked for.
    share = (dates["rows"].cum_sum() / len(frame)).to_numpy()[:-1]
    cut = dates["acquired_at"][int(np.argmin(np.abs(share - fraction)))]
    return ["train" if each <= cut else "test" for each in newest], [f"train up to {cut}, the oldest {fraction:.0%}"]


def _guarded(
    frame: pl.DataFrame, subset: Sequence[str | None], by: Sequence[str], *, strict: bool
) -> tuple[list[str | None], int]:
    """Subsets in which no group straddles the test set, and the number of rows excluded for it."""
    group = frame["group"].to_list()
    tested = {each for each, name in zip(group, subset, strict=True) if name == "test"}
    straddling = [row for row, name in enumerate(subset) if name not in ("test", "excluded") and group[row] in tested]
    if straddling and not strict:
        # Name a group by what it shares: the first lesion or patient that its rows have.
        named = pl.DataFrame({"group": group}).with_columns(
            frame.select(pl.coalesce(pl.format(f"{column} '{{}}'", column) for column in by).alias("shared"))
        )
        groups = named[straddling].group_by("group").agg(pl.col("shared").min())["shared"].sort().to_list()
        raise SplitError(
            f"{len(groups):,} groups are in the test set and outside it ({len(straddling):,} rows outside): "
            f"{listed(groups)}",
            fix="Give --strict to exclude these rows from training.",
        )
    guarded = list(subset)
    for row in straddling:
        guarded[row] = "excluded"
    return guarded, len(straddling)


def _rows_for_training(subset: Sequence[str | None]) -> list[int]:
    return [row for row, each in enumerate(subset) if each not in ("test", "excluded")]


def _assigned(frame: pl.DataFrame, fractions: Sequence[float], stratify: str, seed: int) -> list[int]:
    """The part of each row: whole groups, dealt one after the other to the part that lacks their classes
    most.

    Large groups and rare classes are dealt first, equals in random order. What is minimised is Pearson's
    chi-square between the rows a part has and the rows it should have, over the classes and the total.
    """
    groups = frame["group"].unique().sort()
    if len(groups) < len(fractions):
        raise SplitError(
            f"{len(groups):,} groups cannot be dealt to {len(fractions)} parts",
            fix="Ask for fewer, or keep less together.",
        )
    group = frame.select(pl.col("group").replace_strict(groups, np.arange(len(groups)))).to_series().to_numpy()
    _, value = np.unique(frame[stratify].cast(pl.String).fill_null("").to_numpy().astype(str), return_inverse=True)
    counts = np.zeros((len(groups), value.max() + 2))
    np.add.at(counts, (group, value), 1)
    counts[:, -1] = counts.sum(axis=1)
    total = counts.sum(axis=0)
    rarest = np.where(counts > 0, total, np.inf).min(axis=1)
    order = np.lexsort((np.random.default_rng(seed).random(len(groups)), rarest, -counts[:, -1]))
    wanted = np.asarray(fractions)[:, None] * total
    had = np.zeros_like(wanted)
    part = np.zeros(len(groups), dtype=np.int64)
    for each in order:
        n = counts[each]
        rise = (n * (2 * (had - wanted) + n) / wanted).sum(axis=1)
        part[each] = int(np.argmin(rise))
        had[part[each]] += n
    empty = np.flatnonzero(had[:, -1] == 0)
    if len(empty):
        raise SplitError(
            f"{len(groups):,} groups are too few: a part of {fractions[empty[0]]:.0%} stays empty",
            fix="Ask for fewer or larger parts.",
        )
    return [int(each) for each in part[group]]
