"""Quality and skin tone on real photographs: what is flagged stays few, lesions are found, agreement is what it is."""

import numpy as np
import pytest

from cutis.audit.quality import image_quality
from cutis.audit.quality_areas import areas_of
from cutis.audit.skin_tone import fitzpatrick_agreement, skin_tone
from cutis.data import read_image, source


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))


def test_few_of_ham10000_are_unfit_and_its_lesions_are_found(real_data):
    ham = source("ham10000").import_from(real_data / "ham10000").frame.sample(400, seed=11)
    quality = image_quality(ham)
    assert 0.002 < (quality["reasons"].list.len() > 0).mean() < 0.05
    overlaps = []
    for image, mask in ham.head(150).select("image_path", "mask_path").iter_rows():
        truth = read_image(mask)[..., 0] > 127
        estimate = areas_of(read_image(image)).lesion
        overlaps.append((truth & estimate).sum() / (truth | estimate).sum())
    assert np.mean(overlaps) > 0.72
    assert np.median(overlaps) > 0.83


def test_skin_types_of_pad_agree_little_but_more_than_by_chance(real_data):
    pad = source("pad-ufes-20").import_from(real_data / "pad_ufes_20").frame
    tones = skin_tone(pad)
    assert len(tones) == 109
    agreement = fitzpatrick_agreement(pad, tones)
    assert agreement is not None
    assert agreement.images > 65
    assert 0 < agreement.weighted_kappa.value < 0.5
    assert agreement.within_one.value > 0.5
