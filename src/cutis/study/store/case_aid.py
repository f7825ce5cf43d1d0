"""What the AI says of a case: shown only in an arm that has it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from cutis.errors import listed
from cutis.study.design import Aid, StudyDesign, StudyError


class CaseAid(BaseModel):
    """The AI's output for one image; None where the study shows nothing of the kind.

    ``differential``: nodes of the tree with their probabilities (0–1), the likeliest first. ``risk``: a grade.
    ``heatmap_path``: an image file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    differential: tuple[tuple[str, float], ...] | None = None
    risk: str | None = None
    heatmap_path: str | None = None

    def has(self, aid: Aid) -> bool:
        """Whether it holds this kind of aid."""
        held = {"differential": self.differential, "risk": self.risk, "heatmap": self.heatmap_path}
        return held[aid] is not None


def check_aids(design: StudyDesign, aids: dict[str, CaseAid], cases: Sequence[str]) -> None:
    """Check that every case has all that the study's arms show of the AI.

    Raises:
        StudyError: it has not; the first ten cases are named.
    """
    needed = {each for arm in design.arms for each in arm.aid}
    for aid in sorted(needed):
        without = [case for case in cases if case not in aids or not aids[case].has(aid)]
        if without:
            raise StudyError(
                f"{len(without)} cases have no {aid} of the AI: {listed(without)}",
                fix="Give it for every case, training cases too, or take it from the arms.",
            )
