import numpy as np
import pytest
import torch

from cutis.errors import TaxonomyError
from cutis.explanation.target import Target, TargetScore, differentiable, explained_target
from cutis.taxonomy import class_set, source_classes


def held(classes, node):
    target = explained_target(classes, node)
    return [each for each, inside in zip(classes.ids, target.inside, strict=True) if inside]


@pytest.mark.parametrize(
    ("node", "classes"),
    [
        ("mel", ["mel"]),
        ("malignant", ["akiec", "bcc", "mel"]),
        ("benign", ["bkl", "df", "nv", "vasc"]),
        ("Benign dermal tumors, cysts, sinuses", ["df", "vasc"]),
        ("BCC", ["bcc"]),
        ("melanoma", ["mel"]),
    ],
)
def test_a_class_or_a_node_by_any_of_its_words(ham7, node, classes):
    assert held(ham7, node) == classes


def test_a_class_id_comes_before_a_node_of_the_same_id():
    classes = class_set("ham7")
    assert explained_target(classes, "akiec").name == "Actinic keratosis / intraepithelial carcinoma"


def test_classes_of_a_data_sets_own_words_are_found_by_their_id():
    assert held(source_classes(["naevus", "other thing"]), "other thing") == ["other thing"]


@pytest.mark.parametrize(
    ("classes", "node", "message"),
    [
        ("ham7", "melanomma", "no diagnosis is called 'melanomma'.*Name a class .akiec.*Did you mean"),
        ("ham7", "inflammatory", "holds no class"),
        (
            "ham7",
            "nodular melanoma",
            "partly within 'melanoma-invasive-nodular': 'malignant-melanoma'. Name a class .akiec",
        ),
        ("malignant-melanoma,basal-cell-carcinoma", "malignant", "holds all classes"),
        ("ham7+other", "malignant", "class 'other' lies partly within 'malignant'"),
    ],
)
def test_what_cannot_be_explained_is_told(classes, node, message):
    with pytest.raises(TaxonomyError, match=message):
        explained_target(class_set(classes), node)


@pytest.mark.parametrize("node", ["mel", "malignant"])
def test_the_score_is_the_log_odds_of_the_summed_probability(untrained, ham7, images, node):
    model = untrained()
    target = explained_target(ham7, node)
    with torch.no_grad():
        probability = model(images).double().softmax(dim=1).numpy()[:, target.inside].sum(axis=1)
        score = TargetScore(model, target, None)(images).numpy()
    np.testing.assert_allclose(score, np.log(probability / (1 - probability)), rtol=1e-4)


def test_a_target_and_its_complement_have_opposite_scores(untrained, ham7, images):
    with torch.no_grad():
        benign, malignant = (
            TargetScore(untrained(), explained_target(ham7, node), None)(images) for node in ("benign", "malignant")
        )
    torch.testing.assert_close(benign, -malignant)


def test_the_gradient_does_not_vanish_where_the_network_is_certain(ham7):
    class Certain(torch.nn.Module):
        head = torch.nn.Linear(3, 7)

        def forward(self, images, patient):
            return 1000 * images.mean(dim=(2, 3)) @ torch.eye(3, 7)

    for node in ("akiec", "malignant"):
        with differentiable(torch.tensor([0.9, 0.1, 0.2]).view(1, 3, 1, 1)) as x:
            score = TargetScore(Certain(), explained_target(ham7, node), None)(x).sum()
            (gradient,) = torch.autograd.grad(score, x)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 100


def test_each_image_has_its_own_target_and_patient(untrained, ham7, images):
    model = untrained(patient=("age", "sex"))
    targets = [explained_target(ham7, node) for node in ("mel", "benign")]
    patients = np.array([[3, 1], [7, 2]])
    score = TargetScore(model, targets, patients)
    rows = [1, 0, 1]
    with torch.no_grad():
        together = score.on(rows)(images[rows])
        alone = [TargetScore(model, targets[row], patients[row : row + 1])(images[row : row + 1]) for row in rows]
    torch.testing.assert_close(together, torch.cat(alone))


def test_targets_that_do_not_fit_are_refused(untrained, ham7):
    mel = explained_target(ham7, "mel")
    with pytest.raises(ValueError, match="2 targets for 3 patients"):
        TargetScore(untrained(patient=("age", "sex")), [mel, mel], np.zeros((3, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="7 classes"):
        TargetScore(untrained(), Target("a", "A", np.array([True, False])), None)
