"""``EXPORT.md``: an export's figures on one page, in Markdown."""

from cutis.evaluation import NOT_DEFINED, Estimate, counted, decimal, decimal_interval, joined, percent
from cutis.models.export_result import Export, Parity, Timing

_COLUMNS = (
    "",
    "largest difference of a probability",
    "mean difference",
    "same first diagnosis",
    "balanced accuracy",
    "change",
    "largest difference of the unfamiliarity",
    "file",
)


def export_page(export: Export) -> str:
    """The page."""
    timing = export.precisions[0].timings[0]
    height, width = timing.photograph
    compared = (
        f"{counted(export.images, 'validation image')}, {export.labelled_images:,} of them of one class; intervals at "
        f"95 %, over resampled {_cases(export)}. No test image was looked at. These images also fitted the model's "
        "calibration, so the balanced accuracy is somewhat too good; what is compared here is the change."
    )
    timed = (
        f"From the file to logits, one image after the other, {counted(timing.images, 'image')} of "
        f"{width} × {height} pixels, {counted(timing.threads, 'thread')}, on {export.machine}, ONNX Runtime "
        f"{export.onnxruntime}. Milliseconds. Decoding grows with the photograph."
    )
    lines = [
        f"# {export.model} for ONNX Runtime",
        "",
        "Research software, not a medical device.",
        "",
        *_serving(export),
        "",
        "## Answers beside torch's",
        "",
        compared,
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{'---|' * len(_COLUMNS)}",
        f"| torch | | | | {_estimate(export.balanced_accuracy)} | | | |",
        *(_row(each) for each in export.precisions),
        "",
        "The unfamiliarity is 0 for a median validation image and 1 for one stranger than 95 % of them.",
        "",
        *_calibration(export),
        "## Time of one image",
        "",
        timed,
        "",
        "| | views | p50 | p99 | decode | resize | network |",
        "|---|---|---|---|---|---|---|",
        *(_time(each, timed) for each in export.precisions for timed in each.timings),
        "",
        f"Made {export.made_at} with cutis {export.cutis} from weights {export.weights_sha256[:12]}…",
        "",
    ]
    return "\n".join(lines)


def difference_in_words(value: float) -> str:
    """``0.0724`` as ``"0.0724"``, ``0.00000269`` as ``"3e-06"``, 0 as ``"0"``."""
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.0e}" if value else "0"


def _serving(export: Export) -> list[str]:
    told = ["No file serves: torch answers." if export.serves == "torch" else f"`{export.serves}` serves."]
    if export.served_despite:
        told += ["", f"**It serves although {joined(list(export.served_despite))}.** Who exported it said so."]
    if export.not_served:
        told += ["", f"What was asked for does not serve: {joined(list(export.not_served))}."]
    return told


def _cases(export: Export) -> str:
    return joined([counted(number, kind) for kind, number in export.cases.items()])


def _row(each: Parity) -> str:
    file = f"`{each.file}`, {each.bytes / 1e6:.1f} MB"
    strange = each.largest_unfamiliarity_difference
    return (
        f"| {each.precision} | {difference_in_words(each.largest_difference)} "
        f"| {difference_in_words(each.mean_difference)} "
        f"| {percent(each.same_first_diagnosis, 1)} | {_estimate(each.balanced_accuracy)} | {_change(each.change)} "
        f"| {NOT_DEFINED if strange is None else difference_in_words(strange)} | {file} |"
    )


def _calibration(export: Export) -> list[str]:
    if export.calibration is None:
        return []
    left = next(each.convolutions_in_fp32 for each in export.precisions if each.precision == "int8")
    counts = ", ".join(f"{name} {number}" for name, number in export.calibration.diagnoses.items())
    told = (
        f"The ranges of int8 come from {counted(export.calibration.images, 'training image')} ({counts}). Of the "
        f"network's convolutions the first {left} are left in fp32, as is all that follows its pooling."
    )
    return [told, ""]


def _time(each: Parity, timed: Timing) -> str:
    numbers = (timed.p50, timed.p99, timed.decode, timed.resize, timed.network)
    return f"| {each.precision} | {timed.views} | " + " | ".join(f"{number:.1f}" for number in numbers) + " |"


def _estimate(estimate: Estimate) -> str:
    return f"{decimal(estimate.value)} ({decimal_interval(estimate)})"


def _change(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return NOT_DEFINED
    if estimate.value == estimate.low == estimate.high == 0:
        return "none"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"
