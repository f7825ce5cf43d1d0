"""Explanations in a folder: a table of where maps lie; a page that asks for nothing, with the listed cases first."""

import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.data import PHANTOM_SOURCE, fit_image, manifest_frame
from cutis.errors import CutisError, ImageError
from cutis.evaluation import Predictions
from cutis.explanation.biopsy import BIOPSY_WARNING
from cutis.explanation.explain import Explanation
from cutis.explanation.explanation_folder import ExplanationFolder, MapRecord, check_explanation_target
from cutis.explanation.methods import METHODS
from cutis.explanation.target import explained_target
from cutis.models import Architecture, Bundle, Calibration, ImageSize
from cutis.report.explanation_page import LIMITS
from cutis.report.explanations import probability_in_words, write_explanations
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")
HOSTILE = "</style><script>document.title='hacked'</script>\"'&"
SIZE = (60, 80)
LESION = (slice(20, 42), slice(28, 52))
CORNER = (slice(0, 10), slice(0, 8))
SPOT = (slice(28, 34), slice(36, 42))


@pytest.fixture(scope="module")
def bundle():
    """All but the network, which writing does not need."""
    columns = ("source", "image_id", "lesion_id", "patient_id", "group", "content_key", "role")
    architecture = Architecture(backbone="test_efficientnet", patient=("age", "sex"), patient_width=8)
    image = ImageSize(decoded=(75, 100), training=SIZE, inference=SIZE)
    return Bundle(
        model=None,
        classes=HAM7,
        recipe={"model": architecture.model_dump(mode="json"), "image": image.model_dump(mode="json"), "views": 2},
        calibration=Calibration(),
        training_record=pl.DataFrame(schema=dict.fromkeys(columns, pl.String)),
        about={"name": "small & <odd>"},
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A dermoscope's photograph: a dark lesion in the middle, black corners; and the lesion's mask."""
    folder = tmp_path_factory.mktemp("pictures")
    row, column = np.mgrid[-1:1:150j, -1:1:200j]
    photo = np.empty((150, 200, 3))
    photo[:] = (214, 170, 150)
    photo += np.random.default_rng(0).normal(0, 4, photo.shape)
    mask = np.zeros((150, 200), dtype=np.uint8)
    mask[50:105, 70:130] = 255
    photo[mask > 0] = (95, 60, 45)
    photo[row**2 + column**2 > 1.35] = 4
    Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(folder / "photo.png")
    Image.fromarray(mask).save(folder / "mask.png")
    return folder


def made(pictures, ids, places, *, methods=("gradcam", "lime"), node=None, source="clinic", mask=True):
    """Explanations whose maps lie on the places named, with the manifest and predictions they are of."""
    rows = [
        {
            "image_id": each,
            "image_path": str(pictures / "photo.png"),
            "mask_path": str(pictures / "mask.png") if mask else None,
            "source": source,
            "source_diagnosis": "nv",
            "diagnosis_node": "nevus",
        }
        for each in ids
    ]
    probabilities = np.full((len(ids), 7), 0.05)
    probabilities[:, HAM7.ids.index("mel")] = 0.7
    predictions = Predictions(list(ids), probabilities, HAM7, ["no"] * len(ids))
    pixels = fit_image(np.asarray(Image.open(pictures / "photo.png")), *SIZE)
    target = explained_target(HAM7, node or "mel")
    explanations = []
    for each, place in zip(ids, places, strict=True):
        attribution = np.zeros(SIZE, dtype=np.float32)
        if place is not None:
            attribution += np.float32(0.01)
            attribution[place] = 2
        maps = dict.fromkeys(methods, attribution)
        explanations.append(
            Explanation(each, pixels, target, float(probabilities[0, target.inside].sum()), "mel", maps)
        )
    return explanations, manifest_frame(rows), predictions


@pytest.fixture
def write(bundle, pictures, tmp_path, monkeypatch):
    """Writes explanations into ``out``; gives what was written and the page's text."""
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))

    def run(ids, places, *, methods=("gradcam", "lime"), **options):
        making = {name: options.pop(name) for name in ("node", "source", "mask") if name in options}
        explanations, manifest, predictions = made(pictures, ids, places, methods=methods, **making)
        options.setdefault("predictions", predictions)
        written = write_explanations(
            iter(explanations),
            tmp_path / "out",
            bundle=bundle,
            manifest=manifest,
            methods=[METHODS[each] for each in methods],
            **options,
        )
        return written, (tmp_path / "out" / "index.html").read_text(encoding="utf-8")

    return run


