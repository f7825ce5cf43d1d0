"""Cases like this one, beside an answer: what is listed, what is not, and how it looks in a browser."""

import io
import shutil

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from cutis.clinic import photograph
from cutis.data import make_phantoms
from cutis.errors import CutisError
from cutis.explanation import EmbeddingMap, MapFacts, case_library, write_map
from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule
from cutis.web import SimilarCases, create_clinic_app
from cutis.web.clinic.similar import MOST
from cutis.web.thumbnails import SIDE

from .test_pages import SCRIPT, jpeg, picture
from .test_pages_browser import Visitor


def mapped(cases: pl.DataFrame, folder):
    """A map of these cases with every place at the middle: only the features count here."""
    library = case_library(fastest_bundle(), cases)
    facts = MapFacts(
        model=library.model,
        weights_sha256=library.weights_sha256,
        images=len(library),
        points=len(library),
        dimensions=2,
        perplexity=5.0,
        seed=0,
    )
    write_map(EmbeddingMap(library, np.zeros((len(library), 2), dtype=np.float32), facts), folder)
    return folder


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return make_phantoms(tmp_path_factory.mktemp("phantoms"), patients=12, size=(120, 160))


@pytest.fixture(scope="module")
def folder(phantoms, tmp_path_factory):
    return mapped(phantoms, tmp_path_factory.mktemp("map") / "map")


@pytest.fixture(scope="module")
def cases(folder):
    return SimilarCases(fastest_bundle(), folder)


@pytest.fixture(scope="module")
def app(cases):
    return create_clinic_app(fastest_bundle(), rule=read_risk_rule(), cases=cases)


def test_the_nearest_come_first_one_a_lesion_and_not_the_photograph_itself(cases, phantoms) -> None:
    asked = phantoms.row(5, named=True)
    with open(asked["image_path"], "rb") as file:
        found = cases.nearest(photograph(file.read(), "again.jpg"))
    assert len(found) == MOST
    assert [each.similarity for each in found] == sorted((each.similarity for each in found), reverse=True)
    ids = [each.image_id for each in found]
    assert asked["image_id"] not in ids
    lesions = phantoms.filter(pl.col("image_id").is_in(ids))["lesion_id"]
    assert lesions.n_unique() == MOST
    truth = dict(phantoms.select("image_id", "diagnosis_node").iter_rows())
    classes = fastest_bundle().classes
    assert all(each.class_id == classes.assign(truth[each.image_id]) for each in found)
    assert all(each.name == classes[each.class_id].name for each in found)


def test_a_photograph_stored_anew_finds_the_one_it_was_made_from(cases, phantoms) -> None:
    asked = phantoms.row(5, named=True)
    again = io.BytesIO()
    Image.open(asked["image_path"]).save(again, "PNG")
    found = cases.nearest(photograph(again.getvalue(), "again.png"))
    assert found[0].image_id == asked["image_id"]
    assert found[0].similarity > 0.99


def test_pictures_are_small_and_only_those_there_are(cases, phantoms) -> None:
    small = Image.open(io.BytesIO(cases.jpeg(0)))
    assert max(small.size) <= SIDE
    for place in (-1, len(cases)):
        with pytest.raises(IndexError):
            cases.jpeg(place)


def test_images_without_a_diagnosis_are_no_cases(phantoms, tmp_path) -> None:
    some = phantoms.head(4).with_columns(
        pl.Series("diagnosis_node", [None, *phantoms["diagnosis_node"][1:4]], dtype=pl.String),
        source_diagnosis=pl.lit(None, dtype=pl.String),
    )
    assert len(SimilarCases(fastest_bundle(), mapped(some, tmp_path / "some"))) == 3
    none = some.head(1)
    with pytest.raises(CutisError, match="holds no case of known diagnosis"):
        SimilarCases(fastest_bundle(), mapped(none, tmp_path / "none"))


def test_photographs_that_are_gone_are_named_before_anybody_asks(tmp_path) -> None:
    drawn = make_phantoms(tmp_path / "p", patients=3, size=(60, 80), planted_duplicates=0)
    folder = mapped(drawn, tmp_path / "map")
    (tmp_path / "p" / "images" / drawn["image_path"][2].rsplit("/", 1)[-1]).unlink()
    with pytest.raises(CutisError, match=rf"1 of {len(drawn)} photographs are gone: .*{drawn['image_id'][2]}"):
        SimilarCases(fastest_bundle(), folder)
    shutil.rmtree(folder)
    with pytest.raises(CutisError, match="is not a map"):
        SimilarCases(fastest_bundle(), folder)


def test_a_server_without_cases_has_no_such_pages() -> None:
    with TestClient(create_clinic_app(fastest_bundle(), rule=read_risk_rule())) as client:
        assert client.get("/similar/0.jpg").status_code == 404


def test_a_picture_that_is_not_there_is_a_plain_refusal(app) -> None:
    with TestClient(app) as client:
        assert client.get("/similar/0.jpg").headers["content-type"] == "image/jpeg"
        for place in ("-1", "100000", "x"):
            assert client.get(f"/similar/{place}.jpg").status_code in (400, 404)
        assert client.post("/similar", headers=SCRIPT).status_code in (400, 403)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_cases_are_shown_after_a_tap_and_fit_every_screen(browser, serve, app, language) -> None:
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    visitor = Visitor(browser, serve(app), f"/?lang={language}")
    page = visitor.page
    visitor.choose(jpeg(picture()))
    visitor.looked().answer()
    part = page.locator("[data-similar]")
    assert part.locator("li").count() == 0
    part.get_by_role("button").click()
    page.wait_for_selector("[data-similar] li")
    assert part.locator("li").count() == MOST
    assert not part.get_by_role("button").is_visible()
    page.wait_for_function("[...document.querySelectorAll('.cases img')].every(each => each.complete)")
    part.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.cases img')].every(each => each.naturalWidth > 0)")
    if language == "en":
        assert "The diagnoses are of those lesions, not of this one" in part.inner_text()
    assert visitor.wrong() == []
    assert visitor.errors == []
    assert all(visitor.address in each for each in visitor.asked)
    visitor.context.close()
