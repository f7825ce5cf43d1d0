"""The script that fills the table: tried on phantoms with an untrained network, for its bookkeeping alone."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from cutis.data import make_phantoms
from cutis.evaluation import clusters_of
from cutis.models import Architecture, Bundle, Calibration, ImageSize, LesionClassifier
from cutis.taxonomy import class_set

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "explanations.py"
COUNT = 6


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("explanations_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    make_phantoms(folder / "phantoms", patients=12, planted_duplicates=1, size=(60, 80))
    manifest = script_manifest(folder / "phantoms" / "manifest.parquet").head(COUNT)
    architecture = Architecture(backbone="test_efficientnet")
    image = ImageSize(decoded=(60, 80), training=(48, 64), inference=(48, 64))
    torch.manual_seed(0)
    bundle = Bundle(
        model=LesionClassifier(architecture, 7, image.inference).eval(),
        classes=class_set("ham7"),
        recipe={"model": architecture.model_dump(mode="json"), "image": image.model_dump(mode="json"), "views": 1},
        calibration=Calibration(),
        training_record=pl.DataFrame(),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUTIS_CACHE", str(folder / "cache"))
        return script.Images(bundle, manifest, torch.device("cpu"))


def script_manifest(path):
    from cutis.data import read_manifest

    return read_manifest(path).filter(pl.col("mask_path").is_not_null())


@pytest.fixture(scope="module")
def plan(script):
    return {
        "gradcam": script.Plan(5, 4, 3, 2),
        "saliency": script.Plan(5, 0, 0, 2),
        "centre": script.Plan(5, 4, 0, 0),
        "random": script.Plan(5, 4, 0, 0),
    }


@pytest.fixture(scope="module")
def measured(script, images, plan):
    """Two chunks, of which the second lies partly beyond the plan."""
    chunks = [script.measured_chunk(images, places, plan) for places in (range(3), range(3, COUNT))]
    frame = pl.concat([pl.DataFrame(rows, schema=script.SCHEMA) for rows, _ in chunks])
    return frame, [rest for _, rest in chunks]


def test_each_check_is_made_on_the_planned_images(measured, plan):
    frame, _ = measured
    for name, each in plan.items():
        own = frame.filter(pl.col("map") == name)
        assert own["place"].to_list() == list(range(each.maps))
        assert own["deletion"].is_not_null().sum() == own["insertion"].is_not_null().sum() == each.deletion
        assert own["stability"].is_not_null().sum() == each.stability
        assert own["rank_head"].is_not_null().sum() == own["ssim_all"].is_not_null().sum() == each.randomisation


def test_the_masks_are_those_of_the_images(images, measured):
    frame, _ = measured
    centre = frame.filter(pl.col("map") == "centre")
    assert centre["area"].to_list() == pytest.approx([mask.mean() for mask in images.masks[:5]])
    assert centre["image_id"].to_list() == images.manifest["image_id"].to_list()[:5]


def test_the_summary_pairs_maps_with_baselines_on_the_same_images(script, images, measured):
    frame, _ = measured
    result = script.summary(frame, clusters_of(images.manifest).number)
    of = {name: frame.filter(pl.col("map") == name)["mask_share"].to_numpy() for name in ("gradcam", "centre")}
    told = result["gradcam"]
    assert told["mask_share"]["value"] == pytest.approx(np.nanmean(of["gradcam"]))
    assert told["mask_share over centre"]["value"] == pytest.approx(np.nanmean(of["gradcam"] - of["centre"]))
    assert told["deletion over centre"]["images"] == 4
    assert told["stability"]["images"] == 3
    assert result["centre"]["over its own values about the middle"]["value"] == pytest.approx(0, abs=1e-6)
    assert "mask_share over centre" not in result["centre"]


def test_the_table_names_every_map(script, images, measured):
    frame, rests = measured
    maps = script.summary(frame, clusters_of(images.manifest).number)
    pooled = script.pooled(rests)
    assert pooled["agreement"]["gradcam|saliency"]["images"] == 5
    assert next(iter(pooled["cascade"]["gradcam"])) == "head"
    text = script.table({"images": COUNT, "lesions": 5, "threads": 1, "maps": maps, **pooled})
    for title in ("Grad-CAM", "Saliency", "middle of the image", "smoothed noise"):
        assert f"| {title} |" in text


def test_a_chunk_that_was_measured_is_read_again(script, images, plan, tmp_path, monkeypatch):
    small = {name: plan[name] for name in ("centre", "random")}
    first, _ = script.kept_chunk(tmp_path, images, range(2), small)

    def fail(*_):
        raise AssertionError("measured twice")

    monkeypatch.setattr(script, "measured_chunk", fail)
    again, _ = script.kept_chunk(tmp_path, images, range(2), small)
    assert again.equals(first)


def test_a_mean_leaves_out_what_is_not_defined_and_counts_the_rest(script):
    values = np.array([0.2, np.nan, 0.4, 0.9])
    told = script.mean(values, np.array([0, 1, 2, 2]))
    assert told["images"] == 3
    assert told["value"] == pytest.approx(0.5)
    assert 0.2 <= told["low"] <= 0.5 <= told["high"] <= 0.9
    assert script.mean(np.array([np.nan]), np.array([0]))["value"] is None


def test_the_plan_shrinks_with_the_images_and_grows_with_all(script):
    small = script.planned(20, ["lime"], everything=False)
    assert set(small) == {"lime", "centre", "random"}
    assert small["lime"] == script.Plan(20, 20, 10, 6)
    whole = script.planned(1000, ["lime", "gradcam"], everything=True)
    assert whole["lime"] == script.Plan(1000, 1000, 1000, 1000)
    assert whole["centre"].stability == 0


def test_a_lesion_off_the_middle_is_told_by_its_middle(script):
    masks = np.zeros((2, 20, 40), dtype=bool)
    masks[0, 8:12, 18:22] = True
    masks[1, 8:12, 28:32] = True  # ten of forty columns to the right
    assert script.off_centre(masks) == pytest.approx([0, 0.25])
