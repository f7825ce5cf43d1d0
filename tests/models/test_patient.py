import numpy as np

from cutis.data import manifest_frame
from cutis.models import FIELD_SIZES, patient_codes

FIELDS = ("age", "sex", "site", "skin_type")


def codes(**columns):
    return patient_codes(manifest_frame([{"image_id": "a", **columns}]), FIELDS)[0].tolist()


def test_everything_missing_is_zero():
    assert codes() == [0, 0, 0, 0]


def test_known_values_are_above_zero_and_within_their_field():
    full = codes(age_approx=120, sex="male", anatom_site="Anogenital region:Genital region", fitzpatrick_skin_type="VI")
    assert all(0 < code < FIELD_SIZES[field] for code, field in zip(full, FIELDS, strict=True))


def test_age_goes_in_five_year_steps_and_tops_at_85():
    assert codes(age_approx=0)[0] == 1
    assert codes(age_approx=44)[0] == codes(age_approx=40)[0] == codes(age_approx=45)[0] - 1
    assert codes(age_approx=85)[0] == codes(age_approx=99)[0]


def test_a_site_goes_to_the_deepest_node_that_holds_it():
    face, nose = (
        codes(anatom_site="Head and neck:Head:Face")[2],
        codes(anatom_site="Head and neck:Head:Face:Nose")[2],
    )
    assert face == nose != codes(anatom_site="Head and neck")[2] == codes(anatom_site="Head and neck:Head")[2]
    assert codes(anatom_site="Upper extremity:Hand:Palm of hand")[2] == codes(anatom_site="Upper extremity:Hand")[2]


def test_the_shape_is_rows_by_fields():
    manifest = manifest_frame([{"image_id": str(n), "sex": "female"} for n in range(3)])
    assert patient_codes(manifest, ("sex", "age")).shape == (3, 2)
    assert patient_codes(manifest, ("sex", "age")).dtype == np.int64
