import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import issparse

from cutis.errors import PredictionsError, TaxonomyError
from cutis.taxonomy.inference import owners, owners_below, restrict, rollup, rollup_matrix
from cutis.taxonomy.tree import Node, Taxonomy


def tree(parents):
    """A taxonomy from node → parent."""
    return Taxonomy(Node(id=each, name=each, parent=above, sources=("test",)) for each, above in parents.items())


# Esteva 2017, Extended Data Figure 1: the classes under benign; the rest of the probability is malignant's.
FIGURE = tree(
    {
        "benign": None,
        "melanocytic-benign": "benign",
        "blue-nevus": "melanocytic-benign",
        "halo-nevus": "melanocytic-benign",
        "mongolian-spot": "melanocytic-benign",
        "epidermal-benign": "benign",
        "seborrheic-keratosis": "epidermal-benign",
        "milia": "epidermal-benign",
        "dermal-benign": "benign",
        "cyst": "dermal-benign",
        "fibroma": "dermal-benign",
        "malignant": None,
        "melanocytic-malignant": "malignant",
        "amelanotic-melanoma": "melanocytic-malignant",
        "lentigo-melanoma": "melanocytic-malignant",
        "epidermal-malignant": "malignant",
        "bcc": "epidermal-malignant",
    }
)
CLASSES = [
    ("blue-nevus",), ("halo-nevus",), ("mongolian-spot",), ("seborrheic-keratosis",), ("milia",), ("cyst",),
    ("fibroma",), ("amelanotic-melanoma",), ("lentigo-melanoma",), ("bcc",),
]  # fmt: skip
ROW = np.array([[0.1, 0.05, 0.05, 0.3, 0.02, 0.03, 0.05, 0.25, 0.1, 0.05]])


def test_extended_data_figure_1():
    benign, malignant = rollup(ROW, FIGURE, CLASSES, ["benign", "malignant"])[0]
    assert benign == pytest.approx(0.6)
    assert malignant == pytest.approx(0.4)


def test_a_nodes_probability_is_the_sum_of_its_childrens():
    nodes = [node.id for node in FIGURE if FIGURE.children(node.id)]
    below = {each: rollup(ROW, FIGURE, CLASSES, FIGURE.children(each)).sum() for each in nodes}
    assert dict(zip(nodes, rollup(ROW, FIGURE, CLASSES, nodes)[0], strict=True)) == pytest.approx(below)


def test_the_matrix_is_sparse_and_holds_a_one_where_a_class_lies_within_the_node():
    matrix = rollup_matrix(FIGURE, [("blue-nevus", "milia"), ("bcc",)], ["benign", "bcc", "cyst"])
    assert issparse(matrix)
    assert matrix.toarray().tolist() == [[1, 0, 0], [0, 1, 0]]


def test_a_class_that_lies_partly_within_a_node_is_named():
    with pytest.raises(TaxonomyError, match=r"1 class lies partly within 'epidermal-benign': 'blue-nevus\+milia'"):
        rollup_matrix(FIGURE, [("blue-nevus", "milia"), ("bcc",)], ["benign", "epidermal-benign"])


def test_a_node_finer_than_the_class_is_an_error():
    with pytest.raises(TaxonomyError, match="'melanocytic-malignant'"):
        rollup_matrix(FIGURE, [("melanocytic-malignant",), ("bcc",)], ["lentigo-melanoma"])


def test_of_nested_nodes_the_deeper_class_wins():
    classes = [("malignant",), ("melanocytic-malignant",)]
    assert owners(FIGURE, classes)["bcc"] == 0
    assert owners(FIGURE, classes)["lentigo-melanoma"] == 1
    assert rollup_matrix(FIGURE, classes, ["melanocytic-malignant"]).toarray().tolist() == [[0], [1]]


def test_the_remainder_takes_what_lies_in_no_node():
    rolled = rollup(ROW, FIGURE, CLASSES, ["melanocytic-malignant", "epidermal-benign"], other=True)
    assert rolled[0] == pytest.approx([0.35, 0.32, 0.33])


def test_a_remainder_needs_disjoint_nodes():
    with pytest.raises(TaxonomyError, match="'cyst' lies within 'benign'"):
        rollup(ROW, FIGURE, CLASSES, ["cyst", "benign"], other=True)
    with pytest.raises(TaxonomyError, match="lies within 'cyst'"):
        rollup(ROW, FIGURE, CLASSES, ["cyst", "cyst"], other=True)
    assert rollup(ROW, FIGURE, CLASSES, ["cyst", "benign"])[0] == pytest.approx([0.03, 0.6])


def test_restricted_to_melanocytic_lesions():
    only = restrict(ROW, FIGURE, CLASSES, ["melanocytic-benign", "melanocytic-malignant"])
    assert only.shape == ROW.shape
    assert only[0, 3:7].tolist() == [0, 0, 0, 0]
    assert rollup(only, FIGURE, CLASSES, ["malignant"])[0, 0] == pytest.approx(0.35 / 0.55)


def test_without_probability_in_the_subtree_the_answer_is_nan():
    rows = np.vstack([ROW, np.eye(10)[9], np.full((1, 10), np.nan)])
    only = restrict(rows, FIGURE, CLASSES, "benign")
    assert only[0].sum() == pytest.approx(1)
    assert np.isnan(only[1:]).all()
    assert np.isnan(rollup(only, FIGURE, CLASSES, ["benign"])[1:]).all()


