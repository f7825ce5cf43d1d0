"""The verbs `cutis data …` and `cutis split`."""

import json
from pathlib import Path

import polars as pl
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from cutis.cli.data import app as data
from cutis.cli.split import split_verb
from cutis.data import read_manifest
from cutis.errors import CutisError, ManifestError, SplitError

app = typer.Typer()
app.add_typer(data)
app.command("split")(split_verb)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def ran(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> CutisError:
    result = run(*arguments)
    assert isinstance(result.exception, CutisError), result.output
    assert result.stdout == ""
    return result.exception


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve lesions of two images each, half melanomas, with a table."""
    lines = ["file,label,lesion"]
    for n in range(24):
        Image.new("RGB", (8, 6), (n * 9, 80, 90)).save(tmp_path / f"p{n:02}.png")
        lines.append(f"p{n:02}.png,{'mel' if n % 4 < 2 else 'nv'},L{n // 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def manifest(photos: Path) -> Path:
    path = photos / "m.parquet"
    ran(
        "data",
        "import",
        "csv",
        photos / "labels.csv",
        "--map",
        "image_id=file",
        "--map",
        "diagnosis=label",
        "--map",
        "lesion_id=lesion",
        "-o",
        path,
    )
    return path  # fmt: skip


@pytest.mark.parametrize(
    "verb", [("data", "sources"), ("data", "import"), ("data", "describe"), ("data", "check"), ("split",)]
)
def test_every_verb_has_help_with_an_example(verb: tuple[str, ...]) -> None:
    assert f"Example: cutis {' '.join(verb)}" in ran(*verb, "--help")


def test_sources_lists_them_all() -> None:
    told = json.loads(ran("data", "sources", "--json"))["sources"]
    assert [each["name"] for each in told][:2] == ["ham10000", "isic"]
    assert "pad-ufes-20" in ran("data", "sources")


def test_import_writes_a_manifest_and_tells_its_counts(photos: Path, manifest: Path) -> None:
    frame = read_manifest(manifest)
    assert len(frame) == 24
    assert frame["lesion_id"].n_unique() == 12
    assert Path(frame["image_path"][0]).is_file()
    arguments = ("data", "import", "folder", photos, "-o", photos / "x.csv")
    assert "no class folders" in str(refused(*arguments))
    assert not (photos / "x.csv").exists()


def test_import_prints_notes_and_the_path(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/1.jpg").touch()
    out = ran("data", "import", "folder", tmp_path, "-o", tmp_path / "m.csv")
    assert "note: class folders that no ISIC value fits, kept in source_diagnosis: 'odd' (1)" in out
    assert f"written: {tmp_path / 'm.csv'}" in out
    told = json.loads(ran("data", "import", "folder", tmp_path, "-o", tmp_path / "m.csv", "--json"))
    assert told["rows"] == 1
    assert told["notes"][0].startswith("class folders")


def test_import_writes_nothing_when_a_row_is_bad(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("image_id,age_approx,image_type\n" + "".join(f"i{n},{n * 10},photo\n" for n in range(15)))
    error = refused("data", "import", "csv", table, "-o", tmp_path / "m.parquet")
    assert isinstance(error, ManifestError)
    assert "15 rows are not valid: row 1 (i0), image_type: 'photo' is not an ISIC image type" in str(error)
    assert not (tmp_path / "m.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nonesuch", "."), "no source is called 'nonesuch'"),
        (("csv", "nowhere.csv"), "does not exist"),
        (("ham10000", ".", "--map", "a=b"), "does not take --map"),
        (("csv", ".", "--map", "ab"), "--map ab is not NAME=COLUMN"),
        (("csv", ".", "--map", "a=b", "--map", "a=c"), "--map names a twice"),
    ],
)
def test_wrong_imports_are_refused(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    assert told in str(refused("data", "import", *arguments, "-o", tmp_path / "m.parquet"))


def test_describe(manifest: Path) -> None:
    out = ran("data", "describe", manifest)
    assert "24 rows, 24 images, 12 lesions" in out
    assert "Melanoma, NOS" in out
    assert json.loads(ran("data", "describe", manifest, "--json"))["lesions"] == 12


def test_check_passes_what_is_well(manifest: Path) -> None:
    assert "24 rows and 24 images are well" in ran("data", "check", manifest)
    assert json.loads(ran("data", "check", manifest, "--json"))["bad"] == []


def test_check_reports_bad_rows_and_bad_images_together(photos: Path, manifest: Path) -> None:
    whole = (photos / "p03.png").read_bytes()
    (photos / "p03.png").write_bytes(whole[: len(whole) // 2])
    (photos / "p04.png").write_text("not an image")
    (photos / "p05.png").unlink()
    frame = pl.read_parquet(manifest).with_columns(sex=pl.when(pl.col("image_id") < "p12").then(pl.lit("x")))
    frame.write_parquet(manifest)
    result = run("data", "check", manifest, "-o", photos / "bad.csv")
    assert result.exit_code == 2
    assert "12 faults in rows, 3 bad images, the first 10 of 15" in " ".join(result.stdout.split())
    bad = pl.read_csv(photos / "bad.csv")
    assert bad.filter(pl.col("kind") == "image")["image_id"].to_list() == ["p03", "p04", "p05"]
    assert bad.filter(pl.col("kind") == "image")["row"].to_list() == [4, 5, 6]
    assert bad.filter(pl.col("kind") == "row")["reason"].unique().to_list() == ["'x' is not female or male"]
    machine = run("data", "check", manifest, "--json")
    assert machine.exit_code == 2
    assert len(json.loads(machine.stdout)["bad"]) == 15


def test_split_into_subsets(photos: Path, manifest: Path) -> None:
    out = ran(
        "split",
        manifest,
        "--by",
        "lesion_id",
        "--subsets",
        "train=.5,val=.25,test=.25",
        "-o",
        photos / "s.csv",
    )
    assert "rule: subsets train=0.5, val=0.25, test=0.25; by lesion_id; stratified by diagnosis; seed 0" in out
    assert f"written: {photos / 's.csv'}" in out
    frame = read_manifest(photos / "s.csv")
    assert frame["subset"].value_counts().sort("subset").rows() == [("test", 6), ("train", 12), ("val", 6)]
    assert frame.group_by("lesion_id").agg(pl.col("subset").n_unique())["subset"].max() == 1


def test_split_by_a_test_list(photos: Path, manifest: Path) -> None:
    (photos / "test.txt").write_text("p00\np05\n")
    arguments = (
        "split",
        manifest,
        "--by",
        "lesion_id",
        "--test-ids",
        photos / "test.txt",
        "-o",
        photos / "s.parquet",
    )
    error = refused(*arguments)
    assert isinstance(error, SplitError)
    assert "2 groups are in the test set and outside it (2 rows outside): lesion_id 'L0', lesion_id 'L2'" in str(error)
    assert not (photos / "s.parquet").exists()
    told = json.loads(ran(*arguments, "--strict", "--folds", 2, "--json"))
    assert {part: sum(counts.values()) for part, counts in told["subset"].items()} == {
        "train": 20,
        "test": 2,
        "excluded": 2,
    }
    assert sum(told["fold"]["0"].values()) == 10


def test_split_tells_absent_classes(photos: Path, manifest: Path) -> None:
    frame = pl.read_parquet(manifest)
    rare = pl.when(pl.col("lesion_id") == "L0").then(pl.lit("Benign")).otherwise("diagnosis")
    frame.with_columns(diagnosis=rare).write_parquet(manifest)
    out = ran("split", manifest, "--by", "lesion_id", "--folds", 2, "-o", photos / "s.parquet")
    assert "note: 'Benign' (2 images) is absent from fold" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--subsets", "train=a"), "is not understood"),
        (("--subsets", "train"), "is not understood"),
        (("--subsets", "train=.5,train=.5"), "names train twice"),
        (("--subsets", "train=.5,val=.4"), "sum to 0.9"),
        ((), "nothing asked for"),
        (("--by-time", ".9"), "acquired_at holds no value"),
    ],
)
def test_wrong_splits_are_refused(arguments: tuple[str, ...], told: str, photos: Path, manifest: Path) -> None:
    assert told in str(refused("split", manifest, "--by", "lesion_id", *arguments, "-o", photos / "s.parquet"))
