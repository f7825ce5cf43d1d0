"""The map as a figure for a paper, with example images inset beside their points (Esteva 2017, Fig. 4)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cutis.data import fit_image, read_image
from cutis.errors import ImageError
from cutis.explanation import example_rows, place_insets
from cutis.files import replacing
from cutis.report.embedding_points import DIAGNOSIS, MOST_VALUES, Column, MapPoints, signs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#182026"
_INCHES = 7.2
_RATIOS = (0.56, 1.1)  # of height to width
_FIELD = np.array([1.22, 1.3])  # of the points' extent: pictures want room about them
_INSET = (0.084, 0.063)  # of the field's width
_LEGEND_COLUMNS = 3
_MOST_EXAMPLES = 24
_VECTOR_POINTS = 20_000  # more are drawn as pixels, also in SVG and PDF
_ELEVATION, _AZIMUTH = np.radians(20.0), np.radians(35.0)
_DOTS = 300


def write_embedding_figures(points: MapPoints, column: Column, folder: str | Path) -> list[Path]:
    """Write ``embedding.svg``, ``embedding.pdf`` and ``embedding.png``: the points by colour and shape, with examples.

    Examples are typical images of each diagnosis (of the column's values where no diagnosis is known), and new cases
    if there are few. A map of three dimensions is drawn from one side; what is nearer is larger.

    Args:
        points: the map's points.
        column: what colours them.
        folder: where to.

    Returns:
        The three files.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - half a second to import
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    places, depth = seen_from_one_side(points.coordinates)
    low, high = places.min(axis=0), places.max(axis=0)
    across = (high - low) * _FIELD
    ratio = float(np.clip(across[1] / max(across[0], 1e-12), *_RATIOS))
    width = max(float(across[0]), float(across[1]) / ratio, 1e-6)
    corner = (low + high) / 2 - np.array([width, width * ratio]) / 2
    bounds = (float(corner[0]), float(corner[1]), float(corner[0] + width), float(corner[1] + width * ratio))
    names = len(column.values) + 2
    below = 0.5 if column.numbers is not None else 0.1 + 0.17 * -(-names // _LEGEND_COLUMNS)
    height = _INCHES * ratio + below
    figure = Figure(figsize=(_INCHES, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, below / height, 1.0, 1 - below / height))
    axes.set_axis_off()
    _draw_points(axes, points, column, places, depth)
    _draw_examples(axes, points, column, places, bounds, signs(column))
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(
            handles,
            labels,
            loc="lower left" if column.numbers is not None else "lower center",
            ncols=_LEGEND_COLUMNS,
            frameon=False,
            fontsize=7,
            markerscale=1.5,
            handletextpad=0.2,
            columnspacing=1.0,
            borderaxespad=0.2,
        )
    written = []
    for kind in ("svg", "pdf", "png"):
        path = Path(folder) / f"embedding.{kind}"
        # No date inside: the same map gives the same file.
        facts: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
        with replacing(path) as temporary, rc_context({"svg.hashsalt": "cutis", "image.composite_image": False}):
            figure.savefig(temporary, format=kind, dpi=_DOTS, metadata=facts[kind])
        written.append(path)
    return written


def seen_from_one_side(
    coordinates: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points of two or three dimensions on paper: P × 2, and their depth, 0 (far) to 1 (near; all 1 for two)."""
    places = np.asarray(coordinates, dtype=np.float64)
    if places.shape[1] == 2:
        return places, np.ones(len(places))
    c, s = np.cos(_AZIMUTH), np.sin(_AZIMUTH)
    across, along = c * places[:, 0] - s * places[:, 1], s * places[:, 0] + c * places[:, 1]
    c, s = np.cos(_ELEVATION), np.sin(_ELEVATION)
    up, toward = c * places[:, 2] + s * along, s * places[:, 2] - c * along
    near = (toward - toward.min()) / max(float(np.ptp(toward)), 1e-12)
    return np.stack([across, up], axis=1), near


def _draw_points(
    axes: "Axes",
    points: MapPoints,
    column: Column,
    places: npt.NDArray[np.float64],
    depth: npt.NDArray[np.float64],
) -> None:
    size = float(np.clip(9000 / max(1, len(places)), 1.6, 14))
    pixels = len(places) > _VECTOR_POINTS
    style: dict[str, Any] = {"linewidths": 0, "rasterized": pixels}
    old = ~points.new
    if column.numbers is not None:
        known = np.isfinite(column.numbers)
        rows = np.flatnonzero(old & ~known)
        axes.scatter(
            places[rows, 0],
            places[rows, 1],
            s=size * 0.6,
            c="#C4CACD",
            label="not recorded" if len(rows) else None,
            **style,
        )
        rows = np.flatnonzero(old & known)
        shades = axes.scatter(places[rows, 0], places[rows, 1], s=size, c=column.numbers[rows], cmap="cividis", **style)
        figure = axes.get_figure(root=True)
        assert figure is not None
        place = figure.add_axes((0.33, 0.34 / figure.get_figheight(), 0.34, 0.012))
        bar = figure.colorbar(shades, cax=place, orientation="horizontal")
        bar.set_label(column.title, fontsize=7, labelpad=1)
        bar.ax.tick_params(labelsize=6.5, length=2, pad=1)
    else:
        rows = np.flatnonzero(old & (column.codes < 0))
        if len(rows):
            axes.scatter(
                places[rows, 0], places[rows, 1], s=size * 0.5, c="#C4CACD", marker=".", label="not recorded", **style
            )
        for code, (value, (colour, marker)) in enumerate(zip(column.values, signs(column), strict=True)):
            rows = np.flatnonzero(old & (column.codes == code))
            rows = rows[np.argsort(depth[rows], kind="stable")]
            axes.scatter(
                places[rows, 0],
                places[rows, 1],
                s=size * (0.45 + 0.75 * depth[rows]) if points.coordinates.shape[1] == 3 else size,
                c=_INK if colour == "ink" else colour,
                marker=marker,
                alpha=0.85,
                label=f"{value} ({np.count_nonzero(column.codes == code):,})",
                **style,
            )
    rows = np.flatnonzero(points.new)
    if len(rows):
        axes.scatter(
            places[rows, 0],
            places[rows, 1],
            s=max(26.0, 3 * size),
            facecolors="none",
            edgecolors=_INK,
            linewidths=0.9,
            label=f"new case ({len(rows):,})",
        )


def _draw_examples(
    axes: "Axes",
    points: MapPoints,
    column: Column,
    places: npt.NDArray[np.float64],
    bounds: tuple[float, float, float, float],
    own: list[tuple[str, str]],
) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    pictured = np.flatnonzero(points.cases["image_path"].is_not_null().to_numpy() & ~points.new)
    names = points.cases[DIAGNOSIS].to_list()
    if all(name is None for name in names):
        names = [column.values[code] if code >= 0 else None for code in column.codes]
    kinds = len({names[row] for row in pictured if names[row] is not None}) or 1
    each = max(1, min(3, _MOST_EXAMPLES // kinds))
    rows = pictured[
        example_rows(
            places[pictured], [names[row] for row in pictured], points.agreement[pictured], each, most=MOST_VALUES
        )
    ]
    width, rim = bounds[2] - bounds[0], 0.004 * (bounds[2] - bounds[0])
    box = (_INSET[0] * width, _INSET[1] * width)
    field = (bounds[0] + rim, bounds[1] + rim, bounds[2] - rim, bounds[3] - rim)
    insets = place_insets(places, places[rows], box, field)
    for row, centre in zip(rows[insets.placed], insets.centre[insets.placed], strict=True):
        try:
            image = fit_image(read_image(points.cases["image_path"][int(row)]), 132, 176, "crop")
        except ImageError:  # moved since the map was made: the point stays without a picture
            continue
        left, bottom = centre[0] - box[0] / 2, centre[1] - box[1] / 2
        code = int(column.codes[row])
        colour = own[code][0] if code >= 0 else "ink"
        edge = _INK if colour == "ink" else colour
        axes.plot([centre[0], places[row, 0]], [centre[1], places[row, 1]], color=_INK, linewidth=0.6, zorder=4)
        axes.plot(*places[row], marker="o", markersize=2.6, color=_INK, markerfacecolor="white", mew=0.6, zorder=5)
        axes.imshow(image, extent=(left, left + box[0], bottom, bottom + box[1]), zorder=6, aspect="auto")
        axes.add_patch(Rectangle((left, bottom), *box, fill=False, edgecolor=edge, linewidth=1.1, zorder=7))
    axes.set(xlim=(bounds[0], bounds[2]), ylim=(bounds[1], bounds[3]))
