import numpy as np
import pytest
import torch

from cutis.explanation.deletion import BLUR, DeletionCurves, deletion_curves, deletion_insertion, removed_image

PATCH = (slice(4, 12), slice(10, 20))


class PatchScore:
    """Answers by the redness of one patch, and by nothing else: what must be deleted is known."""

    def __init__(self, rows=None):
        self.rows = rows

    def on(self, rows):
        return PatchScore(list(rows))

    def __call__(self, images):
        assert self.rows is None or len(self.rows) == len(images)
        return 12 * (images[:, 0, PATCH[0], PATCH[1]].mean(dim=(1, 2)) - 0.5)


@pytest.fixture
def images():
    torch.manual_seed(0)
    images = 0.2 * torch.rand(2, 3, 24, 32)
    images[:, 0, PATCH[0], PATCH[1]] = 0.95
    return images


def maps_of(images, inside, outside):
    maps = np.full((len(images), 24, 32), outside, dtype=np.float32)
    maps[:, PATCH[0], PATCH[1]] = inside
    return maps


@pytest.mark.parametrize("removed", ["blur", "mean"])
def test_the_map_that_points_at_the_evidence_deletes_fastest_and_inserts_fastest(images, removed):
    right, none, wrong = (maps_of(images, value, 0) for value in (1, 0, -1))
    figures = [deletion_insertion(PatchScore(), images, maps, removed=removed) for maps in (right, none, wrong)]
    deletions, insertions = np.array(figures).transpose(1, 0, 2)
    assert (np.diff(deletions, axis=0) > 0.05).all()
    assert (np.diff(insertions, axis=0) < -0.05).all()


def test_the_curves_end_where_nothing_and_where_everything_is_removed(images):
    curves = deletion_curves(PatchScore(), images, maps_of(images, 1, 0), steps=4)
    whole = torch.sigmoid(PatchScore()(images)).numpy()
    gone = torch.sigmoid(PatchScore()(torch.stack([removed_image(each, "blur") for each in images]))).numpy()
    assert curves.fractions.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curves.deletion[:, 0] == pytest.approx(whole)
    assert curves.insertion[:, -1] == pytest.approx(whole)
    assert curves.deletion[:, -1] == pytest.approx(gone)
    assert curves.insertion[:, 0] == pytest.approx(gone)
    # A quarter of the pixels holds the whole patch, so the rest changes nothing.
    assert curves.deletion[:, 1:] == pytest.approx(np.repeat(gone[:, None], 4, axis=1), abs=1e-3)


def test_the_area_is_by_trapezoids():
    curves = DeletionCurves(np.array([0, 0.5, 1]), np.array([[1, 0.5, 0]]), np.array([[0, 1, 1.0]]))
    assert curves.deletion_auc.tolist() == [0.5]
    assert curves.insertion_auc.tolist() == [0.75]


def test_pixels_go_by_their_value_and_equal_ones_in_a_drawn_order():
    image = torch.zeros(1, 3, 24, 32)
    seen = []

    class Watching(PatchScore):
        def on(self, rows):
            return self

        def __call__(self, images):
            seen.append(images.clone())
            return torch.zeros(len(images))

    image[:] = torch.linspace(0, 1, 24 * 32).reshape(24, 32)
    flat = np.zeros((1, 24, 32), np.float32)
    deletion_curves(Watching(), image, flat, steps=2, removed="mean", seed=0)
    deletion_curves(Watching(), image, flat, steps=2, removed="mean", seed=1)
    half = [(each[1] != image[0]).any(dim=0) for each in seen]
    for gone in half:
        assert gone.float().mean() == pytest.approx(0.5, abs=0.01)
        assert 0.35 < gone[:12].float().mean() < 0.65  # no raster: half of the upper half too
    assert (half[0] != half[1]).any()


def test_what_is_removed_is_the_blurred_image_or_its_mean_colour(images):
    mean = removed_image(images[0], "mean")
    assert mean.shape == images[0].shape
    assert mean[:, 3, 7] == pytest.approx(images[0].mean(dim=(1, 2)))
    spot = torch.zeros(3, 80, 80)
    spot[:, 40, 40] = 1
    blurred = removed_image(spot, "blur")
    profile = (blurred[0, 40] / blurred[0, 40].max()).numpy()
    assert profile[40 + round(BLUR * 80)] == pytest.approx(np.exp(-0.5), abs=0.02)
    assert blurred[0].sum() == pytest.approx(1, abs=0.02)


def test_progress_counts_the_images(images):
    done = []
    deletion_curves(PatchScore(), images, maps_of(images, 1, 0), steps=2, progress=done.append)
    assert sum(done) == 2
