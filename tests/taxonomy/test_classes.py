import numpy as np
import pytest

from cutis.errors import CutisError, TaxonomyError
from cutis.taxonomy import (
    CLASS_SET_NAMES,
    ClassSet,
    DiagnosisClass,
    class_labels,
    class_set,
    matching_class_set,
    rollup_classes,
    shipped_taxonomy,
    source_classes,
)

HAM7 = class_set("ham7")


@pytest.mark.parametrize("name", CLASS_SET_NAMES)
def test_every_class_holds_its_own_nodes(name):
    for each in class_set(name).classes:
        assert each.nodes
        assert {class_set(name).assign(node) for node in each.nodes} == {each.id}


def test_a_diagnosis_belongs_to_the_class_of_its_nearest_ancestor():
    assert HAM7.assign("melanoma-in-situ") == "mel"
    assert HAM7.assign("bowen-disease") == "akiec"
    assert class_set("isic2019").assign("bowen-disease") == "scc"  # in situ lies below akiec, but is nearer


def test_a_diagnosis_outside_every_class_has_none_or_the_rest():
    assert class_set("isic2017").assign("basal-cell-carcinoma") is None
    assert class_set("isic2017+other").assign("basal-cell-carcinoma") == "other"
    assert HAM7.assign(None) is None
    assert class_set("ham7+other").assign(None) is None  # nothing is known of it, not even that it is something else


def test_a_label_above_the_classes_may_be_any_of_those_below_it():
    assert HAM7.assign("benign") is None
    assert HAM7.candidates("benign") == ("bkl", "df", "nv", "vasc")
    assert class_set("ham7+other").candidates("benign") == ("bkl", "df", "nv", "vasc", "other")
    assert HAM7.candidates("melanoma-in-situ") == ("mel",)
    assert HAM7.candidates("psoriasis") == ()


def test_one_class_below_a_coarse_label_is_still_not_its_answer():
    two = class_set("nevus-blue,melanoma")
    assert two.candidates("nevus") == ("nevus-blue",)
    assert two.assign("nevus") is None


def test_class_labels_index_the_classes_and_the_sets_of_candidates():
    labels = class_labels(HAM7, ["nevus", "benign", "psoriasis", None, "benign"], ["nv", None, None, None, None])
    assert labels.label.tolist() == [HAM7.ids.index("nv"), 7, -1, -1, 7]
    np.testing.assert_array_equal(labels.candidates[:7], np.eye(7, dtype=bool))
    assert [HAM7.ids[k] for k in np.flatnonzero(labels.candidates[7])] == ["bkl", "df", "nv", "vasc"]


def test_probabilities_of_coarse_classes_are_sums():
    rollup = rollup_classes(HAM7, class_set("esteva3"))
    assert rollup.classes.ids == ("benign", "malignant")  # none of the seven is non-neoplastic
    assert rollup.classes.assign("psoriasis") is None
    probabilities = np.array([[0.1, 0.05, 0.3, 0.02, 0.2, 0.3, 0.03]])
    np.testing.assert_allclose(probabilities @ rollup.matrix, [[0.65, 0.35]])


def test_risk_grades_of_the_seven():
    rollup = rollup_classes(HAM7, class_set("risk3"))
    grade = {each: rollup.classes.ids[k] for each, k in zip(HAM7.ids, rollup.matrix.argmax(1), strict=True)}
    assert grade == {
        "akiec": "high", "bcc": "high", "bkl": "low", "df": "low", "mel": "dangerous", "nv": "low", "vasc": "low",
    }  # fmt: skip


def test_classes_that_do_not_lie_within_coarser_ones_are_named():
    with pytest.raises(TaxonomyError, match=r"classes of 'ham7' do not lie within .*'isic2017': akiec, bcc, df, vasc"):
        rollup_classes(HAM7, class_set("isic2017"))
    assert rollup_classes(HAM7, class_set("isic2017+other")).classes.ids[-1] == "other"
    with pytest.raises(TaxonomyError, match=r"do not lie within one class of 'melanoma-in-situ,nevus'.*mel"):
        rollup_classes(HAM7, class_set("melanoma-in-situ,nevus"))


def test_challenge_columns_find_their_class_set():
    assert matching_class_set(["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]) == HAM7
    assert matching_class_set(["mel", "nv", "bcc", "akiec", "bkl", "df", "vasc", "other"]) == class_set("ham7+other")
    assert matching_class_set(["foo", "nv"]) is None


def test_columns_named_by_nodes_are_those_nodes():
    found = matching_class_set(["nevus", "melanoma"])
    assert found is not None
    assert [each.nodes for each in found.classes] == [("nevus",), ("melanoma",)]


def test_words_of_a_data_set_are_its_classes():
    own = source_classes(["wart", "acne", None, "acne"])
    assert own.ids == ("acne", "wart")
    assert own.assign(None, "wart") == "wart"
    assert own.assign("nevus", "mole") is None


def test_one_word_is_not_enough():
    with pytest.raises(CutisError, match="only 1 distinct source_diagnosis"):
        source_classes(["acne", "acne"])


def test_nodes_are_found_by_any_of_their_words():
    assert class_set("BCC, melanocytic nevus +other".replace(" +", "+")).ids == (
        "basal-cell-carcinoma",
        "nevus",
        "other",
    )


def test_a_partition_is_made_of_the_images_at_hand():
    counts = {"nevus-blue": 30, "nevus-congenital": 40, "melanoma-in-situ": 60, "basal-cell-carcinoma": 10}
    fine, coarse = class_set("partition:max=41", counts), class_set("partition:max=1000", counts)
    assert {"nevus-blue", "nevus-congenital"} <= set(fine.ids)
    assert fine.assign("nevus-blue-cellular") == "nevus-blue"
    assert coarse.ids == ("benign", "malignant")
    rolled = rollup_classes(fine, class_set("esteva3"))
    assert rolled.matrix.sum(1).tolist() == [1.0] * len(fine.ids)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("ham8", "no class set is called 'ham8'.*ham7"),
        ("ham7+rest", r"After '\+' only 'other'"),
        ("partition:1000", "Write partition:max=1000"),
        ("partition:max=1000", "depends on the images at hand"),
        ("melanoma,nevuss", "no diagnosis is called 'nevuss'.*nevus"),
        ("melanoma", "only one class"),
        ("melanoma,melanoma", "more than once: melanoma"),
    ],
)
def test_what_names_no_class_set_is_told(spec, told):
    with pytest.raises(CutisError, match=told):
        class_set(spec)


def test_class_ids_are_unique_and_only_one_is_the_rest():
    one = DiagnosisClass(id="a", name="a", rest=True)
    with pytest.raises(ValueError, match="unique"):
        ClassSet(name="x", source="", classes=(one, one))
    with pytest.raises(ValueError, match="only one class can be the rest"):
        ClassSet(name="x", source="", classes=(one, one.model_copy(update={"id": "b"})))


def test_esteva9_leaves_no_leaf_of_the_tree_out():
    taxonomy = shipped_taxonomy()
    assert [leaf for leaf in taxonomy.leaves if class_set("esteva9").assign(leaf) is None] == []
