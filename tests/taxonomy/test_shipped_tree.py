"""Facts of the tree that ships with cutis, against its outside sources."""

import time
from collections import Counter

import polars as pl
import pytest
import simple_icd_10_cm as icd
from isic_metadata.fields import DiagnosisEnum

from cutis.errors import TaxonomyError
from cutis.taxonomy.tree import INHERITED, check_taxonomy, folded, read_taxonomy, shipped_taxonomy

TREE = shipped_taxonomy()

ESTEVA_NINE = {
    "benign-epidermal": "benign",
    "benign-melanocytic": "benign",
    "benign-dermal": "benign",
    "malignant-epidermal": "malignant",
    "malignant-dermal": "malignant",
    "malignant-melanoma": "malignant",
    "cutaneous-lymphoma": "malignant",
    "inflammatory": "non-neoplastic",
    "genodermatoses": "non-neoplastic",
}

# ISIC's values without a node of their own, and the node they are read as (None: there is none).
ISIC_WITHOUT_NODE = {
    "Indeterminate": None,  # neither benign nor malignant: none of the three roots
    "Benign:Benign - Other": "benign",  # a rest group over all of Esteva's benign classes
    "Benign:Collision - Only benign proliferations": "benign",  # two lesions in one picture, of any two classes
    "Malignant:Collision - At least one malignant proliferation": "malignant",
}

FITZPATRICK_NINE = {
    "benign dermal": "benign-dermal",
    "benign epidermal": "benign-epidermal",
    "benign melanocyte": "benign-melanocytic",
    "malignant cutaneous lymphoma": "cutaneous-lymphoma",
    "malignant dermal": "malignant-dermal",
    "malignant epidermal": "malignant-epidermal",
    "malignant melanoma": "malignant-melanoma",
    "genodermatoses": "genodermatoses",
    "inflammatory": "inflammatory",
}

# The neoplasms among Fitzpatrick17k's labels, with its nine-way class (Groh 2021).
FITZPATRICK_NEOPLASMS = {
    "benign dermal": "becker nevus, dermatofibroma, fordyce spots, granuloma pyogenic, lymphangioma, mucous cyst, "
    "pilar cyst, pilomatricoma, port wine stain, pyogenic granuloma, syringoma, telangiectases",
    "benign epidermal": "disseminated actinic porokeratosis, epidermal nevus, milia, naevus comedonicus, "
    "nevus sebaceous of jadassohn, porokeratosis actinic, porokeratosis of mibelli, prurigo nodularis, "
    "seborrheic keratosis",
    "benign melanocyte": "congenital nevus, halo nevus, nevocytic nevus",
    "malignant cutaneous lymphoma": "mycosis fungoides",
    "malignant dermal": "kaposi sarcoma",
    "malignant epidermal": "actinic keratosis, basal cell carcinoma, basal cell carcinoma morpheiform, "
    "solid cystic basal cell carcinoma, squamous cell carcinoma",
    "malignant melanoma": "lentigo maligna, malignant melanoma, melanoma, superficial spreading melanoma ssm",
}


@pytest.fixture(scope="module")
def tree_file():
    from importlib import resources

    with resources.as_file(resources.files("cutis.taxonomy").joinpath("tree.toml")) as path:
        yield path


def test_it_has_no_problems(tree_file):
    assert check_taxonomy(tree_file) == []


def test_it_has_at_least_600_nodes():
    assert len(TREE) >= 600


def test_its_roots_are_estevas_three_classes():
    assert set(TREE.roots) == {"benign", "malignant", "non-neoplastic"}


def test_estevas_nine_classes_stand_below_the_roots_and_nothing_else_does():
    below = {child: root for root in TREE.roots for child in TREE.children(root)}
    assert below == ESTEVA_NINE


def test_every_leaf_is_in_exactly_one_of_the_nine():
    counts = Counter(leaf for each in ESTEVA_NINE for leaf in TREE.descendants(each) if leaf in set(TREE.leaves))
    assert set(counts) == set(TREE.leaves)
    assert set(counts.values()) == {1}


def test_every_isic_value_is_at_one_node_or_excepted():
    at_nodes = Counter(node.isic for node in TREE if node.isic)
    values = {each.value for each in DiagnosisEnum}
    assert set(at_nodes) <= values, "paths that ISIC does not have"
    assert values - set(at_nodes) == set(ISIC_WITHOUT_NODE)
    assert set(at_nodes.values()) == {1}
    assert all(node is None or node in TREE for node in ISIC_WITHOUT_NODE.values())


def test_nothing_malignant_in_isic_is_benign_here_nor_the_reverse():
    for node in TREE:
        if node.isic and node.isic.startswith("Malignant"):
            assert node.malignancy != "benign", node.id
        if node.isic and node.isic.startswith("Benign"):
            assert node.malignancy in {"benign", "either"}, node.id
        if node.isic and node.isic.startswith("Indeterminate"):
            assert node.malignancy in {"either", "premalignant"}, node.id


def test_every_icd_10_cm_code_exists():
    unknown = [(node.id, code) for node in TREE for code in node.icd10cm if not icd.is_valid_item(code)]
    assert unknown == []


