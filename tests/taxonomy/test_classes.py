import pytest
from isic_metadata.fields import DiagnosisEnum

from cutis.errors import CutisError
from cutis.taxonomy import CLASS_SETS, class_set, matching_class_set, source_classes

MELANOMA_IN_SITU = "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma in situ"
BOWEN = "Malignant:Malignant epidermal proliferations:Squamous cell carcinoma in situ"


@pytest.mark.parametrize("name", CLASS_SETS)
def test_every_node_is_one_of_the_isic_archive(name):
    known = {each.value for each in DiagnosisEnum}
    for each in class_set(name).classes:
        for node in each.nodes:
            assert any(path == node or path.startswith(f"{node}:") for path in known), node


def test_a_diagnosis_belongs_to_the_class_of_its_ancestor():
    assert class_set("ham7").assign(MELANOMA_IN_SITU) == "mel"
    assert class_set("ham7").assign(BOWEN) == "akiec"
    assert class_set("isic2019").assign(BOWEN) == "scc"


def test_a_diagnosis_outside_all_classes_belongs_to_none():
    assert class_set("isic2017").assign(BOWEN) is None
    assert class_set("ham7").assign("Benign") is None
    assert class_set("ham7").assign(None) is None


def test_a_node_is_no_prefix_of_a_longer_word():
    # "Benign:Benign epidermal proliferations" must not swallow a sibling that begins with the same letters.
    assert class_set("ham7").assign("Benign:Benign epidermal proliferationsX") is None


def test_challenge_columns_find_their_class_set():
    assert matching_class_set(["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]) == class_set("ham7")
    assert matching_class_set(["mel", "nv"]) is None


def test_a_data_sets_own_words_become_classes():
    own = source_classes(["wart", "acne", None, "acne"])
    assert own.ids == ("acne", "wart")
    assert own.assign(None, "wart") == "wart"
    assert own.assign(MELANOMA_IN_SITU, "eczema") is None


def test_one_word_is_no_classification():
    with pytest.raises(CutisError, match="only 1 distinct"):
        source_classes(["acne", "acne"])


def test_an_unknown_class_set_names_those_there_are():
    with pytest.raises(CutisError, match="ham7"):
        class_set("ham8")
