import numpy as np
import pytest
import torch

from cutis.explanation.methods import METHODS, Method
from cutis.explanation.randomisation import cascade, network_parts, randomisation_test, redrawn
from cutis.explanation.target import Target, TargetScore
from cutis.models import Architecture, LesionClassifier

SIZE = (48, 64)


def classifier(backbone="test_efficientnet", seed=1, **options):
    torch.manual_seed(seed)
    model = LesionClassifier(Architecture(backbone=backbone, **options), 7, SIZE).eval()
    # Away from the fresh start, as training would take it: running statistics, norms, biases and all.
    for value in model.state_dict().values():
        if value.is_floating_point() and value.ndim:
            value.add_(0.05 * torch.rand_like(value))
    return model


def state_of(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def changed(before, after):
    return {key for key in before if not torch.equal(before[key], after[key])}


def test_the_parts_lead_from_the_head_down_to_the_first_layer():
    parts = network_parts(classifier(patient=("age",), patient_width=8))
    assert parts[0] == "head"
    assert parts[1] == "patient"
    assert parts[-1] == "backbone.conv_stem"
    assert parts.index("backbone.blocks.3") < parts.index("backbone.blocks.0")
    assert network_parts(classifier("test_vit"))[-1] == "backbone"  # class token and position embedding


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_vit", "test_convnext"])
def test_all_parts_together_redraw_every_weight_and_restore_it_to_the_bit(backbone):
    model = classifier(backbone)
    before = state_of(model)
    with redrawn(model, network_parts(model), SIZE):
        inside = state_of(model)
    assert changed(before, state_of(model)) == set()
    kept = {"mean", "std"} | {key for key in before if key.endswith("num_batches_tracked")}
    assert changed(before, inside) == set(before) - kept


def test_the_head_alone_changes_the_head_alone():
    model = classifier()
    before = state_of(model)
    with redrawn(model, ["head"], SIZE):
        assert changed(before, state_of(model)) == {"head.weight", "head.bias"}


def test_weights_are_restored_when_the_block_fails():
    model = classifier()
    before = state_of(model)
    with pytest.raises(RuntimeError, match="on purpose"), redrawn(model, network_parts(model), SIZE):
        raise RuntimeError("on purpose")
    assert changed(before, state_of(model)) == set()


def test_the_seed_draws_the_weights_and_leaves_other_draws_alone():
    model = classifier()
    drawn = []
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for seed in (0, 0, 1):
        with redrawn(model, ["head"], SIZE, seed):
            drawn.append(model.head.weight.clone())
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_an_unknown_part_is_refused():
    model = classifier()
    with pytest.raises(ValueError, match=r"no part 'blocks'.*head"), redrawn(model, ["blocks"], SIZE):
        pass


def test_the_cascade_grows_by_one_part():
    model = classifier()
    sets = cascade(model)
    assert sets[0] == ("head",)
    assert sets[-1] == network_parts(model)
    assert [len(each) for each in sets] == list(range(1, len(sets) + 1))


def edges(score, images, *, seed=0, progress=None):
    """What the test is there to unmask: an edge detector, which looks at no network."""
    return np.abs(np.gradient(images.mean(dim=1).numpy(), axis=2)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_a_map_that_looks_at_no_network_stays_and_a_gradient_changes():
    score = TargetScore(classifier(), Target("mel", "Melanoma", np.arange(7) == 4), None)
    images = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    unmasked = Method("edges", "Edges", False, "", "", edges)
    every = network_parts(score.model)
    alike = randomisation_test(unmasked, score, images, unmasked.attribute(score, images), parts=every)
    assert alike.rank_correlation == pytest.approx(np.ones(2))
    assert alike.structural_similarity == pytest.approx(np.ones(2))
    saliency = METHODS["saliency"]
    maps = saliency.attribute(score, images)
    alike = randomisation_test(saliency, score, images, maps, parts=every)
    assert (alike.rank_correlation < 0.7).all()
    # Afterwards the network is as it was.
    assert np.array_equal(saliency.attribute(score, images), maps)
