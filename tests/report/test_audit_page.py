"""The audit's page: its verdict, its pairs, and that it is one file that may ask for nothing."""

import base64
import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import polars as pl
import pytest
from PIL import Image

from cutis.audit.decisions import Decision, Decisions
from cutis.audit.result import AuditResult
from cutis.data import draw_phantom, manifest_frame, phantom_lesion, phantom_view
from cutis.errors import ManifestError
from cutis.evaluation import Leak
from cutis.report.audit_page import audit_verdict, write_audit_page
from cutis.report.audit_pairs import on_both_sides, worst_first

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
NOBODY = Decisions()


def manifest(folder, subsets=("train", "test"), folds=(None,), ids=("a", "b", "c", "d"), images=True):
    path = folder / "image.jpg"
    if images and not path.exists():
        phantom = draw_phantom(phantom_lesion("mel", 1), phantom_view(40, 1), (300, 400))
        Image.fromarray(phantom.image).save(path)
    return manifest_frame(
        {
            "image_id": image_id,
            "image_path": str(path),
            "source": "ham10000",
            "lesion_id": f"lesion-{image_id}",
            "source_diagnosis": "nv",
            "diagnosis_node": "nevus",
            "subset": subsets[n % len(subsets)],
            "fold": folds[n % len(folds)],
        }
        for n, image_id in enumerate(ids)
    )


def pair(a, b, **changes):
    return {
        "source_a": "ham10000",
        "image_id_a": a,
        "source_b": "ham10000",
        "image_id_b": b,
        "reasons": ["perceptual hash"],
        "score": 0.93,
        "similarity": 0.98,
        "hamming": 3,
        "inliers": 120,
        "correlation": float("nan"),
        "overlap": 0.8,
        "scale": 1.0,
        "rotation": 0.0,
        "mirrored": False,
        "same_lesion": False,
        "same_patient": None,
        "same_diagnosis": True,
        "verdict": "suspected",
        "decided": False,
        **changes,
    }


def table(*rows):
    like = pl.DataFrame([pair("a", "b")], schema_overrides={"same_patient": pl.Boolean})
    return pl.DataFrame(list(rows), schema=like.schema)


def result(**changes):
    return AuditResult.model_validate(
        {
            "cutis_version": "0.1.0",
            "made_at": "2026-01-31T12:00:00+00:00",
            "images": 4,
            "without_image": 0,
            "sources": {"ham10000": 4},
            "lesions": 4,
            "patients": None,
            "groups": 3,
            "largest_group": 2,
            "pairs_same": 0,
            "pairs_suspected": 1,
            "cross_lesion": 0,
            "decided": 0,
            "leaks": [],
            "leaks_total": 0,
            "quality": {},
            "unfit": 0,
            "trouble": {},
            "shortcuts": [],
            "skin_tone": {},
            "neighbour_recall": None,
            "thresholds": {},
            "notes": [],
            **changes,
        }
    )


def quality(images):
    rows = [("ham10000", image_id, score, reasons) for image_id, (score, reasons) in images.items()]
    return pl.DataFrame(rows, schema=["source", "image_id", "score", "reasons"], orient="row")


class Page(HTMLParser):
    """Checks nesting, and collects tags and words."""

    VOID = ("meta", "input", "img", "br")

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def written(folder, pairs, frame=None, audit=None, **options):
    write_audit_page(
        audit or result(), pairs, manifest(folder) if frame is None else frame, folder / "audit.html", **options
    )
    return (folder / "audit.html").read_text(encoding="utf-8")


def data_of(html):
    return json.loads(re.search(r'<script id="audit-data" type="application/json">(.*?)</script>', html, re.S)[1])


def test_it_is_one_wellformed_file_that_may_ask_for_nothing(tmp_path):
    html = written(tmp_path, table(pair("a", "b", rotation=90.0), pair("c", "d")))
    page = Page(html)
    assert not page.all("link")
    assert all(each["src"].startswith("data:image/jpeg;base64,") for each in page.all("img"))
    assert not any("src" in attributes for _, attributes in page.tags if _ != "img")
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.tags for name in attributes)
    assert all(each["href"].startswith("#") for each in page.all("a"))
    assert not re.search(r"url\(|@import", html)
    policy = page.all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {each["href"][1:] for each in page.all("a")} <= set(ids)
    assert "Not a medical device" in page.text
    assert "turned off here" in page.text  # for whoever has no script
    assert "cutis data audit M -o DIR --decisions decisions.json" in page.text


