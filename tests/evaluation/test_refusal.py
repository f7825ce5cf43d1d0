"""Refusing strange images: the risk-coverage curve against plain sums, and the section of an evaluation."""

from itertools import permutations

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
import sklearn.metrics
from hypothesis import given

from cutis.data import manifest_frame
from cutis.evaluation import Evaluation, Predictions, evaluate, refusal
from cutis.evaluation.refusal import REFUSED, RankedForRefusal
from cutis.taxonomy import class_set, source_classes

HAM7 = class_set("ham7")


def area(right, scores):
    return RankedForRefusal(right, scores).figures(np.ones((len(right), 1)), REFUSED)[1][0]


def accuracy(right, scores, refused):
    return RankedForRefusal(right, scores).figures(np.ones((len(right), 1)), refused)[0][0]


def area_by_hand(right, scores):
    """The mean over k of the error among the k least strange; without ties."""
    wrong = ~right[np.argsort(scores)]
    return np.mean([wrong[:k].mean() for k in range(1, len(wrong) + 1)])


def test_the_area_under_the_risk_coverage_curve_by_hand():
    right = np.array([True, True, False, True, False])
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    # errors among the first 1 … 5: 0, 0, 1/3, 1/4, 2/5
    assert area(right, scores) == pytest.approx((1 / 3 + 1 / 4 + 2 / 5) / 5)
    assert area(right, -scores) == pytest.approx((1 + 1 / 2 + 2 / 3 + 1 / 2 + 2 / 5) / 5)


def test_equal_scores_count_as_a_random_order():
    right = np.array([True, False, True, True, False])
    scores = np.array([1.0, 2, 2, 2, 3])
    orders = [area_by_hand(right, [0, *order, 9]) for order in permutations((1, 2, 3))]
    assert area(right, scores) == pytest.approx(np.mean(orders))
    assert area(right, np.zeros(5)) == pytest.approx(0.4)  # knows nothing: the error of all


@st.composite
def answered(draw):
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = draw(st.integers(1, 40))
    right = generator.random(images) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    return right, generator.integers(draw(st.sampled_from([1, 3, 10_000])), size=images).astype(float)


@given(answered())
def test_area_and_accuracy_are_those_of_plain_sums(sample):
    right, scores = sample
    if len(set(scores)) == len(scores):
        assert area(right, scores) == pytest.approx(area_by_hand(right, scores))
        for kept in range(1, len(right) + 1):
            of_kept = right[np.argsort(scores)][:kept].mean()
            assert accuracy(right, scores, [1 - kept / len(right)])[0] == pytest.approx(of_kept)
    assert 0 <= area(right, scores) <= 1 + 1e-12
    assert accuracy(right, scores, [0.0])[0] == pytest.approx(right.mean())


@given(answered(), st.integers(0, 2**32))
def test_a_weight_is_as_many_copies(sample, seed):
    right, scores = sample
    weights = np.random.default_rng(seed).integers(0, 3, size=(len(right), 3)).astype(float)
    accuracies, areas = RankedForRefusal(right, scores).figures(weights, REFUSED)
    for r in range(3):
        copies = np.repeat(np.arange(len(right)), weights[:, r].astype(int))
        if not len(copies):
            assert np.isnan(areas[r])
            assert np.isnan(accuracies[r]).all()
            continue
        np.testing.assert_allclose(areas[r], area(right[copies], scores[copies]), atol=1e-9)
        np.testing.assert_allclose(accuracies[r], accuracy(right[copies], scores[copies], REFUSED), atol=1e-9)


@given(answered(), st.sampled_from([3, 9, 30]))
def test_blocks_of_any_size_give_the_same_figures(sample, cells):
    right, scores = sample
    weights = np.random.default_rng(0).integers(0, 3, size=(len(right), 3)).astype(np.uint8)
    ranked = RankedForRefusal(right, scores)
    whole = ranked.figures(weights.astype(float), REFUSED)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(refusal, "CELLS_AT_ONCE", cells)
        for one, other in zip(ranked.figures(weights, REFUSED), whole, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


def sample(images=140, unseen=30, sources=("a",), seed=0):
    """Two images a lesion; wrong answers are stranger, and images of diagnoses outside the classes strangest."""
    generator = np.random.default_rng(seed)
    truth = (np.arange(images) // 2) % 7
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n // 2}",
            "source": sources[n % len(sources)],
            "diagnosis_node": HAM7.classes[k].nodes[0],
            "source_diagnosis": HAM7.ids[k],
        }
        for n, k in enumerate(truth)
    ]
    rows += [
        {
            "image_id": f"u{n}",
            "lesion_id": f"k{n // 2}",
            "source": sources[0],
            "diagnosis_node": "acne" if n % 3 else "psoriasis",
            "source_diagnosis": "ACN" if n % 3 else "PSO",
        }
        for n in range(unseen)
    ]
    logits = generator.normal(size=(images + unseen, 7))
    logits[np.arange(images), truth] += 2
    odds = np.exp(logits)
    right = logits[:images].argmax(axis=1) == truth
    strange = np.concatenate([generator.normal(~right, 0.6), generator.normal(2, 0.6, unseen)])
    predictions = Predictions(
        [row["image_id"] for row in rows],
        odds / odds.sum(axis=1, keepdims=True),
        HAM7,
        ["no"] * len(rows),
        unfamiliarity=strange,
    )
    return manifest_frame(rows), predictions, right


