"""The page and the figures of a map: what they say, and what a person can do there with mouse, keys and fingers."""

import json
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.data import draw_phantom, manifest_frame, phantom_lesion, phantom_view
from cutis.errors import CutisError, ManifestError
from cutis.explanation.embedding import EmbeddingMap, MapFacts
from cutis.explanation.map_quality import measure_map
from cutis.explanation.similar_cases import CaseLibrary, unit_rows
from cutis.report.embedding_figure import seen_from_one_side, write_embedding_figures
from cutis.report.embedding_page import write_embedding_page
from cutis.report.embedding_points import (
    OTHERS,
    embedding_table,
    map_columns,
    map_points,
    round_robin,
    signs,
)
from cutis.report.similar_page import write_similar_page

HOSTILE = "</script><script>document.title='hacked'</script><b>\"'&\u2028"
NAMES = ("Melanoma", "Nevus", HOSTILE)


def case_library(folder, count=60, *, start=0, seen="no", source="clinic"):
    rng = np.random.default_rng(start)
    label = np.arange(count) % 3
    features = np.eye(8)[label] + 0.1 * rng.normal(size=(count, 8))
    frame = manifest_frame(
        {
            "image_id": HOSTILE if n + start == 1 else f"i{n + start}",
            "image_path": str(folder / f"{label[n]}.png"),
            "source": source,
            "lesion_id": f"l{n + start}",
            "age_approx": 30 + n % 40 if n % 7 else None,
            "sex": ("female", "male")[n % 2],
            "anatom_site": "Head and neck:Head:Scalp" if n % 2 else "Trunk:Anterior trunk",
        }
        for n in range(count)
    ).with_columns(
        content_key=pl.format("key {}", "image_id"),
        named_diagnosis=pl.Series([NAMES[each] for each in label]),
        answer=pl.lit("Nevus"),
        seen_in_training=pl.lit(seen),
    )
    return CaseLibrary(frame, unit_rows(features).astype(np.float16), "small", "a" * 64), label


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for n in range(3):
        picture = draw_phantom(phantom_lesion(("mel", "nv", "bcc")[n], 1), phantom_view(40, 1), (60, 80)).image
        Image.fromarray(picture).save(folder / f"{n}.png")
    return folder


def mapped(folder, *, dimensions=2, new=0, **options):
    """A map of three groups in three corners, with new cases in the first's."""
    library, label = case_library(folder, **options)
    rng = np.random.default_rng(1)
    corner = np.array([[-10.0, -6, 0], [10, -6, 4], [0, 6, -4]])[:, :dimensions]
    places = (corner[label] + rng.normal(size=(len(label), dimensions))).astype(np.float32)
    facts = MapFacts(
        model="small", weights_sha256="a" * 64, images=len(label), points=len(label), dimensions=dimensions,
        perplexity=12.5, seed=0,
    )  # fmt: skip
    embedded = EmbeddingMap(library, places, facts)
    nearest = library.nearest(library, 10)
    placed = None
    if new:
        queries, _ = case_library(folder, new, start=1000)
        placed = (queries, np.tile(corner[0], (new, 1)).astype(np.float32), library.nearest(queries, 10))
    return map_points(embedded, nearest, placed), measure_map(embedded, nearest), facts


def write(folder, path, *, pictures=2000, colour_by=None, **options):
    points, quality, facts = mapped(folder, **options)
    columns = map_columns(points.cases, colour_by)
    write_embedding_page(points, columns, quality, facts, path, title=f"Map of {HOSTILE}", pictures=pictures)


def test_columns_that_tell_images_apart_can_colour_them(folder):
    points, _, _ = mapped(folder)
    cases = points.cases.with_columns(camera=pl.Series([f"c{n % 20}" for n in range(60)]), note=pl.lit("the same"))
    columns = {each.name: each for each in map_columns(cases)}
    assert list(columns) == ["named_diagnosis", "answer_is", "sex", "age_approx", "anatom_site"]
    assert columns["age_approx"].numbers is not None
    assert columns["anatom_site"].values == ("Head and neck", "Trunk")
    assert [columns["named_diagnosis"].values[code] for code in columns["named_diagnosis"].codes] == (
        cases["named_diagnosis"].to_list()
    )
    asked = map_columns(cases.with_columns(camera=pl.Series([f"c{n % 15}" for n in range(60)])), "camera")[0]
    assert asked.name == "camera"
    assert len(asked.values) == 14
    assert asked.values[-1] == OTHERS
    assert (asked.codes == 13).sum() == 8
    signed = signs(asked)
    assert len(set(signed)) == len(signed)
    assert signed[-1][1] == "."


