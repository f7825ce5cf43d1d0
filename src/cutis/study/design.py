"""The design of a reader study, checked as a whole before anybody reads a case.

Its file is read by :func:`cutis.study.read_design`. Names of diagnoses are nodes of the tree of diagnoses.
"""

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cutis.errors import CutisError, TaxonomyError, listed
from cutis.study.design_wording import told_problem
from cutis.taxonomy import OTHER, ClassSet, class_set, shipped_taxonomy

QuestionKind = Literal["diagnosis", "ranked", "biopsy", "malignant", "risk"]
"""``diagnosis``: one of the choices; ``ranked``: several of them, the likeliest first; ``biopsy``: biopsy or treat, or
reassure; ``malignant``: malignant or benign; ``risk``: Zhao 2019's three grades."""

Aid = Literal["differential", "risk", "heatmap"]
"""What an arm shows of the AI: its list of diagnoses, its risk grade, where it looked."""

Shown = Literal["age", "sex", "site"]

BUILT_IN = "built-in"
"""The word for the model that comes with cutis."""

_TEXT_KINDS = ("diagnosis", "ranked")


class StudyError(CutisError):
    """A study's design, its cases, or what was answered in it, is not valid."""


def _node(word: str) -> str:
    if word not in shipped_taxonomy():
        try:
            found = shipped_taxonomy().find(word)
        except TaxonomyError as error:
            raise ValueError(str(error)) from error
        raise ValueError(f"'{word}' is a word for the node '{found}': write the node")
    return word


def _several(given: Any) -> Any:
    """One value as a list of one; numbers as text, as a column of a manifest is compared."""
    values = given if isinstance(given, list | tuple) else [given]
    return tuple(str(each) if isinstance(each, int) and not isinstance(each, bool) else each for each in values)


def _scale(given: Any) -> Any:
    if isinstance(given, list | tuple):
        words = tuple(given)
        if len(words) < 2 or len(set(words)) < len(words) or not all(isinstance(each, str) and each for each in words):
            raise ValueError("a scale needs two different words or more, from least to most sure")
        return words
    if given not in ("none", "0-100"):
        raise ValueError(f"it is {given!r}, not 'none', '0-100' or a list of words from least to most sure")
    return given


NodeId = Annotated[str, AfterValidator(_node)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stratum(_Section):
    """So many cases of a diagnosis, drawn at random among those that fit; ``[[cases]]`` in the file."""

    node: Annotated[tuple[NodeId, ...], Field(min_length=1), BeforeValidator(_several)]
    """A node of the tree, or several. Descendants count; where strata are nested, a case belongs to the deepest."""
    number: int = Field(ge=1)
    where: dict[str, Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_several)]] = {}
    """Manifest column = value (or values) that a case must have, e.g. ``{subset = "test"}``."""

    @property
    def name(self) -> str:
        """Its diagnoses in words."""
        return ", ".join(shipped_taxonomy()[each].name for each in self.node)


