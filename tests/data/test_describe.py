"""Counts of a manifest."""

import json

import polars as pl

from cutis.data.describe import describe
from cutis.data.manifest import SCHEMA, manifest_frame

NEVUS = "Benign:Benign melanocytic proliferations:Nevus"

FRAME = manifest_frame(
    pl.read_csv(
        b"""image_id,lesion_id,patient_id,diagnosis,source_diagnosis,sex,age_approx,subset,image_path,mask_path,anatom_site,source
1,L1,P1,NEVUS,nv,male,40,test,1.jpg,,Head and neck:Head:Scalp,s
2,L1,P1,NEVUS,nv,male,40,train,2.jpg,,Head and neck,s
3,L2,P1,Malignant,m,female,70,train,,3.png,,s
4,,,,,,,,,,,t
""",
        infer_schema=False,
    ).with_columns(pl.col("diagnosis").replace("NEVUS", NEVUS))
)


def test_everything_is_counted() -> None:
    counts = describe(FRAME)
    assert (counts["rows"], counts["lesions"], counts["patients"]) == (4, 2, 1)
    assert (counts["images_missing"], counts["masks"]) == (2, 1)
    assert counts["diagnosis"][0] == {"value": NEVUS, "images": 2, "lesions": 1}
    assert {each["value"]: each["lesions"] for each in counts["diagnosis"]} == {
        NEVUS: 1,
        "Malignant": 1,
        "missing": 0,
    }
    assert counts["age_approx"] == {"min": 40, "median": 40.0, "max": 70}
    assert counts["sex"] == {"male": 2, "female": 1, "missing": 1}
    assert counts["source"] == {"s": 3, "t": 1}
    assert counts["anatom_site"] == {"Head and neck": 2, "missing": 2}
    assert counts["missing"]["lesion_id"] == 1
    assert counts["missing"]["image_id"] == 0
    assert set(counts["missing"]) == set(SCHEMA)


def test_subsets_by_diagnosis_in_their_own_order() -> None:
    assert describe(FRAME)["subset"] == {
        "train": {"Malignant": 1, NEVUS: 1},
        "test": {NEVUS: 1},
        "missing": {"missing": 1},
    }
    assert list(describe(FRAME)["subset"]) == ["train", "test", "missing"]
    assert describe(FRAME)["fold"] == {}


def test_nothing_but_ids_and_no_rows_can_be_described_as_json() -> None:
    bare = describe(manifest_frame([{"image_id": "1"}]))
    assert bare["age_approx"] == {"min": None, "median": None, "max": None}
    assert bare["subset"] == {}
    json.dumps(bare, allow_nan=False)
    assert describe(FRAME.clear())["rows"] == 0
