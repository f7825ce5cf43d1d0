from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from cutis.data import content_key, manifest_frame
from cutis.errors import ImageError
from cutis.evaluation import Predictions
from cutis.models import TRAINING_RECORD_COLUMNS, BundleFacts, Calibration
from cutis.study.cases import StudyCase, choose_cases
from cutis.study.design import StudyDesign, StudyError, parse_design
from cutis.taxonomy import class_set, shipped_taxonomy

NODES = ("malignant-melanoma", "melanoma-invasive-superficial-spreading", "nevus", "seborrheic-keratosis")


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("cases") / "picture.jpg"
    Image.new("RGB", (8, 6), "tan").save(path)
    return str(path)


def design(numbers=(2, 2), nodes=("malignant-melanoma", "nevus"), **more) -> StudyDesign:
    return parse_design(
        {
            "title": "t",
            "instructions": "i",
            "consent": "c",
            "manifest": "m.csv",
            "seed": 3,
            "question": {"kind": "malignant"},
            "cases": [{"node": n, "number": k} for n, k in zip(nodes, numbers, strict=True)],
            **more,
        }
    )


def manifest(picture: str, rows: list[dict]) -> pl.DataFrame:
    made = [
        {
            "image_id": f"i{k:03}",
            "image_path": picture,
            "source": "s",
            "diagnosis_confirm_type": "histopathology",
            **row,
        }
        for k, row in enumerate(rows)
    ]
    return manifest_frame(made)


def lesions(picture: str, *nodes: str, **more) -> pl.DataFrame:
    return manifest(picture, [{"diagnosis_node": node, "lesion_id": f"l{k}", **more} for k, node in enumerate(nodes)])


def ids(cases: list[StudyCase], part: str = "main") -> list[str]:
    return [each.image_id for each in cases if each.part == part]