def test_a_column_that_cannot_colour_is_refused(folder):
    points, _, _ = mapped(folder)
    with pytest.raises(ManifestError, match="column nothing is missing"):
        map_columns(points.cases, "nothing")
    with pytest.raises(CutisError, match="a value of its own for nearly every image"):
        map_columns(points.cases, "lesion_id")


def test_the_table_holds_places_and_what_can_colour_them(folder):
    points, _, _ = mapped(folder, new=4, dimensions=3)
    table = embedding_table(points, map_columns(points.cases), only_new=False)
    assert table.columns[:6] == ["source", "image_id", "x", "y", "z", "named_diagnosis"]
    assert len(table) == 64
    new = embedding_table(points, map_columns(points.cases), only_new=True)
    assert new["image_id"].to_list() == [f"i{n}" for n in range(1000, 1004)]


def test_rare_names_are_all_in_before_the_common_ones(folder):
    names = ["a"] * 90 + ["b"] * 5 + [None] * 5
    rows = round_robin(names, 20, first=np.array([3]))
    assert rows[0] == 3
    assert {*range(90, 100)} < set(rows)
    assert len(rows) == 20
    assert sorted(round_robin(names, 1000, first=np.array([], dtype=np.int64))) == list(range(100))


def test_the_page_says_what_was_measured_and_what_not_to_read_into_it(folder, tmp_path):
    write(folder, tmp_path / "map.html", new=3, pictures=10, seen="image")
    page = (tmp_path / "map.html").read_text()
    words = " ".join(re.sub(r"<[^>]+>", " ", page.split("<main>")[1].split("<script")[0]).split())
    assert "Distances between far groups mean nothing." in words
    assert re.search(r"Neighbours with the same diagnosis 100% .* 32% would be chance", words)
    assert "10 pictures of 63 points are in this page" in words
    assert "perplexity 12.5" in words
    assert "The model learnt from 60 of these 63 images" in page
    assert "Research software, not a medical device." in page
    assert "<script>document" not in page


def test_phantoms_are_called_drawings(folder, tmp_path):
    from cutis.data import PHANTOM_SOURCE

    write(folder, tmp_path / "map.html", source=PHANTOM_SOURCE)
    assert "60 images of these are drawings" in (tmp_path / "map.html").read_text()


def test_a_missing_picture_takes_nothing_from_the_page(folder, tmp_path):
    points, quality, facts = mapped(folder)
    lost = points.cases.with_columns(image_path=pl.lit(str(tmp_path / "gone.png")))
    object.__setattr__(points, "cases", lost)
    write_embedding_page(points, map_columns(lost), quality, facts, tmp_path / "map.html")
    assert "0 pictures of 60 points" in (tmp_path / "map.html").read_text()
    assert len(write_embedding_figures(points, map_columns(lost)[0], tmp_path)) == 3


@pytest.mark.parametrize(("dimensions", "colour_by"), [(2, None), (3, "age_approx")])
def test_figures_are_drawn_and_are_the_same_twice(folder, tmp_path, dimensions, colour_by):
    points, _, _ = mapped(folder, dimensions=dimensions, new=3)
    column = map_columns(points.cases, colour_by)[0]
    files = write_embedding_figures(points, column, tmp_path / "a")
    assert [each.name for each in files] == ["embedding.svg", "embedding.pdf", "embedding.png"]
    again = write_embedding_figures(points, column, tmp_path / "b")
    assert [each.read_bytes() for each in files] == [each.read_bytes() for each in again]
    svg = files[0].read_text()
    assert "</svg>" in svg
    assert svg.count("<image") >= 6  # example pictures
    with Image.open(files[2]) as image:
        ink = (np.asarray(image.convert("L")) < 250).mean()
    assert 0.03 < ink < 0.7


def test_three_dimensions_on_paper_keep_what_is_near_before_what_is_far():
    places, depth = seen_from_one_side(np.array([[0.0, 0, 0], [3, -5, 0], [-3, 5, 0], [0, 0, 1]]))
    assert places.shape == (4, 2)
    assert depth.argmax() == 1
    assert depth.argmin() == 2
    assert places[3, 1] > places[0, 1]


