"""Files of readings: what is read, that it comes back as it was written, and what is refused where."""

import openpyxl
import polars as pl
import pytest

from cutis.study import ReadingsError, check_readings, read_readings, write_readings

TRUTH = {"1": 0, "2": 0, "3": 1, "4": 1}


@pytest.fixture
def readings():
    rows = [
        (r, m, k, TRUTH[k], (ord(r) * 7 + int(m) * 3 + int(k) * 5) % 11 / 4)
        for r in "AB"
        for m in ("1", "2")
        for k in TRUTH
    ]
    return check_readings(pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row"))


def same(first, second):
    return first.frame.sort(pl.all()).equals(second.frame.sort(pl.all()))


@pytest.mark.parametrize("ending", ["csv", "tsv", "imrmc", "lrc", "xlsx"])
def test_what_is_written_is_read_back(readings, tmp_path, ending):
    path = tmp_path / f"r.{ending}"
    write_readings(path, readings)
    assert same(read_readings(path), readings)


@pytest.mark.parametrize("ending", ["csv", "imrmc", "xlsx"])
def test_missing_reads_stay_missing(readings, tmp_path, ending):
    some = check_readings(readings.frame.filter(~((pl.col("reader") == "A") & (pl.col("case") == "2"))))
    path = tmp_path / f"r.{ending}"
    write_readings(path, some)
    assert same(read_readings(path), some)


def test_several_files_are_one_study(readings, tmp_path):
    paths = [tmp_path / f"{reader}.csv" for reader in "AB"]
    for path in paths:
        write_readings(path, readings.only(readers=[path.stem]))
    assert same(read_readings(*paths), readings)
    with pytest.raises(ReadingsError, match="already"):
        read_readings(paths[0], paths[0])


@pytest.mark.parametrize("word", ["treatment", "MODALITY", "Test"])
@pytest.mark.parametrize("cell", [",", ";", "\t"])
def test_csv_columns_in_any_order_case_and_separator(tmp_path, word, cell):
    lines = [["Rating", "CASE", "note", word, "Truth", "reader"], ["3", "a", "x", "1", "0", "R"]]
    lines.append(["4", "b", "", "1", "1.0", "R"])
    (tmp_path / "r.csv").write_text("\ufeff" + "\n".join(cell.join(line) for line in lines) + "\n\n")
    assert read_readings(tmp_path / "r.csv").frame.rows() == [("R", "1", "a", False, 3.0), ("R", "1", "b", True, 4.0)]


@pytest.mark.parametrize("truth", ["-1,{},anything,{}", "truth,{},truth,{}", "Z,{},truth,{}"])
def test_csv_truth_in_rows_of_its_own(tmp_path, truth):
    lines = ["reader,case,modality,score", "R,a,1,3", "R,b,1,4", truth.format("a", 0), truth.format("b", 1)]
    (tmp_path / "r.csv").write_text("\n".join(lines))
    assert read_readings(tmp_path / "r.csv").frame["truth"].to_list() == [False, True]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("reader,case,rating,truth\nR,a,1,0", "line 1: there is no column modality or treatment"),
        ("reader,case,test,arm,rating,truth\n", "line 1: columns 'test' and 'arm' both name the modality"),
        ("reader,case,test,rating,truth\nR,a,1,0\n", "line 2: has 4 cells, the first line 5"),
        ("reader,case,test,rating,truth\nR,a,1,x,0\n", "line 2: rating 'x' is not a number"),
        ("reader,case,test,rating\nR,a,1,2\n", "line 2: case 'a' has no truth"),
        ("reader,case,test,rating\n-1,a,1,2\n", "line 2: truth is '2', not 0 or 1"),
        ("reader,case,test,rating\n-1,a,1,0\n-1,a,1,0\n", "line 3: case 'a' has a truth in line 2 already"),
        ("reader,case,test,rating,truth\nR,a,1,3,1\n-1,a,1,0,\n", "line 2: case 'a' has truth 1, and 0 in line 3"),
    ],
)
def test_malformed_csv_is_refused(tmp_path, lines, said):
    (tmp_path / "r.csv").write_text(lines)
    with pytest.raises(ReadingsError) as error:
        read_readings(tmp_path / "r.csv")
    assert said in str(error.value)


HEAD = "A study\nN0:1\nN1:1\nNR:1\nNM:1\nBEGIN DATA:\n"
DATA = "-1, a ,truth,0\n-1,b,truth,1\nR,a,1,2\nR,b,1,3\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DATA, "has no line 'BEGIN DATA:'"),
        (HEAD.replace("NR:1", "NR:x") + DATA, "line 4: NR is 'x', but the file holds 1 readers"),
        (HEAD.replace("N1:1", "N1:2") + DATA, "line 3: N1 is '2', but the file holds 1 cases with the disease"),
        (HEAD + DATA + "R,c,1\n", "line 11: has 3 cells"),
        (HEAD + DATA + "R,c,1,2\n", "line 11: case 'c' has no truth"),
        (HEAD + DATA + "R,a,1,2\n", "line 11: reader 'R' read case 'a' in '1' in line 9 already"),
        (HEAD + DATA + "-1,a,truth,0\n", "line 11: case 'a' has a truth in line 7 already"),
    ],
)
def test_malformed_imrmc_is_refused(tmp_path, text, said):
    (tmp_path / "r.imrmc").write_text(text)
    with pytest.raises(ReadingsError) as error:
        read_readings(tmp_path / "r.imrmc")
    assert said in str(error.value)


