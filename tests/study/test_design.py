import pytest

from cutis.study.answers import options
from cutis.study.design import StudyDesign, StudyError, parse_design
from cutis.study.design_files import design_names, read_design, shipped_design, write_design

FIELDS = {
    "title": "A study",
    "instructions": "Read.",
    "consent": "I agree.",
    "manifest": "manifest.parquet",
    "seed": 1,
    "question": {"kind": "malignant"},
    "cases": [{"node": "malignant-melanoma", "number": 20}, {"node": "nevus", "number": 20}],
}
AIDED = {"id": "aided", "aid": ["differential"]}


@pytest.mark.parametrize("name", design_names())
def test_each_paper_s_design_is_valid_and_comes_back_as_it_was_written(name, tmp_path):
    (tmp_path / "design.toml").write_text(shipped_design(name))
    design = read_design(tmp_path / "design.toml")
    assert design.manifest == str(tmp_path / "manifest.parquet")
    write_design(tmp_path / "again.toml", design)
    assert read_design(tmp_path / "again.toml") == design
    assert str(tmp_path) not in (tmp_path / "again.toml").read_text()
    assert StudyDesign.model_validate(design.model_dump(mode="json")) == design


def test_han_s_design_asks_for_25_of_each_malignancy_and_20_of_each_benign_tumour(tmp_path):
    (tmp_path / "design.toml").write_text(shipped_design("han2018"))
    design = read_design(tmp_path / "design.toml")
    assert sorted(each.number for each in design.cases) == [20] * 8 + [25] * 4
    assert len(options(design.question)) == 12
    assert design.seconds_per_case is None


def test_a_design_with_a_file_of_excluded_ids_and_an_ai_finds_them_beside_itself(tmp_path):
    text = 'ai = "bundle"\nexclude = "ids.txt"\n' + shipped_design("zhao2019")
    text += '[[arms]]\nid = "aided"\naid = ["risk"]\n'
    (tmp_path / "design.toml").write_text(text)
    design = read_design(tmp_path / "design.toml")
    assert (design.ai, design.exclude) == (str(tmp_path / "bundle"), str(tmp_path / "ids.txt"))
    built_in = parse_design({**FIELDS, "ai": "built-in", "arms": [AIDED]})
    write_design(tmp_path / "again.toml", built_in)
    assert read_design(tmp_path / "again.toml").ai == "built-in"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sedd": 1}, "'sedd' is not known (did you mean 'seed'?)"),
        ({"question": {"kind": "malignant", "seconds_per_case": 30}}, "belongs at the top of the file"),
        ({"confidence": "0-100"}, "'confidence' is not known: it belongs into 'question'"),
        ({"cases": [{"node": "nevus", "number": 0}]}, "'cases 1.number': Input should be greater than or equal to 1"),
        ({"cases": [{"node": "melanom", "number": 1}]}, "Did you mean"),
        ({"cases": [{"node": "Melanoma", "number": 1}]}, "write the node"),
        ({"cases": []}, "'cases': Tuple should have at least 1 item"),
        ({"cases": [{"node": "nevus", "number": 1}] * 2}, "[[cases]] 1 and 2 both ask for 'nevus'"),
        ({"question": {"kind": "diagnosis"}}, "needs two choices or more"),
        ({"question": {"kind": "diagnosis", "choices": ["nevus", "nevus"]}}, "stand more than once"),
        ({"question": {"kind": "diagnosis", "choices": "ham8"}}, "no class set is called 'ham8'"),
        ({"question": {"kind": "risk", "choices": "ham7"}}, "has no choices of its own"),
        ({"question": {"kind": "ranked", "choices": ["nevus", "wart"], "most": 3}}, "there are 2 choices"),
        ({"question": {"kind": "risk", "confidence": ["sure"]}}, "two different words or more"),
        ({"question": {"kind": "risk", "confidence": "0-10"}}, "it is '0-10', not 'none'"),
        ({"arms": [{"id": "a"}, {"id": "a"}]}, "two arms have the same id"),
        ({"arms": [AIDED]}, "say with 'ai' which"),
        ({"ai": "bundle"}, "no arm shows it"),
        ({"reading": "sequential"}, "a sequential study has two arms, the first without aid"),
        ({"reading": "crossover"}, "a crossover study has two arms or more"),
        ({"washout_days": 3}, "washout_days belongs to a crossover study"),
        ({"case_sets": "different"}, "belongs to a crossover study"),
        ({"repeated_cases": 31}, "31 repeated cases with 10 others between need 41 cases a period, there are 40"),
        ({"shown": ["age", "age"]}, "shown names the same thing twice"),
        ({"shown": ["diagnosis"]}, "Input should be 'age', 'sex' or 'site'"),
        ({"seconds_per_case": 1}, "'seconds_per_case'"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(change, told):
    with pytest.raises(StudyError) as problem:
        parse_design({**FIELDS, **change})
    assert told in str(problem.value)
    assert "\n" not in str(problem.value)


def test_all_problems_are_told_together():
    with pytest.raises(StudyError) as problem:
        parse_design({**FIELDS, "sedd": 1, "zoom": "perhaps", "cases": [{"node": "nevus", "nmber": 3}]})
    told = str(problem.value)
    assert all(each in told for each in ("'sedd'", "'zoom'", "did you mean 'number'", "'cases 1.number' is missing"))
    with pytest.raises(StudyError, match=r"'title' is missing; 'instructions' is missing; 'consent' is missing"):
        parse_design({})


def test_a_file_that_is_no_design_is_told_with_its_name(tmp_path):
    with pytest.raises(StudyError, match="does not exist"):
        read_design(tmp_path / "design.toml")
    (tmp_path / "design.toml").write_text("title = \n")
    with pytest.raises(StudyError, match=r"design\.toml: is not valid TOML .*line 1"):
        read_design(tmp_path / "design.toml")
    with pytest.raises(StudyError, match="There are bcc-sk2020, esteva2017, han2018"):
        shipped_design("han")


def test_choices_may_be_nodes_with_other_or_a_class_set():
    nodes = {"kind": "diagnosis", "choices": ["nevus", "malignant-melanoma", "other"]}
    assert [each.id for each in options(parse_design({**FIELDS, "question": nodes}).question)] == nodes["choices"]
    seven = parse_design({**FIELDS, "question": {"kind": "ranked", "choices": "ham7"}})
    assert options(seven.question)[4] == ("mel", "Melanoma")
