"""Contradictions in what a manifest says are found, and what only looks like one is not."""

from datetime import datetime

import polars as pl
import pytest

from cutis.audit.label_trouble import TROUBLE_SCHEMA, label_trouble
from cutis.data import manifest_frame

NO_PAIRS = pl.DataFrame(
    schema=dict.fromkeys(["source_a", "image_id_a", "source_b", "image_id_b", "verdict"], pl.String)
)


def manifest(*rows):
    defaults = {"source": "clinic", "diagnosis_node": "nevus", "source_diagnosis": "nv"}
    return manifest_frame([{**defaults, "image_id": f"i{n}", **row} for n, row in enumerate(rows)])


def pair(a, b, verdict="same", source_b="clinic"):
    return pl.DataFrame(
        {"source_a": ["clinic"], "image_id_a": [a], "source_b": [source_b], "image_id_b": [b], "verdict": [verdict]}
    )


def kinds(table):
    return table.select("kind", "severity").rows()


def test_a_clean_manifest_has_no_trouble_and_the_table_keeps_its_form():
    table = label_trouble(manifest({"lesion_id": "a"}, {"lesion_id": "a"}, {"lesion_id": None}), NO_PAIRS)
    assert table.schema == pl.Schema(TROUBLE_SCHEMA)
    assert table.is_empty()


def test_one_lesion_with_two_diagnoses_is_an_error_that_names_what_histopathology_says():
    table = label_trouble(
        manifest(
            {"lesion_id": "a"},
            {"lesion_id": "a", "diagnosis_node": "melanoma", "diagnosis_confirm_type": "histopathology"},
            {"lesion_id": "b"},
        ),
        NO_PAIRS,
    )
    assert kinds(table) == [("one lesion, two diagnoses", "error")]
    assert table["image_ids"].to_list() == [["i0", "i1"]]
    assert table["told"][0] == ("Lesion a is called Melanoma and Nevus; histopathology confirms Melanoma.")


def test_an_ancestor_is_coarser_not_another_diagnosis():
    rows = [{"lesion_id": "a"}, {"lesion_id": "a", "diagnosis_node": "benign-melanocytic-proliferation"}]
    assert kinds(label_trouble(manifest(*rows), NO_PAIRS)) == [
        ("one lesion, one diagnosis coarser than the other", "check")
    ]
    rows.append({"lesion_id": "a", "diagnosis_node": "basal-cell-carcinoma"})
    assert kinds(label_trouble(manifest(*rows), NO_PAIRS)) == [("one lesion, two diagnoses", "error")]


def test_words_without_a_place_in_the_tree_are_for_a_person_to_compare():
    words = [{"lesion_id": "a", "diagnosis_node": None, "source_diagnosis": word} for word in ("spot", "patch")]
    assert kinds(label_trouble(manifest(*words), NO_PAIRS)) == [("one lesion, two words for its diagnosis", "check")]


def test_an_unlabelled_image_contradicts_nothing():
    rows = [{"lesion_id": "a"}, {"lesion_id": "a", "diagnosis_node": None, "source_diagnosis": None}]
    assert label_trouble(manifest(*rows), NO_PAIRS).is_empty()


def test_the_same_id_in_two_data_sets_is_two_lesions():
    rows = [{"lesion_id": "1"}, {"lesion_id": "1", "source": "other", "diagnosis_node": "melanoma"}]
    assert label_trouble(manifest(*rows), NO_PAIRS).is_empty()


def test_near_copies_with_different_diagnoses_are_found_also_across_data_sets():
    images = manifest({}, {"diagnosis_node": "melanoma", "source": "other"}, {})
    table = label_trouble(images, pl.concat([pair("i0", "i1", source_b="other"), pair("i0", "i2")]))
    assert kinds(table) == [("near-identical images, different diagnoses", "error")]
    assert table["source"].to_list() == ["clinic and other"]
    assert table["told"][0] == "i0 (Nevus) and i1 (Melanoma) show the same lesion."


def test_a_suspected_pair_is_no_trouble():
    images = manifest({}, {"diagnosis_node": "melanoma"})
    assert label_trouble(images, pair("i0", "i1", "suspected")).is_empty()


def test_near_copies_are_found_where_the_manifest_names_no_source():
    images = manifest({"source": None}, {"source": None, "diagnosis_node": "melanoma"})
    nameless = pair("i0", "i1").with_columns(source_a=pl.lit(None, pl.String), source_b=pl.lit(None, pl.String))
    assert label_trouble(images, nameless)["source"].to_list() == [None]


