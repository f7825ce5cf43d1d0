from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutis.errors import TaxonomyError
from cutis.taxonomy.tree import Node, Taxonomy, TreeProblem, check_taxonomy, folded, read_taxonomy, words_of

GOOD = """\
name = "small"

[sources]
book = "a book"

[node.benign]
name = "Benign"
malignancy = "benign"
lineage = "mixed"
risk = "low"
sources = ["book"]

[node.nevus]
name = "Nevus"
parent = "benign"
isic = "Benign:Benign melanocytic proliferations:Nevus"
synonyms = ["mole", "nævus", "Clark's nevus", "café-au-lait"]
icd10cm = ["D22"]
lineage = "melanocytic"
sources = ["book"]

[node.blue-nevus]
name = "Blue nevus"
parent = "nevus"
risk = "high"
sources = ["book"]

[node.plaque-blue-nevus]
name = "Plaque blue nevus"
parent = "blue-nevus"
sources = ["book"]

[node.angioma]
name = "Angioma"
parent = "benign"
lineage = "vascular"
sources = ["book"]
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "tree.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def small(written):
    return read_taxonomy(written(GOOD))


def test_a_good_file_has_no_problems_and_keeps_its_order(written):
    path = written(GOOD)
    assert check_taxonomy(path) == []
    taxonomy = read_taxonomy(path)
    assert taxonomy.name == "small"
    assert taxonomy.sources == {"book": "a book"}
    assert [node.id for node in taxonomy] == ["benign", "nevus", "blue-nevus", "plaque-blue-nevus", "angioma"]
    assert len(taxonomy) == 5


def test_a_tree_without_a_name_is_called_after_its_file(written):
    assert read_taxonomy(written(GOOD.replace('name = "small"\n', ""))).name == "tree"


def test_malignancy_lineage_and_risk_are_inherited_until_a_node_says_otherwise(small):
    assert small["plaque-blue-nevus"].malignancy == "benign"  # from the root, three levels up
    assert small["plaque-blue-nevus"].lineage == "melanocytic"  # from nevus, not from the root
    assert small["plaque-blue-nevus"].risk == "high"  # from blue nevus
    assert small["nevus"].risk == "low"
    assert small["angioma"].lineage == "vascular"


def test_codes_and_synonyms_are_not_inherited(small):
    assert small["blue-nevus"].icd10cm == ()
    assert small["blue-nevus"].synonyms == ()


def test_walking(small):
    assert small.roots == ("benign",)
    assert small.leaves == ("plaque-blue-nevus", "angioma")
    assert small.children("benign") == ("nevus", "angioma")
    assert small.ancestors("plaque-blue-nevus") == ("blue-nevus", "nevus", "benign")
    assert small.path("blue-nevus") == ("benign", "nevus", "blue-nevus")
    assert small.descendants("benign") == ("benign", "nevus", "blue-nevus", "plaque-blue-nevus", "angioma")
    assert small.is_within("blue-nevus", "benign")
    assert small.is_within("nevus", "nevus")
    assert not small.is_within("nevus", "blue-nevus")
    assert "nevus" in small
    assert "mole" not in small  # a word is no id


@pytest.mark.parametrize(
    "word",
    [
        "nevus",
        "Nevus",
        " MOLE ",
        "Clarks nevus",
        "clark’s_nevus",
        "cafe au lait",
        "CAFÉ-AU-LAIT",
        "Benign:Benign melanocytic proliferations:Nevus",
    ],
)
def test_find_by_any_word(small, word):
    assert small.find(word) == "nevus"


def test_the_last_name_of_an_isic_path_is_a_word(written):
    text = GOOD.replace("proliferations:Nevus", "proliferations:Nevus, NOS")
    assert read_taxonomy(written(text)).find("nevus nos") == "nevus"


def test_of_isic_takes_the_whole_path_only(small):
    assert small.of_isic("Benign:Benign melanocytic proliferations:Nevus") == "nevus"
    assert small.of_isic("Nevus") is None


@pytest.mark.parametrize("call", ["find", "children", "ancestors", "path", "descendants", "__getitem__"])
def test_an_unknown_word_is_not_guessed_but_suggested(small, call):
    with pytest.raises(TaxonomyError, match=r"no diagnosis is called 'blue-nevvus'.*blue-nevus \(Blue nevus\)"):
        getattr(small, call)("blue-nevvus")


def test_a_word_like_nothing_suggests_nothing(small):
    assert small.suggest("qqqqqq") == ()
    with pytest.raises(TaxonomyError, match="cutis taxonomy show"):
        small.find("qqqqqq")


def test_suggestions_are_near_words_then_words_that_hold_it_each_node_once(small):
    assert small.suggest("nevu")[0] == "nevus"
    assert small.suggest("blue")[:2] == ("blue-nevus", "plaque-blue-nevus")
    assert len(small.suggest("nevus", most=2)) == 2
    assert small.suggest("") == ()


def line_of(text, header):
    return text.splitlines().index(header) + 1


@pytest.mark.parametrize(
    ("old", "new", "node", "reason"),
    [
        ('parent = "nevus"', 'parent = "mole"', "blue-nevus", "parent 'mole' does not exist"),
        ('parent = "nevus"', 'parent = "angioma"', "blue-nevus", "parent 'angioma' must stand before it"),
        ('parent = "nevus"', 'parent = "blue-nevus"', "blue-nevus", "parent 'blue-nevus' must stand before it"),
        ('parent = "nevus"', "parent = 3", "blue-nevus", "'parent': Input should be a valid string"),
        ('name = "Blue nevus"\n', "", "blue-nevus", "'name': Field required"),
        ('name = "Blue nevus"', 'naem = "Blue nevus"', "blue-nevus", "'naem': Extra inputs are not permitted"),
        ('name = "Blue nevus"', 'name = "Blue nevus"\nid = "x"', "blue-nevus", "'id': the id stands in"),
        ('risk = "high"', 'risk = "mild"', "blue-nevus", "'risk': Input should be 'low', 'high' or 'dangerous'"),
        ('lineage = "vascular"', 'lineage = "vasculer"', "angioma", "'lineage': Input should be"),
        ('malignancy = "benign"', 'malignancy = "good"', "benign", "'malignancy': Input should be"),
        (
            'lineage = "vascular"\nsources = ["book"]',
            'sources = ["web"]',
            "angioma",
            "source 'web' is not in [sources]",
        ),
        ('lineage = "vascular"\nsources = ["book"]', "", "angioma", "'sources': Field required"),
        (
            'lineage = "vascular"\nsources = ["book"]',
            "sources = []",
            "angioma",
            "'sources': Tuple should have at least",
        ),
        ('lineage = "vascular"\nsources = ["book"]', 'sources = "book"', "angioma", "'sources': Input should be"),
        ('icd10cm = ["D22"]', 'icd10cm = "D22"', "nevus", "'icd10cm': Input should be a valid tuple"),
        ('name = "Angioma"', 'name = "Mole"', "angioma", "the word 'mole' already means 'nevus'"),
        ('name = "Angioma"', 'name = "Angioma"\nsynonyms = ["Blue_NEVUS"]', "angioma", "'blue nevus' already means"),
        (
            'name = "Angioma"',
            'name = "Angioma"\nisic = "Benign:Benign melanocytic proliferations:Nevus"',
            "angioma",
            "its ISIC path already stands at 'nevus'",
        ),
        ('risk = "low"\n', "", "benign", "has no risk, and none of its ancestors has"),
        ('malignancy = "benign"\n', "", "angioma", "has no malignancy, and none of its ancestors has"),
    ],
)
def test_each_problem_names_its_line_its_node_and_why(written, old, new, node, reason):
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    found = [each for each in check_taxonomy(written(text)) if each.node == node and reason in each.reason]
    assert found, check_taxonomy(written(text))
    assert found[0].line == line_of(text, f"[node.{node}]")
    assert str(found[0]).startswith(f"line {found[0].line}: [node.{node}] ")


@pytest.mark.parametrize("node_id", ["Nevus", "blue_nevus", "-nevus", "blue--nevus", "nevus-", "blue nevus"])
def test_an_id_is_lower_case_with_single_hyphens(written, node_id):
    text = GOOD.replace("[node.angioma]", f'[node."{node_id}"]')
    problem = check_taxonomy(written(text))[0]
    assert problem == TreeProblem(
        line_of(text, f'[node."{node_id}"]'),
        node_id,
        "an id has lower-case letters, digits and single hyphens only",
    )


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('name = "x"\n[node.a\n', 2, "is not valid TOML"),
        (GOOD + "\n[node.nevus]\n", GOOD.count("\n") + 2, "is not valid TOML"),  # the same id twice
        ("", 0, "holds no nodes"),
        ("node = 3\n", 0, "holds no nodes"),
        ("[nodes]\n" + GOOD.replace('name = "small"', ""), 0, "unknown table or key 'nodes'"),
        (GOOD.replace('name = "small"', "name = 3"), 0, "'name' must be a string"),
        (GOOD.replace('book = "a book"', "book = 3"), 0, "[sources] must hold strings"),
        ("[node]\na = 3\n", 0, "is not a table"),
    ],
)
def test_problems_of_the_file(written, text, line, reason):
    problems = check_taxonomy(written(text))
    assert any(each.line == line and reason in each.reason for each in problems), problems


def test_a_file_in_another_encoding_names_the_line(tmp_path):
    path = tmp_path / "tree.toml"
    path.write_bytes(GOOD.encode("latin-1"))
    line = next(number for number, row in enumerate(GOOD.splitlines(), 1) if "nævus" in row)
    assert check_taxonomy(path) == [TreeProblem(line, "", "is not UTF-8 text")]


def test_a_broken_parent_is_not_reported_at_its_children(written):
    text = GOOD.replace('name = "Nevus"\n', "")
    assert [each.node for each in check_taxonomy(written(text))] == ["nevus"]


def test_problems_come_together_in_the_order_of_the_file(written):
    text = GOOD.replace('risk = "high"', 'risk = "mild"').replace('lineage = "vascular"', 'lineage = "blood"')
    problems = check_taxonomy(written(text))
    assert [each.node for each in problems] == ["blue-nevus", "angioma"]
    with pytest.raises(TaxonomyError, match=r"\[node.blue-nevus\].*\[node.angioma\].*\(2 problems\)"):
        read_taxonomy(written(text))


def test_reading_a_tree_with_problems_names_the_file_and_the_command(written):
    path = written(GOOD.replace('risk = "low"\n', ""))
    with pytest.raises(TaxonomyError, match=r"tree\.toml.*cutis taxonomy check"):
        read_taxonomy(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(TaxonomyError, match="does not exist"):
        check_taxonomy(tmp_path / "none.toml")


@given(st.text())
def test_folding_twice_is_folding_once(word):
    assert folded(folded(word)) == folded(word)


@pytest.mark.parametrize(
    ("word", "as_folded"),
    [
        ("Bowen's  Disease", "bowens disease"),
        ("Sézary_syndrome", "sezary syndrome"),
        ("a, b–c", "a b c"),
        ("\u212b", "a"),
        ("", ""),
    ],
)
def test_folded(word, as_folded):
    assert folded(word) == as_folded


@st.composite
def trees(draw):
    """A forest of up to 40 nodes, each below an earlier one or none."""
    size = draw(st.integers(1, 40))
    parents = [draw(st.one_of(st.none(), st.integers(0, each - 1))) if each else None for each in range(size)]
    return Taxonomy(
        Node(id=f"n{each}", name=f"node {each}", parent=None if above is None else f"n{above}", sources=("x",))
        for each, above in enumerate(parents)
    )


@given(trees())
def test_ancestors_and_descendants_are_each_others_reverse(tree):
    ids = [node.id for node in tree]
    for a in ids:
        below = tree.descendants(a)
        assert len(set(below)) == len(below)
        assert below[0] == a
        assert set(below) == {b for b in ids if tree.is_within(b, a)}
        assert set(below) == {b for b in ids if a in tree.path(b)}


@given(trees())
def test_a_path_goes_from_a_root_down_child_by_child(tree):
    for node in tree:
        path = tree.path(node.id)
        assert path == (*reversed(tree.ancestors(node.id)), node.id)
        assert path[0] in tree.roots
        assert all(lower in tree.children(upper) for upper, lower in pairwise(path))


@given(trees())
def test_a_node_and_its_childrens_descendants_are_its_descendants_in_order(tree):
    for node in tree:
        below = [each for child in tree.children(node.id) for each in tree.descendants(child)]
        assert tree.descendants(node.id) == (node.id, *below)
    assert sorted(each for root in tree.roots for each in tree.descendants(root)) == sorted(node.id for node in tree)
    assert tree.leaves == tuple(node.id for node in tree if tree.descendants(node.id) == (node.id,))


@given(trees())
def test_every_word_of_a_node_finds_it(tree):
    for node in tree:
        assert {tree.find(word) for word in words_of(node)} == {node.id}