def test_pairs_stand_side_by_side_with_what_is_known(tmp_path):
    html = written(
        tmp_path,
        table(
            pair("a", "b", same_diagnosis=False, rotation=-91.24, mirrored=True, scale=1.5), pair("a", "c", score=0.61)
        ),
    )
    text = Page(html).text
    for told in ("Pair 1 0.93 suspected the same", "On both sides: train and test", "Different lesion ids",
                 "Different diagnoses", "Nevus (nv)", "lesion-a", "3 of 64 bits", "Rotation -91°"):  # fmt: skip
        assert told in text
    assert "Correlation" not in text  # it is not a number
    assert text.index("Pair 1") < text.index("Pair 2 0.61")
    first, second = data_of(html)["pairs"]
    assert (first["a"], first["b"]) == (["ham10000", "a"], ["ham10000", "b"])
    assert (first["cross"], first["both"], first["rotation"], first["mirrored"]) == (True, True, -91.2, True)
    assert second["both"] is False
    assert html.count("Turn second") == 1


def test_pictures_are_small(tmp_path):
    html = written(tmp_path, table(pair("a", "b")))
    (address, *_) = (each["src"] for each in Page(html).all("img"))
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert picture.format == "JPEG"
    assert max(picture.size) <= 280
    assert len(address) < 20_000  # 300 of these are 6 MB


def test_an_image_that_cannot_be_read_is_told_where_it_would_stand(tmp_path):
    frame = manifest(tmp_path).with_columns(image_path=pl.lit(str(tmp_path / "gone.jpg")))
    page = Page(written(tmp_path, table(pair("a", "b")), frame))
    assert not page.all("img")
    assert "The image file does not exist" in page.text


def test_only_the_worst_pairs_are_shown_and_the_rest_is_told(tmp_path):
    html = written(tmp_path, table(pair("a", "b"), pair("a", "c"), pair("b", "c")), most=1)
    assert len(data_of(html)["pairs"]) == 1
    assert "2 further pairs are not shown here; they are in pairs.parquet" in Page(html).text


def test_no_pair_is_said(tmp_path):
    page = Page(written(tmp_path, table()))
    assert "found no two images that look like the same lesion" in page.text
    assert not page.all("article")


def test_ids_cannot_become_markup(tmp_path):
    frame = manifest(tmp_path, ids=(HOSTILE, "b"))
    audit = result(
        sources={HOSTILE: 2},
        quality={HOSTILE: 1},
        trouble={HOSTILE: 1},
        shortcuts=[{"name": HOSTILE, "auc": None, "low": None, "high": None, "warning": HOSTILE}],
        skin_tone={HOSTILE: 1},
        thresholds={HOSTILE: 0.5},
        notes=[HOSTILE],
        leaks=[Leak(kind=HOSTILE, images=[HOSTILE, "b"], sides=["train", "test"], told=HOSTILE)],
        leaks_total=1,
    )
    html = written(
        tmp_path,
        table(pair(HOSTILE, "b", reasons=[HOSTILE])),
        frame,
        audit,
        title=HOSTILE,
        quality=quality({HOSTILE: (0.1, [HOSTILE])}),
        trouble=pl.DataFrame({HOSTILE: [HOSTILE]}),
        decisions=Decisions(
            decisions=(Decision(a=(None, HOSTILE), b=(HOSTILE, "x"), same=True, decided_at=datetime.now(UTC)),)
        ),
        command=HOSTILE,
    )
    assert html.count("<script") == 2
    assert data_of(html)["pairs"][0]["a"][1] == HOSTILE
    assert len(Page(html).all("img")) == 3
    assert Page(html).all("article")


