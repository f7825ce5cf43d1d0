"""The verbs `cutis taxonomy …`."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from cutis.cli.taxonomy import taxonomy_app
from cutis.errors import CutisError, ManifestError, PredictionsError, TaxonomyError
from cutis.taxonomy import partition, shipped_taxonomy

app = typer.Typer()
app.add_typer(taxonomy_app)
TREE = shipped_taxonomy()
HAM = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["taxonomy", *[str(each) for each in arguments]])


def ran(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*arguments: object) -> dict:
    return json.loads(ran(*arguments, "--json"))


def refused(*arguments: object) -> CutisError:
    result = run(*arguments)
    assert isinstance(result.exception, CutisError), result.output
    assert result.stdout == ""
    return result.exception


def manifest_of(path: Path, labels: dict[str | None, int]) -> Path:
    """Images by node, and those of the data set's word "strange" without one."""
    nodes = [node for node, images in labels.items() for _ in range(images)]
    pl.DataFrame(
        {
            "image_id": [f"{path.stem}{n}" for n in range(len(nodes))],
            "diagnosis_node": nodes,
            "source_diagnosis": ["strange" if node is None else node for node in nodes],
        }
    ).write_csv(path)
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return manifest_of(
        tmp_path / "m.csv", {"nevus": 12, "nevus-blue": 3, "melanoma": 5, "lentigo-maligna": 2, "psoriasis": 4, None: 2}
    )


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Three lesions: surely a melanoma, probably a nevus but perhaps a melanoma, surely a nevus."""
    rows = [(0.02, 0, 0, 0, 0.9, 0.08, 0), (0, 0, 0, 0, 0.1, 0.9, 0), (0, 0, 0.01, 0, 0, 0.99, 0)]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(HAM, pl.Float64), orient="row")
    frame.insert_column(0, pl.Series("image_id", ["a", "b", "c"])).write_csv(tmp_path / "p.csv")
    return tmp_path / "p.csv"


@pytest.mark.parametrize("verb", ["show", "find", "check", "partition", "risk"])
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    assert f"Example: cutis taxonomy {verb}" in ran(verb, "--help")


# ---- show


def test_show_prints_the_roots_and_what_is_hidden() -> None:
    lines = ran("show").splitlines()
    assert len(lines) == 12  # three roots, nine classes
    assert lines[0].startswith("Benign  benign  benign · risk low")
    below = len(TREE.descendants("inflammatory")) - 1
    assert any("inflammatory" in line and line.endswith(f"(+ {below} below)") for line in lines)


def test_show_finds_a_node_by_any_word_and_prints_all_below_it() -> None:
    out = ran("show", "--node", "Bowen's disease")
    assert out.startswith("Bowen disease  bowen-disease  ")
    assert len(ran("show", "--node", "melanoma").splitlines()) == len(TREE.descendants("melanoma"))
    assert "risk dangerous · ICD-10 C43 · ICD-11 2C30" in ran("show", "--node", "melanoma", "--depth", 0)


def test_show_suggests_and_does_not_guess() -> None:
    error = refused("show", "--node", "melanomma")
    assert isinstance(error, TaxonomyError)
    assert "no diagnosis is called 'melanomma'. Did you mean melanoma" in str(error)


def test_show_counts_images_at_a_node_and_with_all_below(manifest: Path, tmp_path: Path) -> None:
    out = ran("show", "--node", "melanoma", "--counts", manifest)
    assert out.splitlines()[0].endswith("5 here, 7 with below")
    assert re.search(r"melanoma-in-situ .*0 here, 2 with below", out)
    assert "note: 2 of 28 rows have no node and are not counted: strange (2)" in out
    other = manifest_of(tmp_path / "o.csv", {"melanoma": 1})
    both = told("show", "--node", "melanoma", "--counts", manifest, "--counts", other)
    assert both["nodes"][0]["images"] == 6
    assert both["nodes"][0]["images_with_below"] == 8
    assert [each["id"] for each in both["nodes"]] == list(TREE.descendants("melanoma"))


def test_show_refuses_manifests_that_cannot_be_counted(tmp_path: Path) -> None:
    error = refused("show", "--counts", manifest_of(tmp_path / "m.csv", {"nonesuch": 2, "nevus": 1}))
    assert isinstance(error, ManifestError)
    assert "not nodes of the tree: nonesuch" in str(error)
    assert "no row has a diagnosis_node" in str(refused("show", "--counts", manifest_of(tmp_path / "n.csv", {None: 2})))


def test_show_writes_the_page(manifest: Path, tmp_path: Path) -> None:
    out = ran("show", "--node", "nevus", "--depth", 0, "--counts", manifest, "--html", tmp_path / "tree.html")
    assert out.endswith(f"written: {tmp_path / 'tree.html'}\n")
    html = (tmp_path / "tree.html").read_text(encoding="utf-8")
    assert '"start":"nevus"' in html
    assert "26 images are counted." in html
    assert "2 of 28 rows have no node" in html


# ---- find


def test_find_tells_place_words_and_codes() -> None:
    out = ran("find", "basal cell carcinoma")
    for expected in ("basal-cell-carcinoma", "Malignant ›", "C44.91", "2C32", "ham10000: bcc", "rodent ulcer"):
        assert expected in " ".join(re.sub(r"[│\n]", " ", out).split())
    found = told("find", "BCC")["nodes"]
    assert [each["id"] for each in found] == ["basal-cell-carcinoma"]
    assert found[0]["path"] == list(TREE.path("basal-cell-carcinoma"))
    assert found[0]["data_sets"]["pad-ufes-20"] == ["BCC"]


def test_find_takes_codes() -> None:
    assert [each["id"] for each in told("find", "c44.91")["nodes"]] == [
        "basal-cell-carcinoma",
        "baso-squamous-carcinoma",
    ]
    assert told("find", "D22.5") == {**told("find", "D22"), "word": "D22.5"}  # the tree has the category
    assert "2 nodes for 'C44.91'" in ran("find", "C44.91")


def test_find_takes_the_words_of_data_sets() -> None:
    assert [each["id"] for each in told("find", "atopic dermatitis photos")["nodes"]] == [
        "non-neoplastic"
    ]  # of DermNet


def test_find_suggests() -> None:
    assert "Did you mean psoriasis" in str(refused("find", "psoriasiss"))


# ---- check


def test_check_of_what_ships_finds_no_problem() -> None:
    path = Path(__file__).parents[2] / "src/cutis/taxonomy/tree.toml"
    assert ran("check", path) == f"{len(TREE):,} nodes, no problems\n"


def test_check_names_line_and_reason_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "tree.toml"
    path.write_text('[sources]\ns = "x"\n\n[node.a]\nname = "A"\nparent = "b"\nmalignancy = "mild"\nsources = ["s"]\n')
    result = run("check", path)
    assert result.exit_code == 2
    assert re.search(r"│ 4 +│ a +│ its parent 'b' does not exist", result.stdout)
    problems = json.loads(run("check", path, "--json").stdout)["problems"]
    assert {each["line"] for each in problems} == {4}
    assert any("malignancy" in each["reason"] for each in problems)
    assert "does not exist" in str(refused("check", tmp_path / "none.toml"))


# ---- partition


def test_partition_prints_and_writes_the_classes(manifest: Path, tmp_path: Path) -> None:
    made = partition(
        TREE,
        {"nevus": 12, "nevus-blue": 3, "melanoma": 5, "lentigo-maligna": 2, "psoriasis": 4},
        max_class_size=10,
    )
    out = ran("partition", manifest, "--max-class-size", 10, "-o", tmp_path / "c.csv")
    flat = " ".join(out.split())
    assert f"{len(made.classes)} classes of {made.images} images, the largest" in flat
    assert f"{made.coarse_images} coarse images" in flat
    assert "note: 12 images are labelled above the classes: nevus (12)" in out
    assert "note: coarse labels that leave a single class: nevus (as nevus-blue); --inner by-share" in out
    assert "note: 2 of 28 rows have no node" in out
    table = pl.read_csv(tmp_path / "c.csv")
    assert table["class"].to_list() == [each.id for each in made.classes]
    assert table["nodes"].to_list() == [" ".join(each.nodes) for each in made.classes]
    assert table["images"].sum() == made.images


def test_partition_takes_every_choice(manifest: Path) -> None:
    found = told("partition", manifest, "--max-class-size", 10, "--inner", "by-share")
    assert {"id": "nevus", "name": "Nevus, unspecified", "nodes": ["nevus"], "images": 12} in found["classes"]
    assert any("cannot be split: nevus" in note for note in found["notes"])
    found = told("partition", manifest, "--max-class-size", 10, "--root", "malignant", "--min-class-size", 3)
    assert [each["images"] for each in found["classes"]] == [7]
    assert found["roots"] == ["malignant"]
    assert any(note.startswith("19 images are outside the roots") for note in found["notes"])
    assert "Did you mean melanoma" in str(refused("partition", manifest, "--max-class-size", 10, "--root", "melanomma"))
    assert "min_class_size is 9" in str(refused("partition", manifest, "--max-class-size", 10, "--min-class-size", 9))


# ---- risk


def test_risk_grades_by_the_least_expected_cost(predictions: Path, tmp_path: Path) -> None:
    found = told("risk", predictions)
    assert [(each["image_id"], each["grade"]) for each in found["images"]] == [
        ("a", "dangerous"),
        ("b", "high"),  # most probably low, but a melanoma is too likely to say so
        ("c", "low"),
    ]
    assert found["counts"] == {"low": 1, "high": 1, "dangerous": 1}
    assert found["class_grades"]["mel"] == "dangerous"
    assert found["images"][0]["high"] == pytest.approx(0.02)
    assert "has not been reviewed" in found["review"]


def test_risk_prints_the_counts_and_writes_a_row_an_image(predictions: Path, tmp_path: Path) -> None:
    out = ran("risk", predictions, "-o", tmp_path / "g.csv")
    assert re.search(r"│ dangerous +│ +1 │", out)
    assert "This text has not been reviewed. A clinician" in out
    assert "not a medical device" in out
    table = pl.read_csv(tmp_path / "g.csv")
    assert table.columns == ["image_id", "low", "high", "dangerous", "grade", "advice", "advice_reviewed", "review"]
    assert table["grade"].to_list() == ["dangerous", "high", "low"]
    assert table["advice"][0].startswith("Dangerous. ")
    assert table["advice_reviewed"].to_list() == [False] * 3
    assert table["review"][0].startswith("This text has not been reviewed")


@pytest.mark.parametrize(
    ("language", "title"), [("en", "High risk"), ("es", "Riesgo alto"), ("zh", "高风险"), ("ko", "고위험")]
)
def test_risk_advises_in_four_languages(predictions: Path, language: str, title: str) -> None:
    assert told("risk", predictions, "--language", language)["advice"]["high"]["title"] == title


def test_a_rule_of_ones_own_changes_the_grades(predictions: Path, tmp_path: Path) -> None:
    rule = tmp_path / "rule.toml"
    rule.write_text("[cost]\nlow = [0, 1, 1]\nhigh = [1, 0, 1]\ndangerous = [1, 1, 0]\n")  # the most probable wins
    assert [each["grade"] for each in told("risk", predictions, "--rule", rule)["images"]] == [
        "dangerous",
        "low",
        "low",
    ]
    rule.write_text('[nodes]\nmelanomma = "low"\n')
    assert "Did you mean melanoma" in str(refused("risk", predictions, "--rule", rule))


def test_risk_refuses_classes_that_have_no_grade(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("image_id,melanoma,nevus,other\na,0.2,0.7,0.1\n")
    assert "classes without a node of the tree have no risk grade: other" in str(refused("risk", path))
    path.write_text("image_id,Q1,Q2\na,0.3,0.7\n")
    assert "have no risk grade: Q1, Q2" in str(refused("risk", path))
    path.write_text("image_id,melanoma,nevus\na,0.9,0.9\n")
    assert isinstance(refused("risk", path), PredictionsError)
