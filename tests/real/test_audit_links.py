"""On real photographs: images of one lesion are told from images of two, and the known copies are found."""

import numpy as np
import polars as pl
import pytest

from cutis.audit.link_calibration import link_scores, read_link_thresholds
from cutis.audit.verification import verify_pairs
from cutis.data import source


@pytest.fixture
def scores(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path))

    def scores_of(paths, pairs):
        a, b = np.array(pairs, dtype=np.int64).T
        return link_scores(verify_pairs(paths, (a, b)), read_link_thresholds())

    return scores_of


def read(name, folder):
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return source(name).import_from(folder).frame


def test_lesions_of_ham10000(real_data, scores):
    ham = read("ham10000", real_data / "ham10000").with_row_index("row")
    several = ham.filter(pl.len().over("lesion_id") > 1).group_by("lesion_id").agg(pl.col("row").head(2))
    chosen = several.sort("lesion_id").gather_every(32)["row"].to_list()
    nevi = ham.filter(pl.col("source_diagnosis") == "nv")["row"].gather_every(150).to_list()
    others = ham.filter(pl.col("source_diagnosis") == "bkl")["row"].gather_every(25).to_list()
    strangers = list(zip(nevi[:40], others[:40], strict=True))
    thresholds = read_link_thresholds()
    found = scores(ham["image_path"].to_list(), chosen + strangers)
    assert len(chosen) > 50
    assert (found[: len(chosen)] >= thresholds.same).mean() > 0.85
    assert (found[len(chosen) :] < thresholds.suspected).all()


def test_copies_across_lesions_and_within_isic_2017(real_data, scores):
    for name, pairs in KNOWN.items():
        manifest = read(name, real_data / name)
        place = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
        found = scores(manifest["image_path"].to_list(), [(place[a], place[b]) for a, b in pairs])
        assert (found >= read_link_thresholds().same).all()


# Seen to be one lesion by eye; their lesion ids (HAM10000) differ, or there are none (ISIC 2017).
KNOWN = {
    "ham10000": [
        ("ISIC_0027027", "ISIC_0029036"),
        ("ISIC_0025226", "ISIC_0030074"),
        ("ISIC_0034228", "ISIC_0034248"),
        ("ISIC_0028487", "ISIC_0028957"),
    ],
    "isic2017": [
        ("ISIC_0012152", "ISIC_0015979"),
        ("ISIC_0012175", "ISIC_0015982"),
        ("ISIC_0012216", "ISIC_0016001"),
        ("ISIC_0012221", "ISIC_0016002"),
        ("ISIC_0012271", "ISIC_0016018"),
        ("ISIC_0012970", "ISIC_0012127"),
        ("ISIC_0012887", "ISIC_0012989"),
        ("ISIC_0012290", "ISIC_0013594"),
        ("ISIC_0012222", "ISIC_0016003"),
        ("ISIC_0015986", "ISIC_0015987"),
        ("ISIC_0013163", "ISIC_0013109"),
        ("ISIC_0000164", "ISIC_0014795"),
        ("ISIC_0000205", "ISIC_0014742"),
        ("ISIC_0000215", "ISIC_0015313"),
    ],
}