def test_similar_cases_side_by_side(folder, tmp_path):
    library, _ = case_library(folder, seen="lesion")
    queries, _ = case_library(folder, 3, start=1000)
    write_similar_page(library, queries, library.nearest(queries, 4), tmp_path / "similar.html", most=2)
    page = (tmp_path / "similar.html").read_text()
    assert page.count("<section") == 2
    assert "Of these 4: 4 Melanoma." in page
    assert "The first 2 of 3 queries are shown" in page
    assert page.count("seen in training") == 8
    assert "no diagnosis of the query" in page
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page
    assert "<script" not in page


@pytest.fixture
def visit(browser, folder, tmp_path):
    """Opens the page; at the end of the test it must have asked for nothing and complained of nothing."""
    contexts, complaints = [], []

    def opened(width=1200, height=900, java_script=True, touch=False, scheme="light", **options):
        path = tmp_path / "map.html"
        write(folder, path, **options)
        context = browser.new_context(
            viewport={"width": width, "height": height},
            java_script_enabled=java_script,
            has_touch=touch,
            color_scheme=scheme,
        )
        contexts.append(context)
        context.set_default_timeout(60_000)  # a busy machine is no fault of the page
        page = context.new_page()
        ours = ("data:image/jpeg;base64,", path.as_uri())
        page.on("request", lambda each: complaints.append(each.url) if not each.url.startswith(ours) else None)
        page.on("console", lambda each: complaints.append(each.text))
        page.on("pageerror", lambda each: complaints.append(str(each)))
        page.goto(path.as_uri())
        return page

    yield opened
    for each in contexts:
        each.close()
    assert complaints == []


def colours(page):
    """How many different colours the canvas shows at full strength."""
    return page.evaluate(
        """() => { const c = document.getElementById("map-canvas"), k = document.createElement("canvas");
        k.width = c.width; k.height = c.height;
        const pen = k.getContext("2d", {willReadFrequently: true}); pen.drawImage(c, 0, 0);
        const d = pen.getImageData(0, 0, c.width, c.height).data;
        const seen = {}; for (let n = 0; n < d.length; n += 4) { const k = d.slice(n, n + 3).join(); seen[k] = (seen[k] || 0) + 1; } return seen; }"""  # noqa: E501
    )