def test_imrmc_without_counts_is_read(tmp_path):
    (tmp_path / "r.imrmc").write_text("words\nBEGIN DATA:\n" + DATA)
    assert read_readings(tmp_path / "r.imrmc").frame.rows()[0] == ("R", "1", "a", False, 2.0)


LRC = 'Title\nReader one\n"T 1" "T 2"\n L S\n 1 5 first\n 2 4 second\n*\n 3 1 third\n*\nReader two\n'
LRC += " 1 5 first\n 1 5 second\n*\n 3 2 third\n*\n#\n"


def test_lrc_with_smaller_ratings_more_suspect(tmp_path):
    (tmp_path / "r.lrc").write_text(LRC)
    readings = read_readings(tmp_path / "r.lrc")
    assert readings.modalities == ["T 1", "T 2"]
    assert readings.cases == ["first", "second", "third"]
    assert readings.grid().rating[1].tolist() == [[-5, -4, -1], [-5, -5, -2]]


def test_lrc_without_case_names_numbers_them(tmp_path):
    (tmp_path / "r.lrc").write_text("t\nR\nA\nL\n1\n2\n*\n3\n*\n#\n")
    assert read_readings(tmp_path / "r.lrc").frame.rows()[-1] == ("R", "A", "3", True, 3.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LRC.replace("#", ""), "ends where a further reader or '#' should follow"),
        (LRC.replace(" L S", " L X"), "line 4: 'L X' does not say"),
        (LRC.replace(" 2 4 second", " 2 low second"), "line 6: '2 low second' does not begin with 2 ratings"),
        (LRC.replace(" 1 5 second\n", ""), "reader 'Reader two' has other cases than reader 'Reader one'"),
    ],
)
def test_malformed_lrc_is_refused(tmp_path, text, said):
    (tmp_path / "r.lrc").write_text(text)
    with pytest.raises(ReadingsError) as error:
        read_readings(tmp_path / "r.lrc")
    assert said in str(error.value)


def test_lrc_holds_factorial_readings_only(readings, tmp_path):
    some = check_readings(readings.frame.head(len(readings.frame) - 1))
    with pytest.raises(ReadingsError, match="factorial readings only"):
        write_readings(tmp_path / "r.lrc", some)
    assert not (tmp_path / "r.lrc").exists()


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)


OLD = {
    "Truth": [["CaseID", "LesionID", "Weight"], [1, 0, 0], [70, 1, 1]],
    "NL": [["ReaderID", "ModalityID", "CaseID", "NLRating"], [0, 0, 1, 2.5]],
    "LL": [["ReaderID", "ModalityID", "CaseID", "LesionID", "LLRating"], [0, 0, 70, 1, 5]],
}


def test_the_old_form_of_rjafrocs_excel_is_read(tmp_path):
    workbook(tmp_path / "r.xlsx", **OLD)
    assert read_readings(tmp_path / "r.xlsx").frame.rows() == [("0", "0", "1", False, 2.5), ("0", "0", "70", True, 5)]


@pytest.mark.parametrize(
    ("sheet", "rows", "said"),
    [
        ("NL", [[0, 0, 70, 1]], "sheet FP: 1 row cannot be used: row 3: case '70' has truth 1: not ROC data"),
        ("LL", [[0, 0, 71, 1, 3]], "sheet TP: 1 row cannot be used: row 3: case '71' is not in TRUTH"),
        ("LL", [[0, 0, 70, 1, 3]], "already"),
        ("Truth", [[70, 2, 1]], "case '70' stands in TRUTH twice"),
    ],
)
def test_malformed_excel_is_refused(tmp_path, sheet, rows, said):
    workbook(tmp_path / "r.xlsx", **{**OLD, sheet: [*OLD[sheet], *rows]})
    with pytest.raises(ReadingsError) as error:
        read_readings(tmp_path / "r.xlsx")
    assert said in str(error.value)


def test_what_is_no_file_of_readings_is_refused(readings, tmp_path):
    (tmp_path / "r.xlsx").write_text("no workbook")
    (tmp_path / "e.csv").touch()
    for name, said in (("r.xlsx", "not an Excel file"), ("e.csv", "is empty"), ("n.csv", "does not exist")):
        with pytest.raises(ReadingsError, match=said):
            read_readings(tmp_path / name)
    with pytest.raises(ReadingsError, match=r"'\.doc' is no format"):
        write_readings(tmp_path / "r.doc", readings)