class Question(_Section):
    """What a reader is asked of each case."""

    kind: QuestionKind
    text: str = ""
    """The question in words; empty takes those of the kind."""
    choices: str | tuple[str, ...] = ()
    """Of ``diagnosis`` and ``ranked``: nodes of the tree, perhaps with ``other`` last, or a class set (``"han12"``)."""
    most: int = Field(3, ge=1)
    """Of ``ranked``: how many diagnoses may be named."""
    confidence: Annotated[str | tuple[str, ...], BeforeValidator(_scale)] = "none"
    """How sure the reader is: not asked, 0–100, or words from least to most sure."""

    @model_validator(mode="after")
    def _fits(self) -> "Question":
        problems = []
        if self.kind in _TEXT_KINDS:
            try:
                classes = self.classes
            except CutisError as error:
                raise ValueError(f"choices: {error}") from error
            if self.kind == "ranked" and self.most > len(classes.ids):
                problems.append(f"most = {self.most}, but there are {len(classes.ids)} choices")
        elif self.choices:
            problems.append(f"a question of the kind '{self.kind}' has no choices of its own: leave them out")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @cached_property
    def classes(self) -> ClassSet:
        """What can be chosen, of ``diagnosis`` and ``ranked``.

        Raises:
            CutisError: a choice is no node of the tree, stands twice, or there are fewer than two.
        """
        if isinstance(self.choices, str):
            return class_set(self.choices)
        nodes = [each for each in self.choices if each != OTHER]
        if len(nodes) < len(self.choices) - 1:
            raise TaxonomyError(f"'{OTHER}' stands more than once", fix="Name it once.")
        if len(self.choices) < 2:
            raise TaxonomyError(
                f"'{self.kind}' needs two choices or more", fix='Name nodes of the tree, or a class set ("han12").'
            )
        for each in nodes:
            shipped_taxonomy()[each]  # class_set takes any word for a node; an answer is to be one id
        return class_set(",".join(nodes) + (f"+{OTHER}" if OTHER in self.choices else ""))


