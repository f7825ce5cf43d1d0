from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from pypdf import PdfReader

from cutis.study.ai_outputs import AiOutput, NamedProbability
from cutis.study.allocation import Item, allocate
from cutis.study.answer_readings import readings_from_answers
from cutis.study.answer_sheet import read_answer_sheet
from cutis.study.answers import Answer
from cutis.study.booklet import letters, write_answer_sheet, write_booklet
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError, parse_design

RANKED = {"kind": "ranked", "choices": "ham7", "most": 2, "confidence": "0-100"}


def design(**more) -> StudyDesign:
    return parse_design(
        {
            "title": "Naevi and melanomas",
            "instructions": "Look at each.",
            "consent": "I agree.",
            "manifest": "m.csv",
            "seed": 4,
            "question": {"kind": "malignant"},
            "cases": [{"node": "malignant-melanoma", "number": 2}, {"node": "nevus", "number": 2}],
            "shown": ["age", "site"],
            **more,
        }
    )


@pytest.fixture
def cases(tmp_path) -> list[StudyCase]:
    made = []
    for k, node in enumerate(["malignant-melanoma", "malignant-melanoma", "nevus", "nevus"]):
        path = tmp_path / f"{node}-{k}.jpg"
        picture = Image.fromarray(np.full((30 + 40 * k, 60, 3), 40 * k, dtype=np.uint8))
        exif = picture.getexif()
        exif[0x010E] = f"SECRET {node}"
        picture.save(path, exif=exif)
        made.append(
            StudyCase(
                image_id=f"SECRET-{node}-{k}",
                image_path=str(path),
                stratum=int(k > 1),
                part="main",
                node=node,
                age=40 + k,
                site=None,
            )
        )
    return made


def text_of(path: Path) -> list[str]:
    return [page.extract_text() for page in PdfReader(path).pages]


def test_a_booklet_holds_one_case_a_page_by_its_number_and_what_the_design_shows(cases, tmp_path):
    items = allocate(design(), cases, 0)
    write_booklet(tmp_path / "b.pdf", design(), items, cases, reader="R7")
    pages = text_of(tmp_path / "b.pdf")
    assert len(pages) == 6
    assert "A   Benign" in pages[0]
    assert "Is this lesion malignant or benign?" in pages[0]
    ages = {each.image_id: each.age for each in cases}
    for number, item in enumerate(items, 1):
        assert f"Reader R7 · case {number} of 4" in pages[number]
        assert f"Age: {ages[item.case]} years · Site: not known" in pages[number]
        assert "Sex" not in pages[number]
        assert len(PdfReader(tmp_path / "b.pdf").pages[number].images) == 1
    assert "Answer sheet" in pages[5]
    assert all("not a medical device" in each.lower() for each in pages)


def test_nothing_in_the_file_tells_the_truth(cases, tmp_path):
    made = design(title="A test of readers")
    write_booklet(tmp_path / "b.pdf", made, allocate(made, cases, 0), cases, reader="R7")
    reader = PdfReader(tmp_path / "b.pdf")
    held = [str(reader.metadata), *text_of(tmp_path / "b.pdf"), (tmp_path / "b.pdf").read_bytes().decode("latin-1")]
    for number in range(reader.xref[0] and 1, len(reader.xref[0]) + 1):
        found = reader.get_object(number)
        held.append(str(found))
        if hasattr(found, "get_data"):
            held.append(found.get_data().decode("latin-1"))
    for word in ("secret", "melanoma", "nevus", "exif", str(tmp_path).lower()):
        assert not any(word in each.lower() for each in held), word
    write_booklet(tmp_path / "again.pdf", made, allocate(made, cases, 0), cases, reader="R7")
    assert (tmp_path / "again.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_an_aided_arm_s_booklet_shows_the_ai_and_an_unaided_one_does_not(cases, tmp_path):
    made = design(
        reading="crossover",
        ai="bundle",
        arms=[{"id": "plain"}, {"id": "aided", "aid": ["differential", "risk"]}],
    )
    shown = AiOutput(
        differential=(NamedProbability(id="mel", name="Melanoma", probability=0.61),),
        above=False,
        risk="dangerous",
        risk_probabilities=(0.2, 0.2, 0.6),
        unfamiliar=True,
    )
    items = allocate(made, cases, 0)
    for period in (0, 1):
        arm = next(each.arm for each in items if each.period == period)
        ai = dict.fromkeys((each.image_id for each in cases), shown)
        write_booklet(tmp_path / f"{arm}.pdf", made, items, cases, reader="R", period=period, ai=ai)
    aided, plain = (" ".join(text_of(tmp_path / f"{each}.pdf")).replace("\n", " ") for each in ("aided", "plain"))
    assert aided.count("AI's diagnoses: Melanoma 61% (none reaches its threshold; this one comes nearest)") == 4
    assert aided.count("AI's risk grade: dangerous") == 4
    assert aided.count("The AI knows few images like this one") == 4
    assert "AI" not in plain
    aided_period = next(each.period for each in items if each.arm == "aided")
    with pytest.raises(StudyError, match="what the AI shows is missing for 4 cases"):
        write_booklet(tmp_path / "b.pdf", made, items, cases, reader="R", period=aided_period)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seconds_per_case": 30}, "paper keeps no time"),
        (
            {"reading": "sequential", "ai": "b", "arms": [{"id": "a"}, {"id": "b", "aid": ["risk"]}]},
            "can turn the page",
        ),
        ({"ai": "b", "arms": [{"id": "a", "aid": ["heatmap"]}]}, "heatmaps"),
        ({"title": "皮肤"}, "the booklet's font has no letter for 皮, 肤"),
    ],
)
def test_what_paper_cannot_do_is_refused(change, told, cases, tmp_path):
    made = design(**change)
    ai = dict.fromkeys((each.image_id for each in cases), None)
    with pytest.raises(StudyError, match=told):
        write_booklet(tmp_path / "b.pdf", made, allocate(made, cases, 0), cases, reader="R", ai=ai)
    assert not (tmp_path / "b.pdf").exists()


