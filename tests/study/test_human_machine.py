"""Readers and a model on the same cases: points, places against the curve, differences, and what is refused."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from cutis.data import manifest_frame
from cutis.errors import LeakError
from cutis.evaluation import Predictions, RocBand, roc_curve
from cutis.study import (
    Readings,
    ReadingsError,
    check_readings,
    compare_with_readers,
    read_readers,
    reader_comparison_paragraph,
    write_readings,
)
from cutis.study.reader_points import Sample, _curve_at, _in_band, reader_points
from cutis.taxonomy import class_set, source_classes

HAM7 = class_set("ham7")
ILL = np.array([each.malignancy in ("malignant", "premalignant") for each in HAM7.classes])


def cases(number: int = 70, subset: str | None = None, lesions: int | None = None) -> pl.DataFrame:
    return manifest_frame(
        [
            {
                "image_id": f"i{n}",
                "lesion_id": f"l{n % lesions}" if lesions else f"l{n}",
                "source": "test",
                "diagnosis_node": HAM7.classes[n % 7].nodes[0],
                "source_diagnosis": HAM7.ids[n % 7],
                "subset": subset,
            }
            for n in range(number)
        ]
    )


def predicted(
    manifest: pl.DataFrame, skill: float, seed: int, *, hard: bool = False, seen: str | None = "no"
) -> Predictions:
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    generator = np.random.default_rng(seed)
    values = generator.dirichlet(np.full(7, 0.7), size=len(truth))
    values[np.arange(len(truth)), truth] += skill * generator.uniform(0, 1, len(truth))
    values /= values.sum(axis=1, keepdims=True)
    if hard:
        values = np.eye(7)[values.argmax(axis=1)]
    return Predictions(manifest["image_id"].to_list(), values, HAM7, None if seen is None else [seen] * len(truth))


def readings(manifest: pl.DataFrame, readers: dict[str, float], seed: int = 5, modality: str = "photo") -> Readings:
    generator = np.random.default_rng(seed)
    rows = []
    for reader, skill in readers.items():
        for image_id, word in manifest.select("image_id", "source_diagnosis").iter_rows():
            truth = bool(ILL[HAM7.ids.index(word)])
            rating = int(np.clip(np.round(3 + skill * (1 if truth else -1) + generator.normal(0, 1)), 1, 5))
            rows.append((reader, modality, image_id, int(truth), rating))
    return check_readings(pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row"))


@pytest.fixture(scope="module")
def compared():
    manifest = cases()
    return compare_with_readers(
        predicted(manifest, 0.9, 1),
        manifest,
        readings(manifest, {"weak": 0.2, "middling": 0.8, "sharp": 2.0}),
        threshold=3,
        name="Net",
        resamples=200,
    )


def test_points_are_the_shares_of_right_answers_with_wilsons_intervals(compared):
    manifest = cases()
    grid = readings(manifest, {"weak": 0.2, "middling": 0.8, "sharp": 2.0}).grid()
    for point, reader in zip(compared.readers, ["middling", "sharp", "weak"], strict=True):
        assert point.reader == reader
        called = grid.rating[0, grid.readers.index(reader)] >= 3
        hits, alarms = int(called[grid.positive].sum()), int(called[~grid.positive].sum())
        assert point.sensitivity.value == hits / 30
        assert point.specificity.value == 1 - alarms / 40
        low, high = proportion_confint(hits, 30, method="wilson")
        assert (point.sensitivity.low, point.sensitivity.high) == pytest.approx((low, high), abs=1e-9)
    rates = np.array([(each.sensitivity.value, each.specificity.value) for each in compared.readers])
    assert compared.mean.sensitivity == pytest.approx(rates[:, 0].mean())
    assert compared.mean.specificity_sd == pytest.approx(rates[:, 1].std(ddof=1))


def test_the_models_curve_is_of_the_summed_probability(compared):
    manifest = cases()
    model = predicted(manifest, 0.9, 1)
    truth = np.array([ILL[HAM7.ids.index(each)] for each in manifest["source_diagnosis"]])
    assert compared.auc.value == pytest.approx(roc_auc_score(truth, model.probabilities[:, ILL].sum(axis=1)))
    assert compared.auc.low < compared.auc.value < compared.auc.high
    called = ILL[model.probabilities.argmax(axis=1)]
    assert compared.answers.sensitivity.value == pytest.approx(called[truth].mean())
    assert compared.positive == "malignant or premalignant"


def test_readers_stand_where_they_stand_and_all_are_counted(compared):
    place = {each.reader: each for each in compared.readers}
    assert place["sharp"].position == "above"
    assert place["weak"].position == "below"
    assert place["weak"].sensitivity_difference.value > 0 > place["sharp"].sensitivity_difference.value
    assert compared.on_or_above + compared.below == 3
    assert compared.outside_band == sum(not each.in_band for each in compared.readers)
    for each in compared.readers:
        lines = (each.sensitivity.value + each.specificity.value) / 2
        assert each.area_difference.value == pytest.approx(compared.auc.value - lines)
        assert each.area_difference.low <= each.area_difference.value <= each.area_difference.high


def test_matrices_hold_every_case_once_and_the_pooled_one_is_their_sum(compared):
    model, pooled, *each = compared.matrices
    assert compared.labels == ["malignant or premalignant", "benign"]
    assert np.sum(model.counts) == 70
    assert (np.sum([matrix.counts for matrix in each], axis=0) == pooled.counts).all()
    for matrix, point in zip(each, compared.readers, strict=True):
        assert matrix.counts[0][0] / 30 == point.sensitivity.value
        assert matrix.counts[1][1] / 40 == point.specificity.value


def test_a_model_that_answers_as_a_reader_stands_on_its_own_curve_with_no_difference():
    manifest = cases()
    rated = readings(manifest, {"a": 1.0, "b": 0.4})
    grid = rated.grid()
    score = dict(zip(grid.cases, grid.rating[0, 0] / 6, strict=True))
    values = np.array([[score[each], 1 - score[each]] for each in manifest["image_id"]])
    manifest = manifest.with_columns(
        source_diagnosis=pl.when(pl.Series(grid.positive[[grid.cases.index(each) for each in manifest["image_id"]]]))
        .then(pl.lit("ill"))
        .otherwise(pl.lit("well"))
    )
    classes = source_classes(["ill", "well"])
    model = Predictions(manifest["image_id"].to_list(), values, classes)
    own = compare_with_readers(model, manifest, rated, positive="ill", threshold=3, resamples=100).readers[0]
    assert own.position == "on"
    assert (own.sensitivity_difference.low, own.sensitivity_difference.high) == pytest.approx((0, 0), abs=1e-12)
    assert own.in_band


def test_answers_as_predictions_give_matrices_of_all_classes():
    manifest = cases(lesions=35)
    readers = {"anna": predicted(manifest, 1.5, 2, hard=True), "ben": predicted(manifest, 0.3, 3, hard=True)}
    compared = compare_with_readers(predicted(manifest, 0.9, 1), manifest, readers, resamples=100)
    assert compared.labels == [each.name for each in HAM7.classes]
    assert compared.intervals.clusters == {"lesion": 35}
    anna = next(each for each in compared.matrices if each.name == "anna")
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    assert np.trace(anna.counts) == (readers["anna"].probabilities.argmax(axis=1) == truth).sum()
    # Two images a lesion tell less than 70 would.
    alone = compare_with_readers(predicted(cases(), 0.9, 1), cases(), readers, resamples=100).readers[0]
    wide, narrow = (each.sensitivity.high - each.sensitivity.low for each in (compared.readers[0], alone))
    assert wide > narrow


def test_each_reader_is_set_against_the_model_on_the_readers_own_cases():
    manifest = cases()
    model = predicted(manifest, 0.9, 1)
    half = readings(manifest.head(35), {"half": 1.0}, seed=1).frame
    both = check_readings(pl.concat([half, readings(manifest, {"all": 1.0}, seed=2).frame]))
    compared = compare_with_readers(model, manifest, both, threshold=3, resamples=100)
    alone = compare_with_readers(model, manifest, Readings(half), threshold=3, resamples=100)
    point = next(each for each in compared.readers if each.reader == "half")
    assert point.cases == 35
    assert point.sensitivity_difference.value == alone.readers[0].sensitivity_difference.value
    assert any("Not every reader read every case" in each for each in compared.warnings)


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40),
    at=st.floats(0, 1),
)
def test_the_curve_at_a_rate_is_numpys_interpolation_between_steps(scores, at):
    positive = np.array([truth for _, truth in scores])
    if positive.all() or not positive.any():
        return
    curve = roc_curve(positive, np.array([score for score, _ in scores], dtype=float))
    x, y = curve.false_positive_rate, curve.sensitivity
    low, high = _curve_at(x, y, at)
    steps = y[np.isclose(x, at, atol=1e-12)]
    if len(steps):
        assert (low, high) == (steps.min(), steps.max())
    else:
        assert low == high == pytest.approx(np.interp(at, x, y))


def test_a_point_on_the_edge_of_the_band_is_in_it():
    band = RocBand(np.array([0.0, 1.0]), np.array([0.0, 0.5]), np.array([0.5, 1.0]))
    assert _in_band(band, 0.5, 0.25)
    assert _in_band(band, 0.5, 0.75)
    assert not _in_band(band, 0.5, 0.76)


def test_intervals_cover_a_difference_that_is_there():
    """A reader as good as the model, both from the same normal scores: 0 lies in nearly all intervals."""
    generator, covered = np.random.default_rng(3), 0
    for seed in range(60):
        positive = np.arange(120) < 60
        signal = positive * 1.2
        score = signal + generator.normal(size=120)
        called = (signal + generator.normal(size=120) > 0.6).astype(float)
        sample = Sample(positive, score, np.arange(120))
        (point,), _ = reader_points(sample, {"r": called}, None, resamples=150, seed=seed, confidence=0.95)
        covered += point.sensitivity_difference.low <= 0 <= point.sensitivity_difference.high
    assert covered >= 54


def test_the_paragraph_tells_the_figures(compared):
    told = reader_comparison_paragraph(compared)
    assert "3 readers and Net answered 70 cases (30 malignant or premalignant, 40 benign)" in told
    assert f"(SD {100 * compared.mean.sensitivity_sd:.1f})" in told
    assert f"{compared.on_or_above} stood on or above its ROC curve and {compared.below} below it" in told


def test_what_does_not_fit_is_refused():
    manifest = cases()
    model, rated = predicted(manifest, 0.9, 1), readings(manifest, {"a": 1.0})

    def refused(match, *, model=model, manifest=manifest, readers=rated, error=ReadingsError, **options):
        with pytest.raises(error, match=match):
            compare_with_readers(model, manifest, readers, **({"threshold": 3, "resamples": 100} | options))

    refused("ratings other than 0 and 1.*--threshold", threshold=None)
    refused("no class 'xyz'", positive="xyz")
    refused("another truth in the readings", positive="nv")
    refused("are not in the manifest: i0", manifest=manifest.slice(1))
    refused("excluded in the manifest", manifest=manifest.with_columns(subset=pl.lit("excluded")))
    refused("were not predicted", model=Predictions(["i0"], model.probabilities[:1], HAM7))
    refused("trained on", model=predicted(manifest, 0.9, 1, seen="image"), error=LeakError)
    refused("99 resamples", resamples=99)
    refused("there is no reader", readers={})
    two = check_readings(pl.concat([rated.frame, readings(manifest, {"a": 1.0}, modality="aided").frame]))
    refused("2 modalities: aided, photo.*--modality", readers=two)
    refused(
        "answered with",
        readers={"x": Predictions(["i0"], np.array([[0.5, 0.5]]), source_classes(["a", "b"]))},
        threshold=None,
    )
    ill_only = manifest.filter(pl.col("source_diagnosis") == "mel")["image_id"].to_list()
    frame = rated.frame.filter(pl.col("case").is_in(ill_only)).with_columns(reader=pl.lit("b"))
    refused("^b: read no positive case or no negative one", readers=Readings(pl.concat([rated.frame, frame])))
    unknown = predicted(manifest, 0.9, 1, seen=None)
    assert "not known whether" in compare_with_readers(unknown, manifest, rated, threshold=3, resamples=100).warnings[0]


def test_files_of_readers_are_told_apart(tmp_path):
    manifest = cases(21)
    write_readings(tmp_path / "r.csv", readings(manifest, {"a": 1.0, "b": 1.0}))
    for name in ("anna", "ben"):
        answered = predicted(manifest, 1.0, len(name), hard=True)
        columns = {"image": answered.image_ids} | dict(zip(HAM7.ids, answered.probabilities.T, strict=True))
        pl.DataFrame(columns).write_csv(tmp_path / f"{name}.csv")
    assert isinstance(read_readers([tmp_path / "r.csv"]), Readings)
    assert list(read_readers([tmp_path / "anna.csv", tmp_path / "ben.csv"])) == ["anna", "ben"]
    with pytest.raises(ReadingsError, match="in one form"):
        read_readers([tmp_path / "r.csv", tmp_path / "anna.csv"])
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "anna.csv").write_bytes((tmp_path / "anna.csv").read_bytes())
    with pytest.raises(ReadingsError, match="are called 'anna'"):
        read_readers([tmp_path / "anna.csv", tmp_path / "again" / "anna.csv"])
    with pytest.raises(ReadingsError, match="does not exist"):
        read_readers([tmp_path / "none.csv"])