def test_earlier_decisions_are_shown_and_kept_even_about_other_pairs(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    decisions = Decisions(
        decisions=(
            Decision(a=("ham10000", "b"), b=("ham10000", "a"), same=False, decided_at=now),
            Decision(a=("pad", "x"), b=("pad", "y"), same=True, decided_at=now),
        )
    )
    html = written(tmp_path, table(pair("a", "b"), pair("c", "d")), decisions=decisions)
    assert "1 of 2 marked" in Page(html).text
    assert "Marked: different lesions" in Page(html).text
    assert len(data_of(html)["decisions"]) == 2


def test_the_key_of_the_marks_is_the_set_of_images(tmp_path):
    frame = manifest(tmp_path)
    key = data_of(written(tmp_path, table(pair("a", "b")), frame))["audit"]
    assert data_of(written(tmp_path, table(pair("c", "d")), frame.reverse()))["audit"] == key
    assert data_of(written(tmp_path, table(), frame.head(3)))["audit"] != key


def test_pairs_of_another_manifest_are_refused_and_leave_the_old_page(tmp_path):
    (tmp_path / "audit.html").write_text("old")
    with pytest.raises(ManifestError, match="1 images of the pairs are not in the manifest: z"):
        written(tmp_path, table(pair("a", "z")))
    assert (tmp_path / "audit.html").read_text() == "old"


@pytest.mark.parametrize(
    ("subsets", "folds", "both"),
    [
        (("train", "test"), (None,), True),
        (("val", "train"), (None,), True),
        (("train", "train"), (None,), False),
        (("train", "excluded"), (0, 1), False),
        ((None,), (0, 1), True),
        ((None,), (1, 1), False),
        (("train", None), (None,), False),
        (("train", "test"), (0, None), True),
    ],
)
def test_sides_are_those_of_the_split(tmp_path, subsets, folds, both):
    frame = manifest(tmp_path, subsets, folds, images=False)
    assert on_both_sides(table(pair("a", "b")), frame).to_list() == [both]


def leak(kind="same file"):
    return Leak(kind=kind, images=["a", "b"], sides=["train", "test"], told="a (train) and b (test): same file")


def test_a_leak_is_the_verdict(tmp_path):
    audit = result(leaks=[leak()], leaks_total=3)
    verdict = audit_verdict(audit, table(), manifest(tmp_path), NOBODY)
    assert verdict.kind == "leak"
    assert verdict.title.startswith("3 groups of images that belong together stand on both sides")
    text = Page(written(tmp_path, table(), audit=audit)).text
    assert "What stands on both sides: the first 1 of 3 a (train) and b (test): same file" in text


def test_no_split_is_no_clean_bill(tmp_path):
    for subsets in ((None,), ("train", "excluded")):
        assert audit_verdict(result(), table(), manifest(tmp_path, subsets), NOBODY).kind == "unchecked"


def test_no_leak_names_the_sides(tmp_path):
    verdict = audit_verdict(
        result(without_image=2), table(), manifest(tmp_path, ("train", "train", "test"), (0, 1, None)), NOBODY
    )
    assert verdict.kind == "none"
    assert verdict.title == "No leak found between train and test, or between the 2 folds"
    assert "2 rows without an image file" in verdict.told[-1]


def test_a_suspected_pair_across_the_split_is_named_until_a_person_decides(tmp_path):
    frame, pairs = manifest(tmp_path), table(pair("a", "b"), pair("a", "c"))
    verdict = audit_verdict(result(), pairs, frame, NOBODY)
    assert verdict.kind == "suspected"
    assert "1 suspected pair stands on both sides" in verdict.title
    decided = Decision(a=("ham10000", "b"), b=("ham10000", "a"), same=False, decided_at=datetime.now(UTC))
    assert audit_verdict(result(), pairs, frame, Decisions(decisions=(decided,))).kind == "none"


def test_the_other_sections_tell_their_figures(tmp_path):
    audit = result(
        quality={"blurred": 3},
        unfit=3,
        trouble={"one lesion, two diagnoses": 2},
        shortcuts=[{"name": "border", "auc": 0.71, "low": 0.69, "high": 0.73, "warning": "told from the border"}],
        skin_tone={"light": 4},
        neighbour_recall=0.973,
        thresholds={"same": 0.82},
    )
    text = Page(
        written(
            tmp_path,
            table(),
            audit=audit,
            quality=quality({"b": (0.4, ["too_dark"]), "a": (0.1, ["blurred", "too_dark"]), "c": (0.9, [])}),
            trouble=pl.DataFrame({"kind": ["one lesion, two diagnoses"], "images": [["a", "b"]], "age": [None]}),
        )
    ).text
    for told in ("blurred 3 75.0%", "a blurred, too dark b too dark", "one lesion, two diagnoses 2", "a, b",
                 "0.710 0.690–0.730", "⚠ told from the border", "Skin tone (estimated)",
                 "light 4", "97.3% of the true ones"):  # fmt: skip
        assert told in text


def test_what_stands_on_both_sides_and_under_two_lesions_is_shown_first():
    pairs = pl.DataFrame(
        {
            "source_a": ["s"] * 4,
            "image_id_a": ["a", "c", "e", "g"],
            "source_b": ["s"] * 4,
            "image_id_b": ["b", "d", "f", "h"],
            "same_lesion": [True, True, False, None],
            "score": [1.0, 0.9, 0.95, 0.97],
        }
    )
    sides = {"c": "train", "d": "test"}
    manifest = pl.DataFrame(
        [{"source": "s", "image_id": each, "subset": sides.get(each), "fold": None} for each in "abcdefgh"],
        schema_overrides={"subset": pl.String, "fold": pl.Int64},
    )
    assert worst_first(pairs, manifest)["image_id_a"].to_list() == ["c", "g", "e", "a"]
