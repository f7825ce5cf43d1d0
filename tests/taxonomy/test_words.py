"""The words of data sets are nodes of the shipped tree, or exceptions with a reason."""

import re

import pytest
from simple_icd_10_cm import is_valid_item

from cutis.errors import TaxonomyError
from cutis.taxonomy import shipped_taxonomy
from cutis.taxonomy.tree import folded
from cutis.taxonomy.words import VOCABULARIES, node_of_word, vocabulary

NINE = {
    "benign": {"benign-epidermal", "benign-melanocytic", "benign-dermal"},
    "malignant": {"malignant-epidermal", "malignant-melanoma", "malignant-dermal", "cutaneous-lymphoma"},
    "non-neoplastic": {"inflammatory", "genodermatoses"},
}


def test_there_is_a_vocabulary_of_each_data_set_and_its_list_is_complete() -> None:
    sizes = {each: len(vocabulary(each).words) + len(vocabulary(each).exceptions) for each in VOCABULARIES}
    assert sizes == {
        "ham10000": 7,
        "isic2017": 3,
        "isic2018": 7,
        "isic2019": 9,
        "isic-archive": 35,
        "pad-ufes-20": 6,
        "fitzpatrick17k": 114,
        "derm7pt": 20,
        "ddi": 78,
        "sd-198": 198,
        "dermnet": 23,
        "ph2": 6,
        "med-node": 2,
    }


@pytest.mark.parametrize("data_set", VOCABULARIES)
def test_every_word_means_a_node_or_is_an_exception_with_a_reason(data_set: str) -> None:
    words = vocabulary(data_set)
    assert words.source
    assert [word for word, node in words.words.items() if node not in shipped_taxonomy()] == []
    assert all(len(reason) > 10 for reason in words.exceptions.values())
    assert not set(words.words) & set(words.exceptions)
    assert {word: words.node_of(word) for word in words.words} == words.words
    assert all(words.node_of(word) is None for word in words.exceptions)


@pytest.mark.parametrize("data_set", VOCABULARIES)
def test_no_two_words_of_a_data_set_are_the_same_but_for_case_and_hyphens(data_set: str) -> None:
    words = [*vocabulary(data_set).words, *vocabulary(data_set).exceptions]
    assert len({folded(each) for each in words}) == len(words)


@pytest.mark.parametrize("data_set", VOCABULARIES)
def test_a_word_does_not_contradict_what_the_tree_calls_by_it(data_set: str) -> None:
    tree = shipped_taxonomy()
    for word, node in vocabulary(data_set).words.items():
        try:
            found = tree.find(word)
        except TaxonomyError:
            continue
        assert tree.is_within(node, found) or tree.is_within(found, node), word


@pytest.mark.parametrize(
    ("data_set", "word", "node"),
    [
        ("ham10000", "BKL", "pigmented-benign-keratosis"),
        ("pad-ufes-20", "ack", "actinic-keratosis"),
        ("isic-archive", "aimp", "atypical-intraepithelial-melanocytic-proliferation"),
        ("fitzpatrick17k", "dariers disease", "darier-disease"),
        ("fitzpatrick17k", "neurodermatitis", "lichen-simplex-chronicus"),
        ("fitzpatrick17k", "acquired autoimmune bullous diseaseherpes gestationis", "autoimmune-bullous"),
        ("derm7pt", "melanoma (in situ)", "melanoma-in-situ"),
        ("derm7pt", "melanoma (0.76 to 1.5 mm)", "melanoma-invasive"),
        ("ddi", "nodular-melanoma-(nm)", "melanoma-invasive-nodular"),
        ("ddi", "graft-vs-host-disease", "graft-versus-host-disease"),
        ("sd-198", "Beau's_Lines", "beau-lines"),
        ("sd-198", "beaus lines", "beau-lines"),
        ("sd-198", "Balanitis_Xerotica_Obliterans", "lichen-sclerosus-of-penis"),
        ("dermnet", "Exanthems and Drug Eruptions", "inflammatory"),
        ("ph2", "Common Nevus", "nevus"),
        ("med-node", "naevus", "nevus"),
        ("isic2019", "unk", None),
        ("derm7pt", "miscellaneous", None),
        ("dermnet", "Systemic Disease", None),
    ],
)
def test_some_words(data_set: str, word: str, node: str | None) -> None:
    assert node_of_word(data_set, word) == node


def test_an_unknown_word_is_an_error_that_suggests() -> None:
    with pytest.raises(
        TaxonomyError, match=r"'Alopecia_Aerata' is no diagnosis of sd-198. Did you mean 'Alopecia_Areata'"
    ):
        node_of_word("sd-198", "Alopecia_Aerata")
    with pytest.raises(TaxonomyError, match=r"'qqq' is no diagnosis of med-node. Its words are melanoma, naevus."):
        node_of_word("med-node", "qqq")


def test_an_unknown_data_set_is_an_error_that_suggests() -> None:
    with pytest.raises(TaxonomyError, match=r"'sd198' are not known. Did you mean sd-198"):
        vocabulary("sd198")
    with pytest.raises(TaxonomyError, match=r"Use one of ham10000, "):
        vocabulary("qqq")


def test_the_tree_is_estevas_three_and_nine_with_no_leaf_left_out() -> None:
    tree = shipped_taxonomy()
    assert tree.roots == tuple(NINE)
    assert {root: set(tree.children(root)) for root in tree.roots} == NINE
    nine = set().union(*NINE.values())
    assert all(nine & set(tree.path(leaf)) for leaf in tree.leaves)
    assert len(tree) >= 600
    assert len(tree.descendants("non-neoplastic")) >= 300


def test_codes_exist_and_are_of_their_form() -> None:
    for node in shipped_taxonomy():
        assert all(is_valid_item(code) for code in node.icd10cm), node.id
        assert all(re.fullmatch(r"[1-9A-Z][A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,2})?", code) for code in node.icd11), node.id


def test_a_non_neoplastic_disease_is_no_risk_unless_its_note_says_so() -> None:
    tree = shipped_taxonomy()
    for node_id in tree.descendants("non-neoplastic"):
        node = tree[node_id]
        if node.parent is not None and node.risk != tree[node.parent].risk:
            assert "Risk is cutis's own" in node.note, node_id
    assert tree["toxic-epidermal-necrolysis"].risk == tree["necrotizing-fasciitis"].risk == "dangerous"
    assert tree["psoriasis"].risk == tree["eczema"].risk == "low"