patients = st.lists(
    st.tuples(st.sampled_from(NODES), st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=30
)  # node, patient, lesion of that patient


@given(
    rows=patients,
    melanomas=st.integers(1, 4),
    nevi=st.integers(1, 4),
    training=st.integers(0, 3),
    seed=st.integers(0, 99),
    per=st.sampled_from(["patient", "lesion", "image"]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_choice_is_what_was_asked_for_wherever_it_can_be(picture, rows, melanomas, nevi, training, seed, per):
    frame = manifest(
        picture,
        [
            {"diagnosis_node": node, "patient_id": f"p{patient}", "lesion_id": f"p{patient}-{lesion}"}
            for node, patient, lesion in rows
        ],
    )
    made = design((melanomas, nevi), training_cases=training, seed=seed, one_image_per=per)
    wanted = [melanomas + training - training // 2, nevi + training // 2]
    key = {"patient": "patient_id", "lesion": "lesion_id", "image": "image_id"}[per]
    unit_of = dict(zip(frame["image_id"], frame[key], strict=True))
    # scipy's maximum flow: source → stratum → unit → sink.
    units = sorted(set(unit_of.values()))
    capacity = np.zeros((4 + len(units), 4 + len(units)), dtype=np.int32)
    capacity[0, 1:3] = wanted
    for image_id, node in frame.select("image_id", "diagnosis_node").iter_rows():
        for k, stratum in enumerate(("malignant-melanoma", "nevus")):
            if shipped_taxonomy().is_within(node, stratum):
                capacity[1 + k, 4 + units.index(unit_of[image_id])] = 1
    capacity[4:, 3] = 1
    possible = maximum_flow(csr_array(capacity), 0, 3).flow_value == sum(wanted)
    if not possible:
        with pytest.raises(StudyError, match="too few cases"):
            choose_cases(made, frame)
        return
    cases, _ = choose_cases(made, frame)
    assert [sum(each.stratum == k for each in cases if each.part == "main") for k in (0, 1)] == [melanomas, nevi]
    assert len(ids(cases, "training")) == training
    assert len({unit_of[each.image_id] for each in cases}) == len(cases)
    truth = dict(frame.select("image_id", "diagnosis_node").iter_rows())
    for each in cases:
        assert each.node == truth[each.image_id]
        assert shipped_taxonomy().is_within(each.node, made.cases[each.stratum].node[0])
    assert choose_cases(made, frame.sample(fraction=1, shuffle=True, seed=1)).cases == cases


def test_all_shortages_are_told_together_with_what_was_left_out(picture):
    frame = lesions(picture, "malignant-melanoma", "malignant-melanoma", "nevus", "wart", "wart")
    frame = frame.with_columns(lesion_id=pl.Series(["a", "a", "b", "c", "d"]))
    with pytest.raises(StudyError) as problem:
        choose_cases(design((2, 3, 1), ("malignant-melanoma", "nevus", "wart"), exclude=["i002"]), frame)
    told = str(problem.value)
    assert "(melanoma): 2 asked for, 1 found; left out 1 of the same patient as another" in told
    assert "3 asked for, 0 found; left out 1 excluded by the design" in told
    assert "art:" not in told


def test_descendants_count_and_where_strata_are_nested_the_deepest_has_the_case(picture):
    frame = lesions(picture, *["malignant-melanoma"] * 3, *["melanoma-invasive-superficial-spreading"] * 3)
    cases = choose_cases(design((3, 3), ("malignant-melanoma", "melanoma-invasive-superficial-spreading")), frame).cases
    assert {each.node for each in cases if each.stratum == 0} == {"malignant-melanoma"}
    assert len(choose_cases(design((6,), ("malignant",)), frame).cases) == 6


def test_an_unfit_case_is_replaced_and_the_others_stay(picture):
    frame = lesions(picture, *["malignant-melanoma"] * 20, *["nevus"] * 20)
    made = design((5, 5), training_cases=2)
    before = choose_cases(made, frame).cases
    unfit = ids(before)[2]
    after = choose_cases(made, frame, unfit=[unfit]).cases
    lost, new = set(ids(before)) - set(ids(after)), set(ids(after)) - set(ids(before))
    assert lost == {unfit}
    assert {each.stratum for each in after if each.image_id in new} == {0}


def test_a_lesion_with_many_images_is_no_likelier_than_one_with_one(picture):
    rows = [{"diagnosis_node": "nevus", "lesion_id": "many"}] * 30 + [{"diagnosis_node": "nevus", "lesion_id": "one"}]
    frame = manifest(picture, rows)
    one = sum(ids(choose_cases(design((1,), ("nevus",), seed=k), frame).cases) == ["i030"] for k in range(60))
    assert 15 <= one <= 45


def test_filters_exclusions_and_rows_that_cannot_be_cases(picture, tmp_path):
    frame = lesions(picture, *["nevus"] * 6).with_columns(
        subset=pl.Series(["train", "test", "test", "test", "excluded", "test"]),
        image_path=pl.Series([picture] * 5 + [None]),
    )
    (tmp_path / "ids.txt").write_text("i001\n")
    filtered = [{"node": "nevus", "number": 2, "where": {"subset": ["test", "excluded"]}}]
    chosen = choose_cases(design(cases=filtered, exclude=str(tmp_path / "ids.txt")), frame)
    assert sorted(ids(chosen.cases)) == ["i002", "i003"]
    assert "1 images of the diagnoses asked for were left out: without an image." in chosen.notes
    with pytest.raises(StudyError, match=r"1 ids to be excluded are not in the manifest: i999"):
        choose_cases(design(exclude=["i999"]), frame)
    with pytest.raises(StudyError, match="no column 'hospital'"):
        choose_cases(design(cases=[{"node": "nevus", "number": 1, "where": {"hospital": "A"}}]), frame)


def test_a_case_without_a_right_answer_is_left_out(picture):
    frame = lesions(picture, "nevus", "nevus", "malignant-melanoma")
    question = {"kind": "diagnosis", "choices": ["malignant-melanoma", "wart"]}
    with pytest.raises(StudyError, match="2 without a right answer to the question"):
        choose_cases(design((1, 1), question=question), frame)


def test_cases_the_bundle_was_trained_on_are_left_out_by_id_and_by_content(picture, tmp_path):
    frame = manifest(
        picture,
        [{"diagnosis_node": "nevus", "lesion_id": f"l{k}", "patient_id": f"p{k}", "group": f"g{k}"} for k in range(8)],
    )
    paths = [str(tmp_path / f"{k}.png") for k in range(8)]
    for k, path in enumerate(paths):
        Image.new("RGB", (4, 4), (k, 0, 0)).save(path)
    frame = frame.with_columns(image_path=pl.Series(paths))
    seen = [
        {"source": "s", "image_id": "i000"},
        {"source": "s", "image_id": "other", "lesion_id": "l1"},
        {"source": "s", "image_id": "other2", "group": "g2"},
        {"source": "s", "image_id": "other3", "patient_id": "p3"},
        {"source": "elsewhere", "image_id": "copy", "content_key": content_key(Path(paths[4]))},
        {"source": "elsewhere", "image_id": "i005", "lesion_id": "l6"},  # another data set's ids: no one of ours
    ]
    schema = dict.fromkeys(TRAINING_RECORD_COLUMNS, pl.String)
    record = pl.DataFrame([{**dict.fromkeys(schema), **row} for row in seen], schema=schema)
    bundle = BundleFacts(
        classes=class_set("ham7"), recipe={}, calibration=Calibration.model_construct(), training_record=record
    )
    chosen = choose_cases(design((3,), ("nevus",)), frame, ai=bundle)
    assert sorted(ids(chosen.cases)) == ["i005", "i006", "i007"]
    with pytest.raises(StudyError, match="5 seen by the AI in training"):
        choose_cases(design((4,), ("nevus",)), frame, ai=bundle)
    none = replace(bundle, training_record=record[:0])
    assert len(choose_cases(design((8,), ("nevus",)), frame, ai=none).cases) == 8


def test_of_predictions_those_seen_in_training_or_missing_are_left_out(picture):
    frame = lesions(picture, *["nevus"] * 5)
    probabilities = np.full((4, 7), 1 / 7)
    predictions = Predictions(
        ["i000", "i001", "i002", "i003"], probabilities, class_set("ham7"), ["lesion", "no", None, "no"]
    )
    chosen = choose_cases(design((3,), ("nevus",)), frame, ai=predictions)
    assert sorted(ids(chosen.cases)) == ["i001", "i002", "i003"]
    assert "For 1 cases it is not known whether the AI was trained on them." in chosen.notes
    with pytest.raises(StudyError, match="1 seen by the AI in training, 1 not predicted by the AI"):
        choose_cases(design((4,), ("nevus",)), frame, ai=predictions)


def test_images_that_cannot_be_read_are_named_together(picture, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    frame = lesions(picture, "nevus", "malignant-melanoma").with_columns(
        image_path=pl.lit(str(tmp_path / "broken.jpg"))
    )
    with pytest.raises(ImageError, match=r"2 of 2 cases cannot be read: i001 .*, i000 "):
        choose_cases(design((1, 1)), frame)


def test_what_is_known_of_the_patient_goes_along_and_what_is_not_is_told(picture):
    frame = lesions(
        picture, "nevus", "malignant-melanoma", age_approx=50, sex="female", anatom_site="Head and neck:Head:Scalp"
    ).with_columns(sex=pl.Series([None, "female"]), diagnosis_confirm_type=pl.lit(None, dtype=pl.String))
    chosen = choose_cases(design((1, 1), shown=["age", "sex", "site"]), frame)
    assert [(each.age, each.sex, each.site) for each in chosen.cases] == [(50, "female", "scalp"), (50, None, "scalp")]
    assert "2 of 2 cases are not confirmed by histopathology." in chosen.notes
    assert "For 1 of 2 cases the sex is not known." in chosen.notes
