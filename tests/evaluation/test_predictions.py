"""The predictions artefact: what is accepted, what is refused, and that it survives writing and reading."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cutis.errors import CutisError, PredictionsError, TaxonomyError
from cutis.evaluation import Predictions, read_predictions, write_predictions
from cutis.taxonomy import ClassSet, DiagnosisClass, class_set, source_classes

HAM7 = class_set("ham7")
ISIC_2018 = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"


def some_predictions(images: int = 5, seen: list[str | None] | None = None, prefix: str = "i") -> Predictions:
    values = np.random.default_rng(images).dirichlet(np.ones(7), size=images)
    return Predictions([f"{prefix}{n}" for n in range(images)], values, HAM7, seen)


def file(folder: Path, text: str, name: str = "p.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
@pytest.mark.parametrize("seen", [None, ["no", "image", "lesion", None, "group"]])
def test_written_and_read_again_they_are_the_same(tmp_path, name, seen):
    predictions = some_predictions(5, seen)
    write_predictions(tmp_path / name, predictions)
    again = read_predictions(tmp_path / name)
    assert again.image_ids == predictions.image_ids
    assert again.classes == HAM7
    assert again.seen == seen
    np.testing.assert_array_equal(again.probabilities, predictions.probabilities)


def test_isic_challenge_columns_are_put_in_the_order_of_the_class_set(tmp_path):
    path = file(tmp_path, ISIC_2018 + "ISIC_1,0.1,0.2,0.3,0.15,0.05,0.08,0.12\n")
    predictions = read_predictions(path)
    assert predictions.classes == HAM7
    assert predictions.image_ids == ["ISIC_1"]
    assert predictions.seen is None
    assert dict(zip(HAM7.ids, predictions.probabilities[0], strict=True)) == {
        "mel": 0.1, "nv": 0.2, "bcc": 0.3, "akiec": 0.15, "bkl": 0.05, "df": 0.08, "vasc": 0.12,
    }  # fmt: skip


def test_isic_2019_unknown_column_is_dropped_only_where_it_says_nothing(tmp_path):
    header = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
    empty = file(tmp_path, header + "a,1,0,0,0,0,0,0,0,0.0\n", "empty.csv")
    assert read_predictions(empty).classes == class_set("isic2019")
    used = file(tmp_path, header + "a,0.5,0,0,0,0,0,0,0,0.5\n", "used.csv")
    assert "UNK" in read_predictions(used).classes.ids
    with pytest.raises(PredictionsError, match="unknown columns: UNK"):
        read_predictions(used, classes=class_set("isic2019"))


def test_other_columns_become_classes_of_the_data_sets_own_words(tmp_path):
    predictions = read_predictions(file(tmp_path, "image_id,warzen,fleck\na,0.25,0.75\n"))
    assert predictions.classes == source_classes(["warzen", "fleck"])
    assert predictions.probabilities.tolist() == [[0.75, 0.25]]


def test_own_words_can_be_asked_for_where_they_look_like_a_shipped_set(tmp_path):
    path = file(tmp_path, "image_id,akiec,bcc,bkl,df,mel,nv,vasc\na,1,0,0,0,0,0,0\n")
    assert read_predictions(path).classes == HAM7
    assert read_predictions(path, classes="source").classes == source_classes(HAM7.ids)


def test_parquet_carries_its_classes_and_csv_falls_back_on_its_columns(tmp_path):
    fine = ClassSet(
        name="partition:max=100",
        source="a partition",
        classes=tuple(
            DiagnosisClass(id=each, name=each, malignancy="benign", nodes=nodes)
            for each, nodes in (("warts", ("wart", "seborrheic-keratosis")), ("moles", ("nevus", "lentigo-nos")))
        ),
    )
    values = np.random.default_rng(0).dirichlet(np.ones(len(fine.ids)), size=3)
    predictions = Predictions(["a", "b", "c"], values, fine)
    write_predictions(tmp_path / "p.parquet", predictions)
    again = read_predictions(tmp_path / "p.parquet")
    assert again.classes == fine
    np.testing.assert_array_equal(again.probabilities, values)
    own_words = read_predictions(tmp_path / "p.parquet", classes="source").classes
    assert own_words == source_classes(fine.ids)
    write_predictions(tmp_path / "p.csv", predictions)
    assert read_predictions(tmp_path / "p.csv").classes == source_classes(fine.ids)


def test_carried_classes_that_do_not_fit_or_cannot_be_read_are_refused(tmp_path):
    table = pl.DataFrame({"image_id": ["a"], "x": [0.5], "y": [0.5]})
    table.write_parquet(tmp_path / "p.parquet", metadata={"cutis.classes": HAM7.model_dump_json()})
    with pytest.raises(PredictionsError, match="class columns missing: akiec"):
        read_predictions(tmp_path / "p.parquet")
    table.write_parquet(tmp_path / "q.parquet", metadata={"cutis.classes": "{}"})
    with pytest.raises(PredictionsError, match=r"q\.parquet: the class set in its metadata .*--classes"):
        read_predictions(tmp_path / "q.parquet")


def test_probabilities_are_summed_to_coarser_classes():
    predictions = some_predictions(5, ["no"] * 5)
    coarse = predictions.rolled_up(class_set("esteva3"))
    assert coarse.classes.ids == ("benign", "malignant")  # no class of HAM10000 is non-neoplastic
    assert coarse.rolled_up_from == HAM7
    assert coarse.seen == ["no"] * 5
    malignant = [HAM7.ids.index(each) for each in ("akiec", "bcc", "mel")]
    found = predictions.probabilities[:, malignant].sum(axis=1)
    np.testing.assert_allclose(coarse.probabilities[:, 1], found)
    over = Predictions(["a"], np.array([[0.0, 0, 0, 0, 0.5, 0.5005, 0]]), HAM7)  # 1.0005, within the tolerance
    assert over.rolled_up(class_set("esteva3")).probabilities.max() <= 1
    with pytest.raises(TaxonomyError):
        predictions.rolled_up(class_set("melanoma,nevus"))


def test_several_files_are_read_as_one_and_unknown_stays_unknown(tmp_path):
    write_predictions(tmp_path / "a.parquet", some_predictions(2, ["no", "no"], "a"))
    write_predictions(tmp_path / "b.csv", some_predictions(3, None, "b"))
    both = read_predictions(tmp_path / "a.parquet", tmp_path / "b.csv")
    assert both.image_ids == ["a0", "a1", "b0", "b1", "b2"]
    assert both.seen == ["no", "no", None, None, None]


def test_files_of_different_classes_or_with_the_same_image_are_refused(tmp_path):
    write_predictions(tmp_path / "a.parquet", some_predictions(2))
    other = file(tmp_path, "image_id,x,y\nz,0.5,0.5\n")
    with pytest.raises(PredictionsError, match=r"p\.csv: holds the classes x, y"):
        read_predictions(tmp_path / "a.parquet", other)
    with pytest.raises(PredictionsError, match="2 image_id stand more than once: i0, i1"):
        read_predictions(tmp_path / "a.parquet", tmp_path / "a.parquet")


def test_independent_scores_are_normalised_only_when_asked(tmp_path):
    path = file(tmp_path, "image_id,x,y\na,0.5,0.75\nb,0.1,0.3\n")
    with pytest.raises(PredictionsError, match=r"2 rows do not sum to 1: row 1: 1\.25, row 2: 0\.4.*--normalise"):
        read_predictions(path)
    np.testing.assert_allclose(read_predictions(path, normalise=True).probabilities, [[0.4, 0.6], [0.25, 0.75]])


def test_rounding_of_a_sum_is_let_be(tmp_path):
    path = file(tmp_path, "image_id,x,y\na,0.3334,0.6663\n")
    assert read_predictions(path).probabilities.tolist() == [[0.3334, 0.6663]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("image_id,x,y\n", "holds no rows"),
        ("id,x,y\na,0.5,0.5\n", "'image_id' is missing"),
        ("image_id,x\na,1\n", "there are 1 class columns"),
        ("image_id,x,y\na,0.5,0.5\na,0.5,0.5\n", "1 image_id stand more than once: a"),
        ("image_id,x,y\n,0.5,0.5\n", "image_id is missing in 1 rows: row 1"),
        ("image_id,x,y\na,0.5,\n", "1 values are not numbers: row 1, y: empty"),
        ("image_id,x,y\na,0.5,much\n", "row 1, y: 'much'"),
        ("image_id,x,y\na,0.5,0.5\nb,NaN,1\n", "not between 0 and 1: row 2, x: nan"),
        ("image_id,x,y\na,-0.5,1.5\n", "2 values are not between 0 and 1: row 1, x: -0.5, row 1, y: 1.5"),
        ("image_id,x,y\na,inf,0\n", "not between 0 and 1"),
        ("image_id,x,y,seen_in_training\na,0.5,0.5,maybe\n", "seen_in_training holds maybe"),
    ],
)
def test_wrong_files_are_refused_and_named(tmp_path, text, message):
    with pytest.raises(PredictionsError, match=message) as caught:
        read_predictions(file(tmp_path, text))
    assert "p.csv" in str(caught.value)


def test_rows_of_zeros_cannot_be_normalised(tmp_path):
    with pytest.raises(PredictionsError, match="1 rows are all 0: row 2"):
        read_predictions(file(tmp_path, "image_id,x,y\na,1,1\nb,0,0\n"), normalise=True)


def test_a_named_class_set_must_be_there_in_full(tmp_path):
    path = file(tmp_path, ISIC_2018.replace(",VASC", "") + "ISIC_1,0.1,0.2,0.3,0.2,0.1,0.1\n")
    with pytest.raises(PredictionsError, match="class columns missing: vasc"):
        read_predictions(path, classes=HAM7)


def test_the_first_ten_of_many_bad_rows_are_named(tmp_path):
    rows = "".join(f"i{n},0.5,0.4\n" for n in range(25))
    with pytest.raises(PredictionsError, match=r"25 rows .* row 10: 0\.9 and 15 more"):
        read_predictions(file(tmp_path, "image_id,x,y\n" + rows))


def test_missing_files_folders_and_no_files_are_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(PredictionsError, match=str(path)):
            read_predictions(path)
    with pytest.raises(PredictionsError, match="no predictions file named"):
        read_predictions()


def test_predictions_made_in_memory_are_held_to_the_same_rules():
    with pytest.raises(PredictionsError, match="shape"):
        Predictions(["a"], np.ones((2, 7)) / 7, HAM7)
    with pytest.raises(PredictionsError, match="do not sum to 1"):
        Predictions(["a"], np.ones((1, 7)), HAM7)
    with pytest.raises(PredictionsError, match="seen_in_training holds x"):
        Predictions(["a"], np.ones((1, 7)) / 7, HAM7, ["x"])
    with pytest.raises(PredictionsError, match="2 rows for 1 images"):
        Predictions(["a"], np.ones((1, 7)) / 7, HAM7, ["no", "no"])


def test_an_unwritable_name_leaves_nothing_behind(tmp_path):
    with pytest.raises(CutisError, match=r"does not end in \.parquet or \.csv"):
        write_predictions(tmp_path / "p.txt", some_predictions())
    assert list(tmp_path.iterdir()) == []


def test_ids_that_look_like_numbers_keep_their_zeros(tmp_path):
    path = file(tmp_path, "image_id,x,y\n007,0.5,0.5\n")
    assert read_predictions(path).image_ids == ["007"]
    pl.DataFrame({"image_id": [7], "x": [0.5], "y": [0.5]}).write_parquet(tmp_path / "n.parquet")
    assert read_predictions(tmp_path / "n.parquet").image_ids == ["7"]


def with_scores(scores) -> Predictions:
    plain = some_predictions(len(scores))
    return Predictions(plain.image_ids, plain.probabilities, HAM7, unfamiliarity=np.array(scores))


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_unfamiliarity_survives_writing_reading_and_rolling_up(tmp_path, name):
    scores = [0.5, np.nan, -0.25, 3.0, 1 / 3]
    write_predictions(tmp_path / name, with_scores(scores))
    again = read_predictions(tmp_path / name)
    assert again.classes == HAM7
    np.testing.assert_array_equal(again.unfamiliarity, scores)
    np.testing.assert_array_equal(again.rolled_up(class_set("esteva3")).unfamiliarity, scores)
    write_predictions(tmp_path / name, with_scores([np.nan] * 5))
    assert read_predictions(tmp_path / name).unfamiliarity is None


def test_files_with_and_without_unfamiliarity_are_read_as_one(tmp_path):
    write_predictions(tmp_path / "a.csv", with_scores([0.5, 2.0]))
    write_predictions(tmp_path / "b.csv", some_predictions(3, prefix="j"))
    np.testing.assert_array_equal(
        read_predictions(tmp_path / "a.csv", tmp_path / "b.csv").unfamiliarity, [0.5, 2.0, np.nan, np.nan, np.nan]
    )
    assert read_predictions(tmp_path / "b.csv").unfamiliarity is None


def test_unfamiliarity_that_is_no_finite_number_is_refused(tmp_path):
    header = "image_id,akiec,bcc,bkl,df,mel,nv,vasc,unfamiliarity\n"
    for value, told in (
        ("strange", r"unfamiliarity are not numbers: row 2: 'strange'"),
        ("inf", "are infinite: row 2"),
    ):
        path = file(tmp_path, header + f"a,1,0,0,0,0,0,0,\nb,1,0,0,0,0,0,0,{value}\n")
        with pytest.raises(PredictionsError, match=told):
            read_predictions(path)
    with pytest.raises(PredictionsError, match="unfamiliarity has the shape"):
        Predictions(["a"], np.ones((1, 7)) / 7, HAM7, unfamiliarity=np.ones(2))


def test_bad_values_in_several_columns_are_named_together_and_the_rest_are_counted(tmp_path):
    rows = "".join(f"i{n},{'x' if n % 2 else 0.5},{'' if n % 3 else 0.5}\n" for n in range(24))
    for name in ("p.csv", "p.tsv"):
        text = "image_id,x,y\n" + rows
        with pytest.raises(PredictionsError, match=r"28 values are not numbers: row 2, x: 'x', .* and 18 more"):
            read_predictions(file(tmp_path, text.replace(",", "\t") if name == "p.tsv" else text, name))
    with pytest.raises(PredictionsError, match=r"2 values are not numbers: row 2, x: 'a', row 1, y: empty"):
        read_predictions(file(tmp_path, "image_id,x,y\na,0.5,\nb,a,0.5\n"))


def test_a_line_that_is_no_row_is_refused_in_one_line(tmp_path):
    with pytest.raises(PredictionsError, match=r"p\.csv: cannot be read as a table"):
        read_predictions(file(tmp_path, "image_id,x,y\na,0.5,0.5\nb,0.5,0.5,0.5,0.5\n"))
    (tmp_path / "p.parquet").write_text("no table")
    with pytest.raises(PredictionsError, match=r"p\.parquet: cannot be read as a table"):
        read_predictions(tmp_path / "p.parquet")


def test_ids_and_what_was_seen_are_kept_as_columns():
    predictions = some_predictions(3, ["no", None, "group"])
    assert predictions.ids.to_list() == predictions.image_ids == ["i0", "i1", "i2"]
    assert predictions.seen_column.to_list() == predictions.seen == ["no", None, "group"]
    again = Predictions(predictions.ids, predictions.probabilities, HAM7, predictions.seen_column)
    assert again.seen == predictions.seen
    for ids, told in (
        (["a", " ", None], "missing in 2 rows: row 2, row 3"),
        (["a", "b", "a"], "1 image_id stand .*: a"),
    ):
        with pytest.raises(PredictionsError, match=told):
            Predictions(ids, predictions.probabilities, HAM7)


def test_predictions_take_the_order_of_others_and_those_of_no_other_come_last():
    predictions = Predictions(
        ["d", "x", "a", "c", "y"], some_predictions().probabilities, HAM7, ["no", None, "image", "no", "lesion"],
        unfamiliarity=np.arange(5.0),
    )  # fmt: skip
    ordered = predictions.in_order_of(pl.Series(["a", "b", "c", "d"]))
    assert ordered.image_ids == ["a", "c", "d", "x", "y"]
    assert ordered.seen == ["image", "no", "no", None, "lesion"]
    assert ordered.unfamiliarity.tolist() == [2, 3, 0, 1, 4]
    np.testing.assert_array_equal(ordered.probabilities, predictions.probabilities[[2, 3, 0, 1, 4]])
    assert ordered.in_order_of(ordered.ids) is ordered