class Page(HTMLParser):
    """Tags and headings of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self._heading = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._heading = [] if tag in ("h2", "h3") else self._heading

    def handle_data(self, data):
        if self._heading is not None:
            self._heading.append(data)

    def handle_endtag(self, tag):
        if tag in ("h2", "h3") and self._heading is not None:
            self.headings.append("".join(self._heading))
            self._heading = None

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def test_the_table_tells_where_each_map_lies_and_lists_what_lies_on_a_shortcut(write, tmp_path):
    written, _ = write(["good", "bad"], [LESION, CORNER], with_maps=True)
    table = pl.read_parquet(tmp_path / "out" / "explanations.parquet")
    assert table.equals(written.table)
    assert table.columns == list(MapRecord.__dataclass_fields__)
    assert table.select("image_id", "method").rows() == [
        (image, method) for image in ("good", "bad") for method in ("gradcam", "lime")
    ]
    good, bad = (table.row(n, named=True) for n in (0, 2))
    assert good["on_lesion"] > 0.9
    assert not good["listed"]
    assert bad["on_dark_corner"] > 0.6
    assert bad["listed"]
    assert bad["listed_for"] == f"{bad['on_dark_corner']:.0%} in dark corners"
    for row in (good, bad):
        shares = [value for name, value in row.items() if name.startswith("on_")]
        assert len(shares) == 8
        assert sum(shares) == pytest.approx(1)
        assert (row["lesion"], row["target"], row["probability"]) == ("recorded", "mel", pytest.approx(0.7))
        assert row["strongest"] == pytest.approx(2)


def test_the_maps_can_be_read_by_numpy_alone(write, tmp_path):
    written, _ = write(["a", "b"], [LESION, CORNER], with_maps=True)
    with np.load(tmp_path / "out" / "maps.npz", allow_pickle=False) as maps:
        assert sorted(maps.files) == sorted(written.table["map"])
        kept = maps[written.table.row(0, named=True)["map"]]
    assert kept.dtype == np.float32
    assert kept[30, 40] == np.float32(2)
    assert kept.shape == SIZE
    without, _ = write(["a"], [LESION])
    assert without.table["map"].to_list() == [None, None]
    assert not (tmp_path / "out" / "maps.npz").exists(), "an older folder is replaced whole"


def test_every_map_is_a_picture_beside_the_page_and_every_link_leads_to_one(write, tmp_path):
    ids = ["../../up", "a/b", "A b", "a b", "a_b", HOSTILE, "..", "é" * 150]
    written, text = write(ids, [LESION] * len(ids), methods=("gradcam",))
    places = written.table["picture"].to_list()
    assert len(set(map(str.lower, places))) == len(ids)
    folder = (tmp_path / "out").resolve()
    for place in places:
        path = (folder / place).resolve()
        assert path.parent == folder / "images"
        with Image.open(path) as picture:
            assert picture.width > 900
    links = [each["href"] for each in Page(text).all("a")]
    assert sorted(links) == sorted(places)


def test_the_page_is_one_file_that_asks_for_nothing_and_escapes_all(write):
    _, text = write([HOSTILE, "b"], [LESION, CORNER], title=HOSTILE, about={HOSTILE: HOSTILE})
    page = Page(text)
    assert not page.all("script")
    assert not page.all("link")
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert all(each["src"].startswith("data:image/jpeg;base64,") for each in page.all("img"))
    assert not re.search(r"https?://", text)
    assert "<script" not in text


def test_listed_cases_come_first_and_say_why(write):
    _, text = write(["good", "bad", "fine"], [LESION, CORNER, LESION])
    headings = Page(text).headings
    assert [each for each in headings if each in ("good", "bad", "fine")] == ["bad", "good", "fine"]
    assert (
        headings.index("Listed: attention off the lesion") < headings.index("bad") < headings.index("The other cases")
    )
    assert "In 1 image of 3 most of what speaks for the answer lies off the lesion" in text
    assert re.search(r"⚠ \d+% in dark corners", text)
    assert "Listed" not in write(["good"], [LESION])[1].split('id="figures"')[1].split("</section>", 1)[1]


def test_a_person_is_told_what_a_map_is_not(write):
    _, text = write(["a"], [LESION], methods=tuple(METHODS))
    words = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "not a medical device" in words
    assert "It does not show why" in words
    assert "The answer is Melanoma, with a probability of 70%." in words
    assert "Recorded diagnosis: Nevus (nv). The answer is wrong." in words
    assert "The answer rests on age and sex too" in words
    assert "mean over 2 mirrored views" in words
    assert set(LIMITS) == set(METHODS)
    for name, method in METHODS.items():
        assert method.told in words.replace("&#39;", "'")
        assert LIMITS[name] in words.replace("&#39;", "'")
        assert method.paper.split(",")[0].replace("&", "&amp;") in words


def test_every_picture_is_told_in_words(write):
    _, text = write(["a", "b"], [LESION, None], methods=tuple(METHODS))
    pictures = Page(text).all("img")
    assert all(each["alt"].strip() for each in pictures)
    assert any("Grad-CAM over a, what speaks for Melanoma. 9" in each["alt"] for each in pictures)
    assert sum("The map is 0 everywhere" in each["alt"] for each in pictures) == len(METHODS)


def test_what_is_explained_is_told_where_it_is_not_the_answer(write):
    _, text = write(["a"], [LESION], node="nv")
    assert "Explained: what speaks for Melanocytic nevus, to which the model gives 5%." in text
    assert "Its answer is Melanoma (70%)." in text


def test_what_speaks_for_a_diagnosis_that_is_not_the_answer_is_not_listed(write):
    written, _ = write(["a"], [CORNER], node="nv")
    assert not written.table["listed"].any()
    assert written.table["on_dark_corner"].min() > 0.6


def test_an_answer_that_proves_nothing_is_said_to(write):
    probabilities = np.full((2, 7), 1 / 7)
    predictions = Predictions(["a", "b"], probabilities, HAM7, ["lesion", "no"])
    _, text = write(["a", "b"], [LESION, LESION], predictions=predictions)
    assert "The model was trained on this lesion" in text
    assert "The model has seen 1 of these images or the lesion" in text
    assert "SYNTHETIC" not in text
    assert "SYNTHETIC DATA" in write(["a"], [LESION], source=PHANTOM_SOURCE)[1]


def test_only_so_many_cases_stand_in_the_page_and_the_rest_are_named(write):
    ids = [f"i{n}" for n in range(7)]
    places = [LESION, LESION, CORNER, LESION, LESION, CORNER, LESION]
    written, text = write(ids, places, methods=("gradcam",), most=3)
    assert written.table["image_id"].n_unique() == 7
    assert [each for each in Page(text).headings if each in ids] == ["i2", "i5", "i0"]
    assert "4 further images not shown here" in text
    _, text = write(ids, places, methods=("gradcam",), most=1)
    page = Page(text)
    assert [each for each in page.headings if each in ids] == ["i2"]
    assert "images/i5.gradcam.png" in [each["href"] for each in page.all("a")]


def test_a_site_is_marked_with_its_warning(write, tmp_path):
    written, text = write(["a", "b"], [SPOT, None], sites=True)
    assert BIOPSY_WARNING in text.replace("&#39;", "'")
    sites = pl.read_parquet(tmp_path / "out" / "biopsy.parquet")
    assert sites.equals(written.sites)
    first, second = sites.to_dicts()
    assert 36 < 80 * first["x"] < 42
    assert 28 < 60 * first["y"] < 34
    assert second["x"] is None
    assert "finds nothing" in second["told"]
    assert (tmp_path / "out" / first["picture"]).is_file()


def test_an_estimated_outline_is_said_to_be_one(write):
    written, text = write(["a"], [LESION], mask=False)
    assert set(written.table["lesion"]) == {"estimated"}
    assert "(estimated outline)" in text


def test_a_run_that_fails_leaves_what_was_there(write, tmp_path, monkeypatch):
    write(["old"], [LESION])
    before = sorted(path.name for path in tmp_path.rglob("*"))
    monkeypatch.setattr(ExplanationFolder, "finish", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(CutisError, match="cannot be written"):
        write(["new"], [LESION])
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_folder_that_holds_something_else_is_left_alone(write, tmp_path):
    (tmp_path / "out").mkdir()
    check_explanation_target(tmp_path / "out")  # empty
    (tmp_path / "out" / "thesis.doc").write_text("years of work")
    with pytest.raises(CutisError, match=r"holds something else than explanations: thesis\.doc"):
        write(["a"], [LESION])
    (tmp_path / "out" / "thesis.doc").rename(tmp_path / "out" / "index.html")
    with pytest.raises(CutisError, match=r"something else than explanations: index\.html"):
        check_explanation_target(tmp_path / "out")
    with pytest.raises(CutisError, match="is a file"):
        check_explanation_target(tmp_path / "out" / "index.html")


def test_masks_that_cannot_be_read_are_named_together(bundle, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    explanations, manifest, predictions = made(pictures, ["a", "b"], [LESION, LESION])
    manifest = manifest.with_columns(mask_path=pl.Series([str(tmp_path / "x.png"), str(tmp_path / "y.png")]))
    with pytest.raises(ImageError, match="2 of 2 images cannot be read"):
        write_explanations(
            explanations,
            tmp_path / "out",
            bundle=bundle,
            manifest=manifest,
            predictions=predictions,
            methods=[METHODS["gradcam"], METHODS["lime"]],
        )
    assert not (tmp_path / "out").exists()


def test_no_model_is_certain():
    assert [probability_in_words(each) for each in (0.0, 0.004, 0.02, 0.624, 0.994, 0.997, 1.0)] == [
        "below 1%",
        "below 1%",
        "2%",
        "62%",
        "99%",
        "over 99%",
        "over 99%",
    ]


def test_the_page_fits_a_phone(write, tmp_path, browser):
    write(
        ["an-image-whose-name-is-far-too-long-for-any-phone-" + "x" * 80, "b"], [CORNER, LESION], methods=tuple(METHODS)
    )
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((tmp_path / "out" / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("[...document.images].every((each) => each.getBoundingClientRect().width > 40)")
    page.close()