class Arm(_Section):
    """What a reader has before them beside the image."""

    id: str = Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$")
    name: str = ""
    aid: tuple[Aid, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> "Arm":
        if len(set(self.aid)) < len(self.aid):
            raise ValueError("aid names the same thing twice")
        return self

    @property
    def title(self) -> str:
        """Its name, or else its id."""
        return self.name or self.id


class StudyDesign(_Section):
    """All that decides what is shown to whom, in which order, and what is asked."""

    title: str = Field(min_length=1)
    instructions: str = Field(min_length=1)
    consent: str = Field(min_length=1)
    """What a reader agrees to before the first case."""
    language: str = Field("en", pattern=r"^[a-z]{2}(-[A-Z]{2})?$")
    manifest: str = Field(min_length=1)
    """Where the cases are from; in the file beside the file, in memory whole."""
    ai: str | None = None
    """What aids: a bundle's folder or a file of predictions, beside the file, or ``"built-in"``."""
    seed: int = Field(ge=0)
    """Every choice and order is a function of it. Who knows it can work out the order: keep it from readers."""
    exclude: str | tuple[str, ...] = ()
    """Image ids that must not be chosen, or a file of them."""
    one_image_per: Literal["patient", "lesion", "image"] = "patient"
    """``patient``: never two images of one patient, lesion or group of the split; ``image``: no such rule."""
    shown: tuple[Shown, ...] = ()
    """Told beside the image, where the manifest knows it."""
    zoom: bool = True
    seconds_per_case: int | None = Field(None, ge=5, le=3600)
    """Time for each step; None for no limit. Pauses between cases are always allowed."""
    reading: Literal["one arm", "crossover", "sequential"] = "one arm"
    """``one arm``: each reader stays in one arm; ``crossover``: every reader reads in every arm, one period each;
    ``sequential``: each case first in the first arm, then at once in the second."""
    washout_days: int = Field(0, ge=0, le=3650)
    """Between periods of a crossover study."""
    case_sets: Literal["same", "different"] = "same"
    """Of a crossover study: whether a reader sees the same cases in every period, or others."""
    readers_groups: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "expert",
        "dermatologist",
        "general practitioner",
        "trainee",
        "patient",
    )
    training_cases: int = Field(0, ge=0)
    """With feedback, at the start of every period; never among those that count."""
    repeated_cases: int = Field(0, ge=0)
    """Shown twice in a period, for the agreement of a reader with themselves; the same cases for every reader."""
    repeat_distance: int = Field(10, ge=1)
    """How many other cases lie at least between the first and the second showing."""
    change_answers: bool = False
    """Whether an answer may be changed while its case is open. Never afterwards."""
    cases: Annotated[tuple[Stratum, ...], Field(min_length=1)]
    question: Question
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = (Arm(id="unaided", name="Unaided"),)

    @model_validator(mode="after")
    def _fits(self) -> "StudyDesign":
        problems = [*self._arm_problems(), *self._case_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _arm_problems(self) -> list[str]:
        problems = []
        ids = [each.id for each in self.arms]
        if len(set(ids)) < len(ids):
            problems.append("two arms have the same id")
        if self.reading == "sequential" and not (len(ids) == 2 and not self.arms[0].aid and self.arms[1].aid):
            problems.append("a sequential study has two arms, the first without aid, the second with one")
        if self.reading == "crossover" and len(ids) < 2:
            problems.append("a crossover study has two arms or more")
        if self.reading != "crossover" and self.washout_days:
            problems.append("washout_days belongs to a crossover study")
        if self.reading != "crossover" and self.case_sets == "different":
            problems.append('case_sets = "different" belongs to a crossover study')
        aided = [each.id for each in self.arms if each.aid]
        if aided and self.ai is None:
            problems.append(f"arm {listed(aided)} shows an AI: say with 'ai' which")
        if self.ai is not None and not aided:
            problems.append("'ai' is given, but no arm shows it: give an arm an aid, or leave it out")
        for name, given in (("shown", self.shown), ("readers_groups", self.readers_groups)):
            if len(set(given)) < len(given):
                problems.append(f"{name} names the same thing twice")
        return problems

    def _case_problems(self) -> list[str]:
        problems = []
        first: dict[tuple[str, str], int] = {}
        for place, stratum in enumerate(self.cases, 1):
            for node in stratum.node:
                other = first.setdefault((node, repr(sorted(stratum.where.items()))), place)
                if other != place:
                    problems.append(f"[[cases]] {other} and {place} both ask for '{node}'")
        least = self.cases_in_period
        if self.repeated_cases > max(least - self.repeat_distance, 0):
            problems.append(
                f"{self.repeated_cases} repeated cases with {self.repeat_distance} others between need "
                f"{self.repeated_cases + self.repeat_distance} cases a period, there are {least}: "
                "lower repeated_cases or repeat_distance"
            )
        if least < 1:
            problems.append(f"{self.number_of_cases} cases cannot be shared out over {len(self.arms)} periods")
        return problems

    @property
    def number_of_cases(self) -> int:
        """That count: without training cases, repeats once."""
        return sum(each.number for each in self.cases)

    @property
    def cases_in_period(self) -> int:
        """How many a reader reads in a period, repeats once; the least of them where the sets differ in size."""
        return self.number_of_cases // (len(self.arms) if self.case_sets == "different" else 1)

    @property
    def periods(self) -> int:
        """How many a reader goes through."""
        return len(self.arms) if self.reading == "crossover" else 1

    def arm(self, arm_id: str) -> Arm:
        """The arm of this id.

        Raises:
            StudyError: there is none.
        """
        for each in self.arms:
            if each.id == arm_id:
                return each
        raise StudyError(f"there is no arm '{arm_id}'", fix=f"The arms are {listed([a.id for a in self.arms])}.")


def parse_design(fields: dict[str, Any], where: str = "design") -> StudyDesign:
    """A design from its fields, as TOML, JSON or a web form gives them.

    Raises:
        StudyError: fields are missing, unknown or do not fit together; all are told, each with its key.
    """
    try:
        return StudyDesign.model_validate(fields)
    except ValidationError as error:
        # A list whose entries are all wrong is also told to be too short: that is no news.
        wrong = {each["loc"][:end] for each in error.errors() for end in range(1, len(each["loc"]))}
        telling = [each for each in error.errors() if each["type"] != "too_short" or each["loc"] not in wrong]
        problems = list(dict.fromkeys(told_problem(each, StudyDesign, _SECTIONS) for each in telling))
        raise StudyError("; ".join(problems), where=where, fix="Correct the design.") from error


_SECTIONS: dict[str, type[BaseModel]] = {"cases": Stratum, "question": Question, "arms": Arm}
