"""The Van Dyke readings through the report: the published figures stand in page, PDF and tables."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pypdf import PdfReader

from cutis.report import write_study_report
from cutis.study import read_readings, record_of_readings, study_findings


def test_the_report_tells_the_published_figures(real_data: Path, tmp_path: Path) -> None:
    file = real_data / "van_dyke" / "van_dyke.csv"
    if not file.is_file():
        pytest.skip(f"no {file}")
    record = record_of_readings(read_readings(file), title="Van Dyke", threshold=3)
    found = study_findings(record, resamples=200)
    write_study_report(found, tmp_path, now=datetime(2031, 3, 1, tzinfo=UTC))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    paper = " ".join(" ".join(page.extract_text() for page in PdfReader(tmp_path / "report.pdf").pages).split())
    for text in (html, paper):
        # Iowa OR-DBM MRMC 2.5: means 0.89703704 and 0.94083736, p = 0.0517, df2 = 15.26
        for told in ("0.897", "0.941", "p = 0.052", "t(15.3)"):
            assert told in text
    (row,) = (each for each in _table(tmp_path, "components") if each["endpoint"].endswith("(AUC)"))
    published = {"reader": 0.001535, "arm_reader": 0.0002004, "error": 0.00080229}
    published |= {"cov1": 0.00034661, "cov2": 0.00034407, "cov3": 0.00023903}
    for name, value in published.items():
        assert float(row[name]) == pytest.approx(value, abs=5.1e-9)
    sensitivities = [float(each["sensitivity"]) for each in _table(tmp_path, "readers")]
    assert sensitivities == pytest.approx(
        [0.8889, 0.7778, 0.8222, 0.9333, 0.6889, 0.9778, 0.8222, 0.9111, 1, 0.8889], abs=5e-5
    )
    assert found.aid == []
    assert "--unaided" in html


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