def test_the_section_of_an_evaluation():
    manifest, predictions, right = sample()
    section = evaluate(predictions, manifest, resamples=200).unfamiliarity
    strange = predictions.unfamiliarity
    overall = section.overall
    assert (section.not_known, section.by_source, overall.source, overall.images) == (0, [], None, 140)
    assert overall.error.value == pytest.approx((~right).mean())
    assert overall.strangest_first.refused == list(REFUSED)
    assert overall.strangest_first.area.value == pytest.approx(area_by_hand(right, strange[:140]))
    unsure = 1 - predictions.probabilities[:140].max(axis=1)
    assert overall.least_sure_first.area.value == pytest.approx(area_by_hand(right, unsure))
    beyond = strange[:140] > 1
    assert overall.beyond_images == beyond.sum()
    assert overall.accuracy_beyond.value == pytest.approx(right[beyond].mean())
    assert overall.accuracy_within.value == pytest.approx(right[~beyond].mean())
    at = overall.strangest_first.accuracy[4]  # a fifth refused
    assert at.value == pytest.approx(right[np.argsort(strange[:140])[:112]].mean())
    assert at.low < at.value < at.high
    assert overall.strangest_first.area.low < overall.strangest_first.area.value < overall.error.value


def test_unseen_diagnoses_against_scored_ones():
    manifest, predictions, _ = sample()
    unseen = evaluate(predictions, manifest, resamples=200).unfamiliarity.unseen
    truth = np.repeat([0, 1], [140, 30])
    assert unseen.words == {"ACN": 20, "PSO": 10}
    by = unseen.by_unfamiliarity
    assert (by.familiar_images, by.unfamiliar_images) == (140, 30)
    assert by.auroc.value == pytest.approx(sklearn.metrics.roc_auc_score(truth, predictions.unfamiliarity))
    rates, hits, _ = sklearn.metrics.roc_curve(1 - truth, -predictions.unfamiliarity, drop_intermediate=False)
    assert by.fpr95.value == pytest.approx(rates[hits >= 0.95][0])
    unsure = 1 - predictions.probabilities.max(axis=1)
    assert unseen.by_probability.auroc.value == pytest.approx(sklearn.metrics.roc_auc_score(truth, unsure))
    assert unseen.beyond.value == pytest.approx((predictions.unfamiliarity[140:] > 1).mean())
    for each in (by.auroc, unseen.beyond):
        assert each.low < each.value < each.high


def test_each_data_set_has_its_own_curve():
    manifest, predictions, right = sample(sources=("a", "b"), unseen=0)
    section = evaluate(predictions, manifest, resamples=200).unfamiliarity
    assert [(each.source, each.images) for each in section.by_source] == [("a", 70), ("b", 70)]
    area = area_by_hand(right[::2], predictions.unfamiliarity[:140:2])
    assert section.by_source[0].strangest_first.area.value == pytest.approx(area)
    assert section.unseen is None


def without(predictions, scores):
    return Predictions(
        predictions.image_ids, predictions.probabilities, predictions.classes, predictions.seen, unfamiliarity=scores
    )


def test_without_scores_there_is_no_section_and_nothing_else_changes():
    manifest, predictions, _ = sample()
    told = evaluate(predictions, manifest, resamples=100)
    untold = evaluate(without(predictions, None), manifest, resamples=100)
    assert untold.unfamiliarity is None
    same = {"unfamiliarity", "evaluated_at"}
    assert untold.model_dump(exclude=same) == told.model_dump(exclude=same)
    older = told.model_dump(mode="json", exclude={"unfamiliarity"})
    assert Evaluation.model_validate(older).unfamiliarity is None
    assert Evaluation.model_validate_json(told.model_dump_json()) == told


def test_images_without_a_score_have_no_part():
    manifest, predictions, right = sample()
    scores = predictions.unfamiliarity.copy()
    scores[:10] = np.nan
    scores[140:] = np.nan
    section = evaluate(without(predictions, scores), manifest, resamples=100).unfamiliarity
    assert (section.not_known, section.overall.images, section.unseen) == (10, 130, None)
    assert section.overall.strangest_first.area.value == pytest.approx(area_by_hand(right[10:], scores[10:140]))


def test_what_has_no_diagnosis_or_only_a_vague_one_is_not_unseen():
    manifest, predictions, _ = sample()
    vague = manifest.with_columns(
        diagnosis_node=pl.when(pl.col("image_id") == "u0").then(None).otherwise("diagnosis_node"),
    )
    vague = vague.with_columns(
        diagnosis_node=pl.when(pl.col("image_id") == "u1").then(pl.lit("malignant")).otherwise("diagnosis_node"),
    )
    unseen = evaluate(predictions, vague, resamples=100).unfamiliarity.unseen
    assert unseen.by_unfamiliarity.unfamiliar_images == 28


def test_of_a_data_sets_own_words_another_word_is_unseen():
    manifest, predictions, _ = sample(unseen=30)
    own = manifest.with_columns(diagnosis_node=pl.lit(None, dtype=pl.String))
    words = Predictions(
        predictions.image_ids,
        predictions.probabilities,
        source_classes(HAM7.ids),
        unfamiliarity=predictions.unfamiliarity,
    )
    assert evaluate(words, own, resamples=100).unfamiliarity.unseen.by_unfamiliarity.unfamiliar_images == 30


def test_one_image_and_constant_scores_give_figures():
    manifest, predictions, right = sample(unseen=0)
    constant = evaluate(without(predictions, np.ones(140)), manifest, resamples=100).unfamiliarity.overall
    assert constant.strangest_first.area.value == pytest.approx((~right).mean())
    assert (constant.beyond_images, constant.accuracy_beyond.value) == (0, None)
    one = Predictions(["i0"], predictions.probabilities[:1], HAM7, unfamiliarity=np.array([0.3]))
    alone = evaluate(one, manifest[:1], resamples=100).unfamiliarity.overall
    assert alone.error.value in (0, 1)
    assert alone.error.low is None