@pytest.mark.parametrize(
    ("node_id", "code", "words"),
    [
        ("malignant-melanoma", "C43", "melanoma"),
        ("melanoma-in-situ", "D03", "melanoma in situ"),
        ("basal-cell-carcinoma", "C44.91", "basal cell"),
        ("squamous-cell-carcinoma", "C44.92", "squamous cell"),
        ("actinic-keratosis", "L57.0", "actinic keratosis"),
        ("nevus", "D22", "melanocytic nevi"),
        ("merkel-cell-carcinoma", "C4A", "merkel"),
        ("mycosis-fungoides", "C84.0", "mycosis fungoides"),
        ("kaposi-sarcoma", "C46.0", "kaposi"),
        ("pyogenic-granuloma", "L98.0", "pyogenic granuloma"),
    ],
)
def test_codes_of_common_diseases_mean_what_icd_10_cm_says(node_id, code, words):
    assert TREE[node_id].icd10cm == (code,)
    assert words in icd.get_description(code).lower()


def test_every_node_is_sourced_and_every_source_is_used():
    assert all(node.sources for node in TREE)
    used = {each for node in TREE for each in node.sources}
    assert used <= set(TREE.sources)
    codes = {"icd10cm" for node in TREE if node.icd10cm} | {"icd11" for node in TREE if node.icd11}
    assert set(TREE.sources) - used <= codes


def test_an_isic_node_names_isic_as_a_source():
    assert [node.id for node in TREE if node.isic and "isic" not in node.sources] == []


def test_every_node_has_a_malignancy_a_lineage_and_a_risk():
    assert [node.id for node in TREE if any(getattr(node, each) is None for each in INHERITED)] == []


@pytest.mark.parametrize(
    ("node_id", "malignancy", "risk"),
    [
        ("nevus", "benign", "low"),
        ("seborrheic-keratosis", "benign", "low"),
        ("dermatofibroma", "benign", "low"),
        ("actinic-keratosis", "premalignant", "high"),
        ("bowen-disease", "malignant", "high"),
        ("basal-cell-carcinoma", "malignant", "high"),
        ("squamous-cell-carcinoma", "malignant", "high"),
        ("atypical-spitz-tumor", "either", "high"),
        ("melanoma-in-situ", "malignant", "dangerous"),
        ("melanoma", "malignant", "dangerous"),
        ("merkel-cell-carcinoma", "malignant", "dangerous"),
    ],
)
def test_malignancy_and_risk_of_common_diseases(node_id, malignancy, risk):
    assert (TREE[node_id].malignancy, TREE[node_id].risk) == (malignancy, risk)


def test_whatever_may_be_malignant_is_never_low_risk():
    assert [node.id for node in TREE if node.malignancy in {"malignant", "premalignant"} and node.risk == "low"] == []


def test_all_of_melanoma_is_dangerous():
    assert {TREE[each].risk for each in TREE.descendants("malignant-melanoma")} == {"dangerous"}


@pytest.mark.parametrize(
    ("word", "node_id"),
    [
        ("akiec", "akiec"),
        ("bcc", "basal-cell-carcinoma"),
        ("bkl", "pigmented-benign-keratosis"),
        ("df", "dermatofibroma"),
        ("mel", "melanoma"),
        ("nv", "nevus"),
        ("vasc", "benign-vascular-proliferation"),
        ("ACK", "actinic-keratosis"),
        ("NEV", "nevus"),
        ("SCC", "squamous-cell-carcinoma"),
        ("SEK", "seborrheic-keratosis"),
        ("AK", "actinic-keratosis"),
    ],
)
def test_the_words_of_ham10000_isic_and_pad(word, node_id):
    assert TREE.find(word) == node_id


def test_ham10000s_bkl_and_akiec_hold_what_its_paper_says():
    assert set(TREE.children("pigmented-benign-keratosis")) == {
        "seborrheic-keratosis",
        "solar-lentigo",
        "lichen-planus-like-keratosis",
    }
    assert {"actinic-keratosis", "bowen-disease"} <= set(TREE.descendants("akiec"))
    assert "squamous-cell-carcinoma-invasive" not in TREE.descendants("akiec")


@pytest.mark.parametrize(
    ("label", "nine"),
    [(label, nine) for nine, labels in FITZPATRICK_NEOPLASMS.items() for label in labels.split(", ")],
)
def test_fitzpatrick17ks_neoplasms_are_in_its_nine_way_class(label, nine):
    assert TREE.is_within(TREE.find(label), FITZPATRICK_NINE[nine])


def test_a_word_means_one_node_only():
    owners = {}
    for node in TREE:
        for word in (node.id, node.name, *node.synonyms):
            assert owners.setdefault(folded(word), node.id) == node.id, word


def test_reading_it_takes_a_fraction_of_a_second(tree_file):
    taken = []
    for _ in range(7):
        start = time.process_time()
        read_taxonomy(tree_file)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.2


def test_fitzpatrick17ks_labels_that_are_words_of_the_tree_are_in_its_nine_way_class(real_data):
    labels = pl.read_csv(real_data / "fitzpatrick17k" / "fitzpatrick17k.csv").select("label", "nine_partition_label")
    found = 0
    for label, nine in labels.unique().iter_rows():
        try:
            node = TREE.find(label)
        except TaxonomyError:
            continue
        found += 1
        assert TREE.is_within(node, FITZPATRICK_NINE[nine]), label
    assert found >= 100
