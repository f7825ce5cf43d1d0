"""What a reader's browser sends: an answer's form, and reports of what it shows."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData

from cutis.study import Answer
from cutis.study.store import SentBy
from cutis.web.refusals import Refusal

MOST_CHOICES = 20
LONGEST_WORD = 100

Pixels = Annotated[int, Field(ge=0, le=100_000)]
Size = tuple[Pixels, Pixels]


class BrowserReport(BaseModel):
    """What a browser tells of the case it shows; numbers only, so nothing of the reader.

    ``window``: its inside, width × height in CSS pixels. ``image``: the photograph as it is shown, in CSS pixels;
    ``pixel_ratio``: screen pixels a CSS pixel; ``zoom``: 1 where the photograph just fits; ``pinch``: of the whole
    page, by two fingers.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["displayed", "zoomed", "hidden"]
    window: Size
    image: Size
    pixel_ratio: float = Field(ge=0, le=100)
    zoom: float = Field(1.0, ge=0, le=100)
    pinch: float = Field(1.0, ge=0, le=100)


NO_ANSWER = Answer(choices=())
"""Refused as an answer, but it finds out that the time is up."""


def answer_of(form: FormData) -> Answer:
    """The answer in a form; :data:`NO_ANSWER` where it holds none, or what no page of ours sends.

    Fields are ``choice``, once or several times, the likeliest first; ``confidence``, a word of the design, or
    ``percent``, a number.
    """
    choices = tuple(str(each) for each in form.getlist("choice") if each)
    percent, word = form.get("percent"), form.get("confidence")
    given = [*choices, *(str(each) for each in (percent, word) if each)]
    if not choices or len(choices) > MOST_CHOICES:
        return NO_ANSWER
    if any(len(each) > LONGEST_WORD or not each.isprintable() for each in given):
        return NO_ANSWER
    confidence: int | str | None = str(word) if word else None
    if percent:
        text = str(percent)
        if not (text.isascii() and text.isdigit()):
            return NO_ANSWER
        confidence = int(text)
    return Answer(choices=choices, confidence=confidence)


def sender_of(form: FormData) -> SentBy:
    """Whether the browser says that it sent the answer itself because the time was up: the field ``sent_by``."""
    return "time limit" if form.get("sent_by") == "time limit" else "reader"


def report_of(body: bytes) -> BrowserReport:
    """A browser's report.

    Raises:
        Refusal: 400, it is none.
    """
    try:
        return BrowserReport.model_validate_json(body)
    except ValidationError as error:
        raise Refusal(400, "no-form") from error