def test_a_very_small_mass_is_still_divided():
    rows = np.zeros((1, 10))
    rows[0, :2] = 5e-324
    assert restrict(rows, FIGURE, CLASSES, "benign")[0, :2] == pytest.approx([0.5, 0.5])


def test_a_restriction_needs_whole_classes_and_at_least_one():
    with pytest.raises(TaxonomyError, match="no class lies within 'cyst'"):
        restrict(np.ones((1, 2)) / 2, FIGURE, [("bcc",), ("milia",)], "cyst")
    with pytest.raises(TaxonomyError, match="partly"):
        restrict(np.ones((1, 2)) / 2, FIGURE, [("bcc",), ("benign",)], "cyst")


def test_which_classes_lie_at_or_below_a_node():
    owner = owners(FIGURE, [("melanocytic-benign",), ("milia", "cyst"), ("fibroma",), ("bcc",)])
    found = {node: owners_below(FIGURE, owner, node) for node in ("benign", "epidermal-benign", "malignant")}
    assert found == {"benign": {0, 1, 2}, "epidermal-benign": {1}, "malignant": {3}}
    assert owners_below(FIGURE, owner, "amelanotic-melanoma") == set()


def test_unknown_nodes_suggest():
    for call in (
        lambda: rollup_matrix(FIGURE, CLASSES, ["benig"]),
        lambda: rollup_matrix(FIGURE, [("blue-nevu",)], ["benign"]),
        lambda: owners_below(FIGURE, owners(FIGURE, CLASSES), "malignan"),
        lambda: restrict(ROW, FIGURE, CLASSES, "benig"),
    ):
        with pytest.raises(TaxonomyError, match="Did you mean"):
            call()


def test_classes_have_nodes_and_share_none():
    with pytest.raises(TaxonomyError, match="class 2 of 2 has no node"):
        owners(FIGURE, [("cyst",), ()])
    with pytest.raises(TaxonomyError, match=r"'cyst' stands in two classes: 'cyst' and 'milia\+cyst'"):
        owners(FIGURE, [("cyst",), ("milia", "cyst")])


def test_probabilities_have_a_column_a_class():
    with pytest.raises(PredictionsError, match=r"\(1, 9\), where there are 10 classes"):
        rollup(ROW[:, :9], FIGURE, CLASSES, ["benign"])
    with pytest.raises(PredictionsError):
        restrict(ROW[0], FIGURE, CLASSES, "benign")


@st.composite
def trees_with_classes(draw):
    """A forest, some of its nodes as single-node classes (nested ones too), and rows of probabilities."""
    size = draw(st.integers(1, 20))
    above = [None, *(draw(st.one_of(st.none(), st.integers(0, each - 1))) for each in range(1, size))]
    taxonomy = tree({f"n{each}": None if parent is None else f"n{parent}" for each, parent in enumerate(above)})
    chosen = draw(st.lists(st.sampled_from([node.id for node in taxonomy]), min_size=1, unique=True))
    values = draw(st.lists(st.integers(0, 9), min_size=len(chosen), max_size=len(chosen)))
    probabilities = (np.array([values], dtype=float) + 1e-3) / (np.sum(values) + 1e-3 * len(chosen))
    return taxonomy, [(each,) for each in chosen], probabilities


def parts(taxonomy, classes, node):
    """Each class's nodes inside and in all, counted without the code under test."""
    tops = {nodes[0]: position for position, nodes in enumerate(classes)}
    inside, everywhere = np.zeros(len(classes)), np.zeros(len(classes))
    for each in taxonomy:
        nearest = next((above for above in reversed(taxonomy.path(each.id)) if above in tops), None)
        if nearest is not None:
            everywhere[tops[nearest]] += 1
            inside[tops[nearest]] += taxonomy.is_within(each.id, node)
    return inside, everywhere


@given(trees_with_classes(), st.data())
def test_the_product_is_the_sum_over_classes_within(given_classes, data):
    taxonomy, classes, probabilities = given_classes
    node = data.draw(st.sampled_from([each.id for each in taxonomy]))
    inside, everywhere = parts(taxonomy, classes, node)
    if ((inside > 0) & (inside < everywhere)).any():
        with pytest.raises(TaxonomyError, match="partly"):
            rollup(probabilities, taxonomy, classes, [node])
        return
    expected = probabilities[0, inside > 0].sum()
    assert rollup(probabilities, taxonomy, classes, [node])[0, 0] == pytest.approx(expected)
    assert rollup(probabilities, taxonomy, classes, [node], other=True)[0].sum() == pytest.approx(1)
    if expected:
        assert restrict(probabilities, taxonomy, classes, node)[0].sum() == pytest.approx(1)
        assert rollup(restrict(probabilities, taxonomy, classes, node), taxonomy, classes, [node])[
            0, 0
        ] == pytest.approx(1)


@given(trees_with_classes())
def test_a_node_is_above_all_classes_that_are_below(given_classes):
    taxonomy, classes, _ = given_classes
    owner = owners(taxonomy, classes)
    for node in taxonomy:
        if node.id not in owner:
            below = np.flatnonzero(parts(taxonomy, classes, node.id)[0] > 0)
            assert owners_below(taxonomy, owner, node.id) == set(below.tolist())
