"""What a bundle tells of its model, in words: for the report's list of what was done."""

from typing import TYPE_CHECKING

from cutis.evaluation import joined

if TYPE_CHECKING:  # to describe a bundle one needs no torch, and `cutis evaluate` starts faster without
    from cutis.models import Bundle


def report_facts(bundle: "Bundle") -> dict[str, object]:
    """How the predictions of this bundle were made, for :func:`cutis.report.write_report`'s ``about``."""
    from cutis.models import calibration_in_words, network_in_words, trained_on_in_words, training_in_words  # noqa: PLC0415

    return {
        "Model": bundle.about.get("name", "not named"),
        "Network": network_in_words(bundle),
        "Training": training_in_words(bundle),
        "Trained on": trained_on_in_words(bundle),
        "Licence of the training images": joined(bundle.about.get("licenses", [])) or "not named",
        "Probabilities": calibration_in_words(bundle),
        "Training seed": bundle.recipe["seed"],
        "Trained": bundle.about.get("created"),
    }
