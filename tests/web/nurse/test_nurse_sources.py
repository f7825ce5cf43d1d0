"""What the form of a new study offers: manifests, models, predictions; nothing else, and nothing outside."""

import polars as pl

from cutis.web.study.nurse_sources import find_sources, inside


def test_tables_are_told_apart_by_their_columns(tmp_path):
    def write(name, *columns):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pl.DataFrame({each: ["1"] for each in columns})
        table.write_parquet(path) if path.suffix == ".parquet" else table.write_csv(path)

    write("m.parquet", "image_id", "image_path", "diagnosis")
    write("more/m.csv", "image_id", "image_path", "diagnosis_node")
    write("p.csv", "image", "MEL", "NV")
    write("results/cases.csv", "image_id", "part", "truth", "diagnosis")
    write("readings.csv", "reader", "modality", "image_id", "truth", "rating")
    write("too/deep/m.csv", "image_id", "image_path")
    write(".hidden/m.csv", "image_id", "image_path")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bundle.json").write_text("{}")
    (tmp_path / "broken.parquet").write_bytes(b"no table")
    found = find_sources(tmp_path)
    assert found.manifests == ["m.parquet", "more/m.csv"]
    assert found.predictions == ["p.csv"]
    assert found.bundles == ["model"]


def test_a_name_leads_nowhere_else(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "way-out").symlink_to(tmp_path)
    assert inside(data, "m.csv") == data / "m.csv"
    for name in ("../m.csv", "/etc/passwd", "way-out/m.csv", "a/../../m.csv"):
        assert inside(data, name) is None
