"""The page of the tree: one file, nothing from outside, the whole tree, and a chart that answers to mouse and keys."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cutis.errors import TaxonomyError
from cutis.report.taxonomy_page import KINDS, write_taxonomy_page
from cutis.taxonomy import Node, Taxonomy, shipped_taxonomy

CSS = Path(__file__).parents[2] / "src/cutis/report/templates/taxonomy.css"
TREE = shipped_taxonomy()
COUNTS = {"nevus": 600, "nevus-blue": 100, "melanoma": 300, "psoriasis": 50, "basal-cell-carcinoma": 0}


class Page(HTMLParser):
    """Checks nesting, and collects tags, words, and the nested list."""

    VOID = ("meta", "input", "br", "link")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside: dict[str, str | None] = {}  # node → the node in whose list it stands
        self._nodes: list[str | None] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in self.VOID:
            return
        if tag == "li":
            self._nodes.append(None)
        elif tag == "a" and self._nodes:
            node = dict(attrs)["href"].removeprefix("#")
            assert node not in self.inside
            self.inside[node] = next((each for each in reversed(self._nodes[:-1]) if each), None)
            self._nodes[-1] = node
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "li":
            self._nodes.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def written(folder: Path, taxonomy: Taxonomy = TREE, **options) -> str:
    write_taxonomy_page(taxonomy, folder / "tree.html", **options)
    return (folder / "tree.html").read_text(encoding="utf-8")


def data_of(html: str) -> dict:
    return json.loads(re.search(r'<script id="tax-data" type="application/json">(.*?)</script>', html, re.S)[1])


def test_it_is_one_wellformed_file_that_may_ask_for_nothing(tmp_path):
    html = written(tmp_path)
    page = Page(html)
    assert not page.all("link")
    assert not page.all("img")
    assert not any("src" in attributes or "style" in attributes for _, attributes in page.tags)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert all(each["href"].startswith("#") for each in page.all("a"))
    assert not re.search(r"url\(|@import", html)
    policy = page.all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert len(html) < 1_000_000
    assert "Research software, not a medical device" in page.text
    assert "need a script" in page.text  # for whoever has turned it off


def test_the_list_is_the_whole_tree_nested_as_the_tree_is(tmp_path):
    page = Page(written(tmp_path))
    assert page.inside == {node.id: node.parent for node in TREE}
    for name in ("Melanoma in situ", "Psoriasis"):
        assert name in page.text
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {each["for"] for each in page.all("label") if "for" in each} <= set(ids)


def test_colours_tell_malignancy_and_set_apart_what_is_no_neoplasm(tmp_path):
    kinds = {each["id"]: each["kind"] for each in data_of(written(tmp_path))["nodes"]}
    assert set(kinds.values()) == set(KINDS)
    assert kinds["nevus"] == "benign"
    assert kinds["melanoma"] == "malignant"
    assert kinds["actinic-keratosis"] == "premalignant"
    assert kinds["psoriasis"] == "non-neoplastic"
    # Benign in the tree alone is not enough: what stands under non-neoplastic and is premalignant stays so.
    above = {node.id for node in TREE if node.malignancy == "premalignant" and "non-neoplastic" in TREE.path(node.id)}
    assert above
    assert {kinds[each] for each in above} == {"premalignant"}


def test_images_are_counted_at_a_node_and_with_all_below(tmp_path):
    html = written(tmp_path, counts=COUNTS, notes=["2 rows have no node."], start="melanoma")
    text = Page(html).text
    assert "1,050 images are counted." in text
    assert "2 rows have no node." in text
    assert re.search(r"\bNevus benign · risk low · D22, 2F20 · 700 images, 600 of them labelled here", text)
    data = data_of(html)
    assert (data["counted"], data["start"]) == (True, "melanoma")
    assert {each["id"]: each["images"] for each in data["nodes"] if each["images"]} == {
        node: images for node, images in COUNTS.items() if images
    }
    assert not data_of(written(tmp_path))["counted"]


def test_words_of_a_tree_cannot_become_markup(tmp_path):
    attack = "</script><script>alert(1)</script>\"'&"
    node = Node(id="a", name=attack, synonyms=(attack,), note=attack, malignancy="benign", sources=("s",))
    html = written(tmp_path, Taxonomy([node], attack, {"s": attack}), notes=[attack])
    assert html.count("<script") == 2
    assert data_of(html)["nodes"][0]["name"] == attack
    Page(html)


def test_wrong_counts_and_starts_are_refused_and_leave_the_old_page(tmp_path):
    (tmp_path / "tree.html").write_text("old")
    for options, told in [
        ({"counts": {"melanomma": 3}}, "Did you mean melanoma"),
        ({"start": "nonesuch-at-all"}, "no diagnosis is called"),
        ({"counts": {"nevus": -1}}, "negative"),
    ]:
        with pytest.raises(TaxonomyError, match=told):
            write_taxonomy_page(TREE, tmp_path / "tree.html", **options)
    assert (tmp_path / "tree.html").read_text() == "old"


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_names_can_be_read_on_every_colour(scheme):
    blocks = dict(zip(("light", "dark", "print"), re.findall(r":root \{(.*?)\}", CSS.read_text(), re.S), strict=True))
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme]))
    assert set(KINDS) < set(colours)
    for kind in KINDS:
        lighter, darker = sorted((_luminance(colours["ink"]), _luminance(colours[kind])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, kind


# ---- in a browser


@pytest.fixture
def visit(browser, tmp_path):
    """Opens the page; at the end of the test it must have asked for nothing and complained of nothing."""
    contexts, complaints = [], []

    def opened(width=1280, height=900, address="", java_script=True, **options):
        written(tmp_path, **options)
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", java_script_enabled=java_script
        )
        contexts.append(context)
        context.set_default_timeout(60_000)  # a busy machine is no fault of the page
        page = context.new_page()
        file = (tmp_path / "tree.html").as_uri()
        page.on("request", lambda each: complaints.append(each.url) if each.url.partition("#")[0] != file else None)
        page.on("console", lambda each: complaints.append(each.text))
        page.on("pageerror", lambda each: complaints.append(str(each)))
        page.goto(file + address)
        return page

    yield opened
    for each in contexts:
        each.close()
    assert complaints == []


def segment(page, node):
    return page.locator(f'.arc[data-id="{node}"]')


def headed(page, start):
    """The heading begins so, at once or when the browser has told the page of its new address."""
    page.locator("#tax-details h2", has_text=re.compile(f"^{re.escape(start)}")).wait_for()


def centre(page):
    return " ".join(page.locator(".chart text.middle").all_text_contents())


def test_a_click_zooms_in_and_the_centre_goes_back(visit):
    page = visit()
    assert centre(page) == "All diagnoses 1,144 diagnoses"
    assert segment(page, "subungual-melanoma").count() == 0  # too deep to be seen from the top
    segment(page, "malignant").click()
    headed(page, "Malignant")
    assert segment(page, "benign").count() == 0
    assert "‹ back" in centre(page)
    segment(page, "malignant-melanoma").click()
    assert page.url.endswith("#malignant-melanoma")
    segment(page, "malignant-melanoma").click()
    headed(page, "Malignant")
    page.go_back()
    headed(page, "Malignant melanocytic proliferation")
    segment(page, "malignant-melanoma").click()
    segment(page, "malignant").click()
    headed(page, "All diagnoses")
    assert segment(page, "benign").count() == 1


def test_a_leaf_is_shown_without_zooming_into_it(visit):
    page = visit(address="#melanoma-in-situ")
    segment(page, "lentigo-maligna").click()
    headed(page, "Melanoma in situ, Lentigo maligna type")
    assert centre(page).startswith("Melanoma in situ")
    assert page.locator(".arc.chosen").get_attribute("data-id") == "lentigo-maligna"


def test_it_is_worked_by_keys_alone(visit):
    page = visit()
    page.locator("#tax-search").focus()
    page.keyboard.press("Tab")
    focused = "document.activeElement.dataset.id"
    assert page.evaluate(focused) == ""
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "benign"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "malignant"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Malignant · malignant · 205 diagnoses"
    page.keyboard.press("Enter")
    headed(page, "Malignant")
    assert page.evaluate(focused) == "malignant"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == TREE.children("malignant")[-1]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    headed(page, "All diagnoses")
    assert page.locator(".arc[tabindex='0']").count() == 1


@pytest.mark.parametrize(
    ("typed", "node"),
    [
        ("bowens disease", "bowen-disease"),
        ("NAEVUS", "nevus"),
        ("c43.5", "melanoma"),  # the tree has the category, C43
        ("2C30", "melanoma"),
        ("sjogren", "sjogren-syndrome"),
    ],
)
def test_the_search_finds_synonyms_and_codes(visit, typed, node):
    page = visit()
    page.locator("#tax-search").fill(typed)
    offered = [each.get_attribute("href") for each in page.locator("#tax-results a").all()]
    assert f"#{node}" in offered[:3]
    page.locator("#tax-search").press("Enter")
    assert page.url.endswith(offered[0])
    assert page.locator("#tax-results").is_hidden()


def test_the_search_says_when_nothing_is_found_and_is_worked_by_arrows(visit):
    page = visit()
    page.locator("#tax-search").fill("qqqq")
    assert page.locator("#tax-found").inner_text() == "Nothing is called so."
    page.locator("#tax-search").fill("melanoma")
    assert re.fullmatch(r"\d+ found, the first 12 are shown", page.locator("#tax-found").inner_text())
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = page.locator("#tax-results a").nth(1).get_attribute("href")
    page.keyboard.press("Enter")
    assert page.url.endswith(second)


def test_details_tell_what_is_known(visit):
    page = visit(counts=COUNTS, start="nevus")
    pane = page.locator("#tax-details")
    text = pane.inner_text()
    for told in ("risk grade: low", "700 at and below it, 600 labelled at it", "D22", "2F20", "naevus", "melanocytic"):
        assert told in text
    path = pane.locator(".path a").all_inner_texts()
    assert path == ["All diagnoses", *[TREE[each].name for each in TREE.ancestors("nevus")[::-1]]]
    assert pane.locator(".below a").all_inner_texts() == [TREE[each].name for each in TREE.children("nevus")]
    pane.locator(".below a", has_text="Blue nevus").click()
    headed(page, "Blue nevus")


def test_the_size_of_segments_can_be_changed(visit):
    page = visit(counts=COUNTS)
    assert segment(page, "genodermatoses").count() == 0  # no images
    nevi = segment(page, "benign").bounding_box()["height"]
    page.get_by_label("diagnoses", exact=True).check()
    assert segment(page, "genodermatoses").count() == 1
    assert segment(page, "benign").bounding_box()["height"] < nevi
    assert visit().locator(".size").is_hidden()  # nothing was counted


def test_images_with_no_finer_label_have_a_segment_of_their_own(visit):
    page = visit(counts=COUNTS, start="nevus")
    assert page.locator(".rest title").text_content() == "Nevus: 600 images labelled so and no finer"


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen(visit, width):
    page = visit(width=width, counts=COUNTS)
    for address in ("", "#inflammatory", "#melanoma"):
        page.evaluate(f"location.hash = '{address}'")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        chart = page.locator(".chart svg").bounding_box()
        assert chart["x"] >= 0
        assert chart["x"] + chart["width"] <= width
        sizes = page.evaluate(
            "[...document.querySelectorAll('.chart text')].map((each) => +each.getAttribute('font-size'))"
        )
        assert min(sizes) >= 11


def test_without_a_script_the_list_is_there(visit):
    page = visit(java_script=False)
    assert page.locator(".both").is_hidden()
    assert page.get_by_role("link", name="Melanoma in situ", exact=True).is_visible()
