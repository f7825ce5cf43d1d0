"""Figures as inline SVG, drawn in the page's own colours so that they follow light, dark and print."""

from markupsafe import Markup, escape

from cutis.evaluation import ClassResult, Estimate, decimal, percent

_SIZE = 200  # side of a ROC plot's field
_LEFT, _TOP, _RIGHT, _BOTTOM = 40, 8, 14, 38


def roc_figure(each: ClassResult) -> Markup | None:
    """The ROC curve of one class with the point at which the model answers, and that point's intervals.

    None where the class has no curve: all images show it, or none does.
    """
    if each.roc is None:
        return None
    parts = [_grid()]
    points = [(_x(x), _y(y)) for x, y in zip(each.roc.false_positive_rate, each.roc.sensitivity, strict=True)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(f'<polygon class="area" points="{_x(0):.1f},{_y(0):.1f} {line} {_x(1):.1f},{_y(0):.1f}"/>')
    parts.append(f'<polyline class="curve" points="{line}"/>')
    parts.append(_operating_point(each.sensitivity, each.specificity))
    label = (
        f"ROC curve of {each.name}: area {decimal(each.auc.value)}. The model answers at sensitivity "
        f"{percent(each.sensitivity.value)} and specificity {percent(each.specificity.value)}."
    )
    return _svg("roc", _LEFT + _SIZE + _RIGHT, _TOP + _SIZE + _BOTTOM, label, parts)


def interval_figure(estimate: Estimate, label: str) -> Markup:
    """A share as a dot on a line from 0 to 100%, its interval as a bar; an empty line where not defined."""
    parts = ['<line class="axis" x1="4" y1="8" x2="104" y2="8"/>']
    parts += [f'<line class="axis" x1="{4 + x}" y1="5" x2="{4 + x}" y2="11"/>' for x in (0, 50, 100)]
    if estimate.low is not None and estimate.high is not None:
        low, high = 4 + 100 * estimate.low, 4 + 100 * estimate.high
        parts.append(f'<line class="interval" x1="{low:.1f}" y1="8" x2="{high:.1f}" y2="8"/>')
    if estimate.value is not None:
        parts.append(f'<circle class="dot" cx="{4 + 100 * estimate.value:.1f}" cy="8" r="3.5"/>')
    return _svg("estimate", 108, 16, f"{label}: {percent(estimate.value)}", parts)


def _svg(css_class: str, width: int, height: int, label: str, parts: list[str]) -> Markup:
    """The drawing with its description; ``parts`` hold numbers and fixed words only, ``label`` is escaped."""
    start = f'<svg class="{css_class}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(start + "".join(parts) + "</svg>")  # noqa: S704 - nothing in it comes unescaped from outside


def _grid() -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<line class="grid" x1="{_x(share)}" y1="{_y(0)}" x2="{_x(share)}" y2="{_y(1)}"/>')
        parts.append(f'<line class="grid" x1="{_x(0)}" y1="{_y(share)}" x2="{_x(1)}" y2="{_y(share)}"/>')
    parts.append(f'<line class="chance" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>')
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<text x="{_x(share)}" y="{_y(0) + 14}" text-anchor="middle">{100 * share:.0f}</text>')
        parts.append(f'<text x="{_x(0) - 5}" y="{_y(share) + 4}" text-anchor="end">{100 * share:.0f}</text>')
    parts.append(f'<text x="{_x(0.5)}" y="{_y(0) + 31}" text-anchor="middle">False alarms, %</text>')
    middle = f"{_x(0) - 27} {_y(0.5)}"
    parts.append(f'<text transform="translate({middle}) rotate(-90)" text-anchor="middle">Sensitivity, %</text>')
    return "".join(parts)


def _operating_point(sensitivity: Estimate, specificity: Estimate) -> str:
    if sensitivity.value is None or specificity.value is None:
        return ""
    x, y = _x(1 - specificity.value), _y(sensitivity.value)
    parts = []
    if sensitivity.low is not None and sensitivity.high is not None:
        parts.append(((x, _y(sensitivity.low)), (x, _y(sensitivity.high))))
    if specificity.low is not None and specificity.high is not None:
        parts.append(((_x(1 - specificity.low), y), (_x(1 - specificity.high), y)))
    lines = "".join(
        f'<line class="cross" x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"/>' for a, b in parts
    )
    return f'{lines}<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _x(share: float) -> float:
    return _LEFT + _SIZE * share


def _y(share: float) -> float:
    return _TOP + _SIZE * (1 - share)