def test_one_patient_is_of_one_sex_and_one_lesion_without_a_patient_too():
    table = label_trouble(
        manifest(
            {"patient_id": "p", "sex": "female"}, {"patient_id": "p", "sex": "male"},
            {"lesion_id": "a", "sex": "female"}, {"lesion_id": "a", "sex": "male"},
            {"patient_id": "q", "sex": "female"}, {"patient_id": "q", "sex": None},
        ),
        NO_PAIRS,
    )  # fmt: skip
    assert kinds(table) == [("one lesion, two sexes", "error"), ("one patient, two sexes", "error")]


def test_one_lesion_lies_at_one_site_however_finely_it_is_told():
    def at(*sites):
        return label_trouble(manifest(*[{"lesion_id": "a", "anatom_site": site} for site in sites]), NO_PAIRS)

    assert at("Trunk", "Trunk:Posterior trunk").is_empty()
    assert kinds(at("Trunk:Anterior trunk", "Trunk:Posterior trunk")) == [("one lesion, two sites", "error")]


def test_one_lesion_belongs_to_one_patient():
    rows = [{"lesion_id": "a", "patient_id": "p"}, {"lesion_id": "a", "patient_id": "q"}]
    assert kinds(label_trouble(manifest(*rows), NO_PAIRS)) == [("one lesion, two patients", "error")]


@pytest.mark.parametrize(
    ("later_age", "later", "wrong"),
    [(45, 2015, False), (50, 2020, False), (55, 2015, True), (40, 2020, True), (60, 2025, False)],
)
def test_ages_grow_with_the_time_between_images_up_to_five_years_of_rounding(later_age, later, wrong):
    table = label_trouble(
        manifest(
            {"patient_id": "p", "age_approx": 45, "acquired_at": datetime(2015, 6, 1)},
            {"patient_id": "p", "age_approx": later_age, "acquired_at": datetime(later, 6, 1)},
        ),
        NO_PAIRS,
    )
    assert (kinds(table) == [("age differs by more than the time between images", "error")]) == wrong
    assert table.is_empty() != wrong


def test_ages_without_times_are_not_compared():
    rows = [{"patient_id": "p", "age_approx": 30}, {"patient_id": "p", "age_approx": 60}]
    assert label_trouble(manifest(*rows), NO_PAIRS).is_empty()


def test_suspect_ages_are_counted_exactly_and_listed_whole():
    rows = [{"age_approx": 0, "diagnosis_node": ("nevus", "dermatofibroma")[n % 2]} for n in range(39)]
    table = label_trouble(manifest(*rows, {"age_approx": 111}, {"age_approx": 130}, {"age_approx": 110}), NO_PAIRS)
    assert kinds(table) == [("age 0 or over 110", each) for each in ("error", "check", "check")]
    assert [len(each) for each in table["image_ids"]] == [1, 39, 1]
    assert table["told"][1] == "Age 0 is given in 39 images of 2 diagnoses, which often stands for a missing age."


def test_sites_that_isic_does_not_know_or_the_sex_does_not_have():
    table = label_trouble(
        manifest(
            {"anatom_site": "Trunk:Wing"},
            {"anatom_site": "back"},  # a word for a site, but not the archive's path
            {"anatom_site": "Anogenital region:Genital region:Penis:Glans penis", "sex": "female"},
            {"anatom_site": "Anogenital region:Genital region:Penis", "sex": "male"},
            {"anatom_site": "Anogenital region:Genital region:Vulva", "sex": None},
        ),
        NO_PAIRS,
    )
    assert table.select("kind", "image_ids").rows() == [
        ("site of the other sex", ["i2"]), ("unknown site", ["i0"]), ("unknown site", ["i1"])
    ]  # fmt: skip


def test_a_melanoma_confirmed_by_not_changing_is_to_be_checked():
    unchanged = {"diagnosis_confirm_type": "serial imaging showing no change"}
    table = label_trouble(manifest(unchanged, {**unchanged, "diagnosis_node": "melanoma"}), NO_PAIRS)
    assert kinds(table) == [("malignant, confirmed by no change", "check")]
    assert table["image_ids"].to_list() == [["i1"]]


def test_the_order_of_the_rows_does_not_matter():
    rows = [
        {"lesion_id": lesion, "sex": sex, "age_approx": age, "diagnosis_node": node, "source": source}
        for lesion, sex, age, node, source in [
            ("a", "male", 0, "nevus", "x"), ("a", "female", 50, "melanoma", "x"),
            ("b", "male", 120, "nevus", "y"), ("b", "female", 112, "dermatofibroma", "y"),
            ("c", "male", 0, "nevus", "x"), ("c", "male", 0, "basal-cell-carcinoma", "x"),
        ]
    ]  # fmt: skip
    frame = manifest(*rows)
    first = label_trouble(frame, NO_PAIRS)
    assert len(first) == 8
    assert first.equals(label_trouble(frame.reverse(), NO_PAIRS))
    assert first["severity"].to_list() == sorted(first["severity"], reverse=True)
