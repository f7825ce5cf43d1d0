"""Filters, pages, neighbours and counts; quick with 100,000 images."""

import time

import pytest

from cutis.annotation.browse import NO_DIAGNOSIS, Filters, diagnosis_counts, facets, images_page, place_of
from cutis.annotation.database import open_database
from cutis.annotation.library import Library, fill
from cutis.annotation.people import list_people
from cutis.annotation.search import search_diagnoses
from cutis.taxonomy import shipped_taxonomy

from .conftest import NODES, START


def ids(room, name, size=60, page=1, **filters):
    return [each.id for each in images_page(room.library, room.people[name], Filters(**filters), page, size).images]


def test_a_diagnosis_includes_all_below_it(room):
    assert ids(room, "A", node="benign") == [2, 3, 5, 6]
    assert ids(room, "A", node="malignant") == [1, 4]
    assert ids(room, "A", node="melanoma-in-situ") == []
    counts = diagnosis_counts(room.library, room.people["A"], Filters(source="here"))
    assert (counts["benign"], counts["malignant"], counts["nevus"]) == (2, 1, 1)
    assert ids(room, "A", source="here", image_type="dermoscopic", confirm_type="histopathology") == [2, 4, 6]
    assert facets(room.library) == {"source": ["here", "there"], "image_type": ["dermoscopic"]}


def test_each_sees_by_their_own_annotations(room):
    room.save("A", 1, node="nevus", quality=["hair"])
    room.save("A", 2, quality=["not a lesion"])
    room.save("B", 1, node="melanoma", quality=["blurred"])
    assert ids(room, "A", node="nevus") == [1, 5]
    assert ids(room, "A", node=NO_DIAGNOSIS) == [2]
    assert ids(room, "B", node="melanoma") == [1, 4]
    assert (ids(room, "A", progress="to do"), ids(room, "A", progress="done")) == ([3, 4, 5, 6], [1, 2])
    assert (ids(room, "A", quality="hair"), ids(room, "A", quality="blurred")) == ([1], [])
    assert ids(room, "A", confirm_type="histopathology") == [3, 4, 5, 6]
    assert {each.state for each in images_page(room.library, room.people["A"], Filters(), 1).images} == {None}


def test_an_annotator_cannot_ask_for_the_others_work_by_a_filter(room):
    room.save("B", 1, node="nevus")
    for progress in ("untouched", "one", "agreed", "disagreed", "adjudicated"):
        assert ids(room, "A", progress=progress) == []


def test_the_curator_sees_states_and_what_is_settled(room):
    room.save("A", 1, node="nevus", quality=["hair", "ink"])
    assert ids(room, "K", progress="one") == [1]
    room.save("B", 1, node="nevus", quality=["ink"])
    room.save("A", 2, node="nevus")
    room.save("B", 2, node="melanoma")
    assert (ids(room, "K", progress="agreed"), ids(room, "K", progress="disagreed")) == ([1], [2])
    assert (ids(room, "K", quality="ink"), ids(room, "K", quality="hair")) == ([1], [])
    assert ids(room, "K", node="nevus") == [1, 2, 5]  # 2 is open: what the manifest says
    room.save("K", 2, node="melanoma")
    assert (ids(room, "K", progress="adjudicated"), ids(room, "K", node="melanoma")) == ([2], [2, 4])


def test_a_blind_library_is_not_searched_by_what_the_manifest_says(blind_room):
    assert ids(blind_room, "A", node="melanoma") == []
    assert ids(blind_room, "A", node=NO_DIAGNOSIS) == [1, 2, 3]
    assert diagnosis_counts(blind_room.library, blind_room.people["A"], Filters()) == {NO_DIAGNOSIS: 3}
    assert ids(blind_room, "A", confirm_type="histopathology") == []
    assert ids(blind_room, "K", node="melanoma") == [1]


def test_pages_and_neighbours(room):
    person = room.people["A"]
    pages = [images_page(room.library, person, Filters(), number, 4) for number in (1, 2, 99)]
    assert [[each.id for each in page.images] for page in pages] == [[1, 2, 3, 4], [5, 6], [5, 6]]
    assert (pages[2].number, pages[2].pages, pages[2].total) == (2, 2, 6)
    assert place_of(room.library, person, Filters(source="here"), 4) == (2, 6, 2, 3)
    assert place_of(room.library, person, Filters(source="here"), 3) == (2, 4, 0, 3)
    assert place_of(room.library, person, Filters(), 1) == (None, 2, 1, 6)


@pytest.mark.slow
def test_paging_is_quick_with_100_000_images(tmp_path):
    leaves = shipped_taxonomy().leaves[:200]
    rows = [
        {
            "image_id": f"I{k}", "image_path": f"/photographs/{k}.jpg", "width": 600, "height": 450,
            "source": f"s{k % 3}", "image_type": "dermoscopic", "node": leaves[k % 200],
            "confirm_type": "histopathology", "box": [1, 2, 3, 4], "cluster": f"p{k // 3}",
        }
        for k in range(100_000)
    ]  # fmt: skip
    database = open_database(tmp_path / "library.db")
    people = [{"name": "A", "role": "annotator"}, {"name": "B", "role": "annotator"}, {"name": "K", "role": "curator"}]
    settings = {"title": "T", "blind": False, "iou": 0.5}
    database.write(lambda connection: fill(connection, rows, people, settings, "0" * 64, START))
    library = Library(tmp_path, database, "0" * 32, "T", blind=False, iou=0.5)
    slowest = 0.0
    for person in list_people(database)[1:]:
        for filters in (Filters(), Filters(node="benign", source="s1"), Filters(progress="to do")):
            before = time.process_time()
            found = images_page(library, person, filters, 500)
            place_of(library, person, filters, 50_000)
            diagnosis_counts(library, person, filters)
            slowest = max(slowest, time.process_time() - before)
            assert len(found.images) == 60
    database.close()
    assert slowest < 2


def found(typed):
    return [(each.node, each.matched) for each in search_diagnoses(typed)]


def test_a_diagnosis_is_found_by_name_synonym_and_code():
    assert found("melanoma")[0] == ("melanoma", "")
    assert found("BOWEN-disease")[0] == ("bowen-disease", "")
    assert found("bowen")[0] == ("bowen-disease", "")
    assert found("carc basal")[0] == ("basal-cell-carcinoma", "")
    assert ("melanoma", "ICD-10-CM C43") in found("c43")
    assert found("2C30.0")[0] == found("2c300")[0] == ("melanoma-invasive-superficial-spreading", "ICD-11 2C30.0")
    assert found("melnoma")[0][0] == "melanoma"  # a near miss, where nothing fits
    assert all(each in shipped_taxonomy() for each, _ in found("a"))
    assert found("") == found("   ") == found("%%%###") == []


def test_every_diagnosis_is_found_by_each_of_its_names_synonyms_and_codes():
    for node in list(shipped_taxonomy())[::40]:
        for word in (node.name, *node.synonyms):
            assert node.id in [each.node for each in search_diagnoses(word, 3)], word
        for code in (*node.icd10cm, *node.icd11):
            assert node.id in [each.node for each in search_diagnoses(code, 2000)], code


def test_the_nodes_of_the_test_library_are_in_the_tree():
    assert all(each in shipped_taxonomy() for each in NODES)
