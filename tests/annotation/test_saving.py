"""Saving: versions, two tabs, two annotators, the curator; what is refused."""

import threading

import pytest
from pydantic import ValidationError

from cutis.annotation.content import Annotation, Size, checked_annotation
from cutis.annotation.errors import AccessError, AnnotationError, ConflictError
from cutis.annotation.history import image_history, verify
from cutis.annotation.saving import annotated_image, save

from .conftest import START, box


def test_a_second_tab_is_refused_and_nothing_is_overwritten(room):
    room.save("A", 1, node="nevus")
    with pytest.raises(ConflictError, match="version 1, yours began from 0") as refused:
        room.save("A", 1, version=0, node="melanoma")
    assert refused.value.version == 1
    assert annotated_image(room.library, room.people["A"], 1).mine.annotation.node == "nevus"
    assert room.save("A", 1, version=1, node="melanoma").version == 2
    told = image_history(room.library, "IMAGE0")
    assert [(each.version, each.changes) for each in told] == [
        (1, ("diagnosis: Nevus",)),
        (2, ("diagnosis: Melanoma",)),
    ]


def test_to_save_the_same_again_changes_nothing_whatever_the_version(room):
    first = room.save("A", 1, node="nevus", quality=["hair", "blurred", "hair"], note=" a\r\nb ")
    assert first.annotation == Annotation(node="nevus", quality=("blurred", "hair"), note="a\nb")
    again = room.save("A", 1, version=0, node="nevus", quality=["blurred", "hair"], note="a\nb")
    assert (again.version, again.at) == (1, first.at)
    assert len(image_history(room.library, "IMAGE0")) == 1


def test_of_many_at_once_one_is_saved(room):
    outcomes = []

    def work(k):
        try:
            outcomes.append(save(room.library, room.people["A"], 1, Annotation(note=str(k)), START, version=0).version)
        except ConflictError:
            outcomes.append("refused")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(map(str, outcomes)) == ["1", *["refused"] * 7]
    verify(room.library)


def test_annotators_never_see_each_other_and_the_curator_sees_both(room):
    room.save("A", 1, node="nevus", note="from A")
    room.save("B", 1, node="melanoma")
    for name, other in (("A", "B"), ("B", "A")):
        seen = annotated_image(room.library, room.people[name], 1)
        assert seen.mine.person.name == name
        assert (seen.others, seen.state, seen.settlement) == ((), None, None)
        assert f"from {other}" not in repr(seen)
    seen = annotated_image(room.library, room.people["K"], 1)
    assert [each.person.name for each in seen.others] == ["A", "B"]
    assert seen.state == "disagreed"


def test_an_adjudication_rests_on_what_the_curator_saw(room):
    room.save("A", 1, node="nevus")
    room.save("B", 1, node="melanoma")
    seen = {"A": 1, "B": 1}
    room.save("B", 1, node="nevus")
    with pytest.raises(ConflictError, match="an annotator has saved in the meantime"):
        save(room.library, room.people["K"], 1, Annotation(node="nevus"), room.now, version=0, rests_on=seen)
    room.save("K", 1, node="melanoma")
    room.save("A", 1, node="seborrheic-keratosis")  # an annotator may still change theirs: the adjudication stands
    found = annotated_image(room.library, room.people["K"], 1)
    assert (found.state, found.settlement.annotation.node) == ("adjudicated", "melanoma")
    assert found.mine.rests_on == {"A": 1, "B": 2}
    assert room.save("K", 1, node="melanoma").version == 2  # the same again, but on what stands now
    verify(room.library)


def test_a_blind_library_hides_what_the_manifest_says_from_annotators(blind_room):
    assert annotated_image(blind_room.library, blind_room.people["A"], 1).given == Annotation()
    assert annotated_image(blind_room.library, blind_room.people["K"], 1).given.node == "melanoma"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"boxes": [box(left=-1)]}, r"box 1 reaches outside of the image \(64 × 48 pixels\)"),
        ({"boxes": [box(), box(left=50)]}, "box 2 reaches outside"),
        ({"boxes": [box(top=40)]}, "reaches outside"),
        ({"boxes": [box(width=0)]}, "box 1 is smaller than a pixel"),
        ({"boxes": [box(height=-3)]}, "smaller than a pixel"),
        ({"boxes": [box(), box()]}, "box 2 is drawn twice"),
        ({"node": "'; DROP TABLE annotation_images; --"}, "is not in the tree of diagnoses"),
        ({"confirm_type": "a guess"}, "is not ISIC's word"),
        ({"quality": ["ugly"]}, "'ugly' is no quality tag"),
        ({"note": "a\x00b"}, "control characters"),
        ({"node": "x", "boxes": [box(left=99)]}, "outside.*; 'x' is not in the tree"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_saved(room, fields, told):
    with pytest.raises(AnnotationError, match=told) as refused:
        room.save("A", 1, **fields)
    assert "\n" not in str(refused.value)
    assert image_history(room.library, "IMAGE0") == []


def test_what_no_form_sends_is_no_annotation():
    for given in (
        {"boxes": [{"left": 1.5, "top": 0, "width": 1, "height": 1}]},
        {"boxes": [{"left": True, "top": 0, "width": 1, "height": 1}]},
        {"boxes": [{"left": 0, "top": 0, "width": 1, "height": 1, "right": 2}]},
        {"boxes": [box(left=k) for k in range(51)]},
        {"note": "x" * 2001},
        {"person": "B"},
    ):
        with pytest.raises(ValidationError):
            Annotation.model_validate(given)
    with pytest.raises(AnnotationError, match="more than 50 boxes"):
        checked_annotation(
            Annotation().model_copy(update={"boxes": tuple(box(left=k) for k in range(51))}), Size(99, 99)
        )


def test_sql_and_html_in_a_note_are_text(room):
    note = "Robert'); DROP TABLE annotation_kept;-- <script>alert(1)</script> {{7*7}} %s"
    assert room.save("A", 1, note=note).annotation.note == note
    assert annotated_image(room.library, room.people["A"], 1).mine.annotation.note == note


def test_an_image_that_is_not_there_is_refused(room):
    for image in (0, -1, 7, 2**40, 10**30):
        with pytest.raises(AccessError, match="there is no image"):
            room.save("A", image)