def filled(path: Path, answers: list[str], confidence: list[str] | None = None) -> None:
    table = pl.read_csv(path, infer_schema=False).with_columns(answer=pl.Series(answers))
    if confidence is not None:
        table = table.with_columns(confidence=pl.Series(confidence))
    table.write_csv(path)


def test_a_filled_in_sheet_comes_back_as_answers_that_can_be_analysed(cases, tmp_path):
    items = allocate(design(), cases, 3)
    write_answer_sheet(tmp_path / "s.csv", design(), items, reader="R")
    assert (tmp_path / "s.csv").read_text().splitlines()[:2] == ["reader,period,case,answer", "R,1,1,"]
    filled(tmp_path / "s.csv", ["b", "A", "", "malignant"])
    steps = read_answer_sheet(tmp_path / "s.csv", design(), items, reader="R")
    assert [each.case for each in steps] == [each.case for each in items]
    assert [each.answer and each.answer.choices for each in steps] == [
        ("malignant",),
        ("benign",),
        None,
        ("malignant",),
    ]
    assert len(readings_from_answers(design(), cases, steps).frame) == 3


def test_ranked_answers_with_confidence_may_be_letters_ids_or_names(cases, tmp_path):
    made = design(question=RANKED)
    assert letters(made.question)["mel"] == "E"
    items = allocate(made, cases, 0)
    write_answer_sheet(tmp_path / "s.csv", made, items, reader="R")
    filled(tmp_path / "s.csv", ["e, F", "nv;mel", "Melanocytic nevus", "E"], ["80", "0", "100", "7"])
    steps = read_answer_sheet(tmp_path / "s.csv", made, items, reader="R")
    assert [each.answer for each in steps] == [
        Answer(choices=("mel", "nv"), confidence=80),
        Answer(choices=("nv", "mel"), confidence=0),
        Answer(choices=("nv",), confidence=100),
        Answer(choices=("mel",), confidence=7),
    ]


def test_a_sheet_with_mistakes_is_refused_with_all_its_rows(cases, tmp_path):
    made = design(question=RANKED)
    items = allocate(made, cases, 0)
    write_answer_sheet(tmp_path / "s.csv", made, items, reader="R")
    filled(tmp_path / "s.csv", ["H", "E, F, A", "", "E"], ["80", "1", "5", ""])
    with pytest.raises(StudyError) as problem:
        read_answer_sheet(tmp_path / "s.csv", made, items, reader="R")
    told = str(problem.value)
    for each in (
        "4 rows",
        "row 1: case 1: 'H' is no choice",
        "row 2: case 2: 3 are chosen, 2 may be",
        "case 3 has a confidence and no answer",
        "row 4: case 4: confidence is missing",
    ):
        assert each in told
    with pytest.raises(StudyError, match="is of reader 'R', period '1', not of 'Q', 1"):
        read_answer_sheet(tmp_path / "s.csv", made, items, reader="Q")
    rows = (tmp_path / "s.csv").read_text().splitlines()
    (tmp_path / "s.csv").write_text("\n".join([rows[0], "R,1,1,E,3", "R,1,1,E,3", "R,1,9,E,3"]))
    with pytest.raises(StudyError, match=r"row 2: case 1 stands twice, row 3: case '9' is none of 1 to 4"):
        read_answer_sheet(tmp_path / "s.csv", made, items, reader="R")
    (tmp_path / "s.csv").write_text("\n".join([rows[0], "R,1,1,E,3"]))
    with pytest.raises(StudyError, match="cases 2, 3, 4 have no row"):
        read_answer_sheet(tmp_path / "s.csv", made, items, reader="R")


def test_a_long_study_s_sheet_goes_over_several_pages_and_letters_go_on(cases, tmp_path):
    made = design(cases=[{"node": "malignant-melanoma", "number": 40}])
    many = [cases[0].model_copy(update={"image_id": f"i{k}"}) for k in range(40)]
    items: list[Item] = allocate(made, many, 0)
    write_booklet(tmp_path / "b.pdf", made, items, many, reader="R")
    pages = text_of(tmp_path / "b.pdf")
    assert len(pages) == 43
    assert pages[42].startswith("Case")
