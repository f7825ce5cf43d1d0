"""The cases of a study on HAM10000: none that the aiding model knows, and none twice."""

import pytest

from cutis.data import source
from cutis.models import fastest_bundle
from cutis.study.cases import choose_cases
from cutis.study.design import StudyError, parse_design
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


def design(number: int):
    return parse_design(
        {
            "title": "t",
            "instructions": "i",
            "consent": "c",
            "manifest": "m.parquet",
            "seed": 45,
            "ai": "built-in",
            "arms": [{"id": "aided", "aid": ["differential"]}],
            "question": {"kind": "diagnosis", "choices": "ham7"},
            "cases": [{"node": list(each.nodes), "number": number} for each in HAM7.classes],
        }
    )


def test_the_built_in_model_aids_on_no_lesion_it_was_trained_on(real_data):
    folder = real_data / "ham10000"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    ham = source("ham10000").import_from(folder).frame
    bundle = fastest_bundle()
    cases, notes = choose_cases(design(10), ham, ai=bundle)
    lesion = dict(ham.select("image_id", "lesion_id").iter_rows())
    chosen = {lesion[each.image_id] for each in cases}
    assert len(chosen) == len(cases) == 70
    assert not chosen & set(bundle.training_record["lesion_id"])
    assert any("seen by the AI in training" in each for each in notes)
    with pytest.raises(StudyError) as problem:
        choose_cases(design(100), ham, ai=bundle)
    assert "Dermatofibroma: 100 asked for" in str(problem.value)
    assert "seen by the AI in training" in str(problem.value)