def frame(page):
    """Wait until what was asked to be drawn is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


BLUE, ORANGE, GREEN = "0,114,178", "230,159,0", "0,158,115"


def test_the_legend_colours_and_filters(visit):
    page = visit()
    frame(page)
    before = colours(page)
    assert all(before.get(each, 0) > 100 for each in (BLUE, ORANGE, GREEN))
    page.get_by_role("button", name="Melanoma").click()
    frame(page)
    assert page.get_by_role("button", name="Melanoma").get_attribute("aria-pressed") == "false"
    assert min(before[each] for each in (BLUE, ORANGE, GREEN)) > 0
    assert sum(colours(page).get(each, 0) > 100 for each in (BLUE, ORANGE, GREEN)) == 2
    assert page.locator("#map-page").inner_text() == "1 to 25 of 40"
    page.get_by_role("button", name="Show all").click()
    assert page.locator("#map-page").inner_text() == "1 to 25 of 60"


def test_any_column_can_colour(visit):
    page = visit(new=2)
    told = page.locator("#map-colour option").all_text_contents()
    assert told == ["Diagnosis", "Answer against diagnosis", "Sex", "Age", "Site"]
    page.select_option("#map-colour", "sex")
    assert page.locator("#map-legend button span").all_text_contents() == ["female", "male"]
    page.select_option("#map-colour", "age_approx")
    assert page.locator("#map-legend .scale > span").all_text_contents() == ["30", "69", "not recorded: 10"]


def test_an_image_is_found_shown_and_its_like_beside_it(visit):
    page = visit()
    page.fill("#map-find", "i10")
    page.press("#map-find", "Enter")
    chosen = page.locator("#map-chosen")
    assert chosen.locator("h3").inner_text() == "i10"
    assert chosen.locator("> img").evaluate("(img) => img.complete && img.naturalWidth > 0")
    near = chosen.locator(".nearest button")
    assert near.count() == 5
    assert all("Nevus" in each for each in near.all_inner_texts())
    name = near.first.locator("small").inner_text().split(" · ")[0]
    near.first.click()
    assert chosen.locator("h3").inner_text() == name
    page.fill("#map-find", "nowhere")
    page.press("#map-find", "Enter")
    assert "No image on this page" in page.locator("#map-found").inner_text()


def test_ids_and_names_are_only_words(visit):
    page = visit()
    page.fill("#map-find", HOSTILE[:20])
    page.press("#map-find", "Enter")
    assert page.locator("#map-chosen h3").inner_text().startswith("</script>")
    assert "hacked" not in page.title().split("Map of")[0]
    assert page.locator("#map-chosen b").count() == 0


def test_the_mouse_points_chooses_zooms_and_moves(visit):
    page = visit()
    canvas = page.locator("#map-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    axes = page.evaluate("() => JSON.parse(document.getElementById('map-data').textContent).axes")
    extent = [max(abs(each) for each in axis) for axis in axes]
    unit = min((box["width"] - 42) / 2 / extent[0], (box["height"] - 42) / 2 / extent[1])
    x, y = box["x"] + box["width"] / 2 + axes[0][0] * unit, box["y"] + box["height"] / 2 - axes[1][0] * unit
    page.mouse.move(x, y)
    assert page.locator("#map-tip").is_visible()
    pointed = page.locator("#map-tip b").inner_text()
    page.mouse.click(x, y)
    assert page.locator("#map-chosen h3").inner_text() == pointed
    page.mouse.move(5, 5)
    frame(page)
    assert not page.locator("#map-tip").is_visible()
    before = colours(page)
    canvas.focus()
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    page.mouse.down()
    page.mouse.move(x + 150, y + 40, steps=3)
    page.mouse.up()
    page.mouse.move(5, 5)
    frame(page)
    assert colours(page) != before
    page.get_by_role("button", name="Whole map").click()
    page.mouse.move(5, 5)
    frame(page)
    assert colours(page) == before


def test_keys_reach_every_image(visit):
    page = visit()
    page.locator("#map-canvas").focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Shift+ArrowLeft", "+", "-", "0"):
        page.keyboard.press(key)
    assert page.locator("#map-tip").is_visible()
    pointed = page.locator("#map-tip b").inner_text()
    assert pointed in page.locator("#map-canvas").get_attribute("aria-label")
    page.keyboard.press("Enter")
    assert page.locator("#map-chosen h3").inner_text() == pointed
    page.keyboard.press("Escape")
    assert page.locator("#map-chosen").inner_text() == "No image is chosen."


def test_three_dimensions_turn(visit):
    page = visit(dimensions=3)
    frame(page)
    before = colours(page)
    page.get_by_role("button", name="Turn to the left").click()
    frame(page)
    assert colours(page) != before
    page.locator("#map-canvas").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    frame(page)
    assert colours(page) == before


def test_the_table_goes_page_by_page_and_leads_to_the_map(visit):
    page = visit()
    assert page.locator("#map-rows tr").count() == 25
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    assert page.locator("#map-page").inner_text() == "51 to 60 of 60"
    assert page.get_by_role("button", name="Next").is_disabled()
    button = page.locator("#map-rows button").first
    name = button.inner_text()
    button.click()
    assert page.locator("#map-chosen h3").inner_text() == name


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_runs_out_of_the_page(visit, width):
    page = visit(width=width, height=800, touch=width < 500, new=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#map-canvas").bounding_box()
    assert box["height"] < 0.8 * 800
    if width < 500:
        page.locator("#map-canvas").scroll_into_view_if_needed()
        box = page.locator("#map-canvas").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + 20)
        assert page.locator("#map-canvas").evaluate("(each) => each.style.touchAction") == "pan-y"


def test_in_the_dark_the_map_is_dark(visit):
    page = visit(scheme="dark")
    frame(page)
    seen = colours(page)
    assert max(seen, key=seen.get) == "18,23,26"


def test_without_a_script_the_figures_are_there(visit):
    page = visit(java_script=False)
    assert "embedding.png" in page.locator("noscript p").inner_text()
    assert page.locator("table").first.is_visible()
    assert not page.locator("#map-canvas").is_visible()


def test_data_of_the_page_can_be_read_by_another(folder, tmp_path):
    write(folder, tmp_path / "map.html", new=1)
    held = re.search(
        r'<script id="map-data" type="application/json">(.*?)</script>', (tmp_path / "map.html").read_text()
    )
    data = json.loads(held.group(1))
    assert len(data["ids"]) == len(data["axes"][0]) == len(data["near"]) == 61
    assert data["new"] == [60]
    assert max(abs(each) for axis in data["axes"] for each in axis) == 1
    assert all(other != n for n, row in enumerate(data["near"]) for other in row)
