"""Annotations out and in: manifest, Pascal VOC, COCO, Label Studio. Round trips lose nothing."""

import contextlib
import io
import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutis.annotation.coco import read_coco, write_coco
from cutis.annotation.content import Annotation, Box, Size
from cutis.annotation.errors import AnnotationError
from cutis.annotation.history import image_history, verify
from cutis.annotation.importing import import_annotations
from cutis.annotation.label_studio import read_label_studio
from cutis.annotation.labelled import Labelled, box_of_edges
from cutis.annotation.manifest_export import export_manifest
from cutis.annotation.pascal_voc import read_pascal_voc, write_pascal_voc
from cutis.annotation.saving import annotated_image
from cutis.annotation.settled_images import SettledImage, settled_images
from cutis.annotation.settlement import PARTS
from cutis.data import check_manifest, read_manifest

from .conftest import box

NOW = datetime(2031, 3, 1, tzinfo=UTC)


@st.composite
def images(draw):
    """Images with settled boxes, odd ids among them."""
    found = []
    names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
    for name in draw(st.lists(names, max_size=4, unique_by=str.casefold)):
        size = Size(draw(st.integers(1, 5000)), draw(st.integers(1, 5000)))
        drawn = []
        for _ in range(draw(st.integers(0, 3))):
            left, top = draw(st.integers(0, size.width - 1)), draw(st.integers(0, size.height - 1))
            width, height = draw(st.integers(1, size.width - left)), draw(st.integers(1, size.height - top))
            drawn.append(Box(left=left, top=top, width=width, height=height))
        node = draw(st.sampled_from([None, "nevus", "melanoma"]))
        said = Annotation(node=node, boxes=tuple(drawn))
        found.append(SettledImage(name, f"{name}.jpg", size, "agreed", PARTS, said))
    return found


quick = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(images())
def test_pascal_voc_comes_back_as_it_went(tmp_path, wanted):
    assert write_pascal_voc(wanted, tmp_path / "voc") == len(wanted)
    if not wanted:
        return
    back = {each.names[0]: each for each in read_pascal_voc(tmp_path / "voc")}
    for each in wanted:
        found = back[each.image_id]
        assert (found.size, found.boxes) == (each.size, each.boxes)
        assert found.words == (each.annotation.node or "lesion",) * len(each.boxes)


@quick
@given(images())
def test_coco_comes_back_as_it_went_and_pycocotools_reads_it(tmp_path, wanted):
    path = tmp_path / "boxes.json"
    write_coco(wanted, path, NOW, title="T")
    for each, found in zip(wanted, read_coco(path), strict=True):
        assert (found.names[0], found.size, found.boxes) == (each.image_id, each.size, each.boxes)
        assert set(found.words) <= {each.annotation.node or "lesion"}
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    with contextlib.redirect_stdout(io.StringIO()):
        read = coco.COCO(str(path))
    assert len(read.getImgIds()) == len(wanted)
    assert sorted(each["area"] for each in read.loadAnns(read.getAnnIds())) == sorted(
        drawn.width * drawn.height for each in wanted for drawn in each.boxes
    )


@quick
@given(images())
def test_label_studio_rectangles_come_back_to_the_pixel(tmp_path, wanted):
    tasks = [task(each.image_id, each.size, each.boxes, each.annotation.node) for each in wanted]
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks))
    if not tasks:
        return
    for each, found in zip(wanted, read_label_studio(path), strict=True):
        assert found.boxes == each.boxes
        assert found.names[0] == each.image_id
        assert found.words == ((each.annotation.node,) if each.annotation.node else ("lesion",) * len(each.boxes))


def task(image_id, size, drawn, choice=None, number=1, by=1, **value):
    results = [
        {
            "id": f"r{k}", "type": "rectanglelabels", "from_name": "box", "to_name": "image",
            "original_width": size[0], "original_height": size[1], "image_rotation": 0,
            "value": {
                "x": 100 * each.left / size[0], "y": 100 * each.top / size[1], "width": 100 * each.width / size[0],
                "height": 100 * each.height / size[1], "rotation": 0, "rectanglelabels": ["lesion"], **value,
            },
        }
        for k, each in enumerate(drawn)
    ]  # fmt: skip
    if choice:
        results.append({"id": "c", "type": "choices", "from_name": "diagnosis", "value": {"choices": [choice]}})
    said = {"id": 1, "completed_by": by, "was_cancelled": False, "result": results}
    return {"id": number, "data": {"image": "/data/upload/1/x", "image_id": image_id}, "annotations": [said]}


def test_voc_counts_from_one_and_a_file_that_counts_from_zero_is_named(room, tmp_path):
    for name in ("A", "B"):
        room.save(name, 1, node="nevus", boxes=[Box(left=0, top=0, width=64, height=48)])
    assert write_pascal_voc(settled_images(room.library), tmp_path / "voc") == 1
    xml = (tmp_path / "voc" / "IMAGE0.xml").read_text()
    for each in ("<xmin>1<", "<ymin>1<", "<xmax>64<", "<ymax>48<", "<filename>photo0.png<", "<name>nevus<"):
        assert each in xml
    (tmp_path / "voc" / "IMAGE0.xml").write_text(xml.replace("<xmin>1<", "<xmin>0<"))
    with pytest.raises(AnnotationError, match="IMAGE0.xml: box 1 begins at 0, and VOC counts from 1"):
        read_pascal_voc(tmp_path / "voc")
    assert read_pascal_voc(tmp_path / "voc", from_zero=True)[0].boxes[0] == Box(left=0, top=1, width=64, height=47)


def test_names_of_voc_files_stay_in_their_folder(tmp_path):
    wanted = [
        SettledImage(name, "x.jpg", Size(9, 9), "agreed", PARTS, Annotation())
        for name in ("../../etc/passwd", "..", "a/b", "C:\\x", "a%2Fb", "nul\u2028")
    ]
    write_pascal_voc(wanted, tmp_path / "voc")
    assert sorted(each.names[0] for each in read_pascal_voc(tmp_path / "voc")) == sorted(e.image_id for e in wanted)
    assert [each.name for each in tmp_path.iterdir()] == ["voc"]
    (tmp_path / "voc" / "notes.txt").write_text("mine")
    with pytest.raises(AnnotationError, match=r"other files, which would be lost: notes\.txt"):
        write_pascal_voc(wanted, tmp_path / "voc")


def test_hostile_and_broken_xml_is_refused(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><annotation><filename>&y;</filename></annotation>'
    outside = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
    box_of = "<annotation><object><name>n</name><bndbox>{}</bndbox></object></annotation>"
    good = "<xmin>1</xmin><ymin>1</ymin><xmax>{}</xmax><ymax>5</ymax>"
    for k, each in enumerate(
        [bomb, outside, "<annotation>", "", "<html/>", box_of.format(""), box_of.format(good.format("nan")),
         box_of.format(good.format("x")), box_of.format(good.format("0")), box_of.format(good.format("1e99"))]
    ):  # fmt: skip
        (tmp_path / f"{k}.xml").write_text(each)
    with pytest.raises(AnnotationError, match=r"10 files cannot be read: 0\.xml: is not plain XML"):
        read_pascal_voc(tmp_path)
    with pytest.raises(AnnotationError, match="does not exist"):
        read_pascal_voc(tmp_path / "gone.xml")


def test_a_manifest_holds_what_is_settled_and_lists_what_is_not(room, tmp_path):
    for name in ("A", "B"):
        room.save(name, 1, node="nevus", confirm_type="histopathology", boxes=[box()], quality=["hair"])
    room.save("A", 2, node="nevus", boxes=[box()])
    room.save("B", 2, node="melanoma", boxes=[box(left=5)])
    room.save("A", 3, node="nevus")
    room.save("K", 4, node="melanoma-in-situ", boxes=[box(), box(left=30)], note="two, =1+1")
    done = export_manifest(room.library, tmp_path / "out.csv")
    assert (done.images, done.with_empty) == (6, 5)
    back = read_manifest(tmp_path / "out.csv")
    assert check_manifest(back) == []
    assert back["diagnosis_node"].to_list() == ["nevus", None, None, "melanoma-in-situ", None, None]
    assert back["diagnosis_confirm_type"].to_list() == ["histopathology", *[None] * 5]
    assert back["box_left"].to_list() == [4, 5, None, None, None, None]  # 4 and 5 agree: their mean, halves up
    assert back["annotation_state"].to_list() == ["agreed", "disagreed", "one", "adjudicated", "untouched", "untouched"]
    assert back["annotation_quality"][0] == "hair"
    assert back["annotation_note"][3] == "two, =1+1"
    assert back["lesion_id"].to_list() == read_manifest(room.library.manifest)["lesion_id"].to_list()
    assert back["image_path"].to_list() == read_manifest(room.library.manifest)["image_path"].to_list()
    told = pl.read_csv(done.left_empty).rows()
    assert ("IMAGE1", "diagnosis_node", "the annotators disagree") in told
    assert ("IMAGE2", "box_*", "annotated by one of the two") in told
    assert ("IMAGE3", "box_*", "2 boxes, a manifest holds one") in told
    assert ("IMAGE5", "diagnosis_confirm_type", "not annotated") in told
    with pytest.raises(AnnotationError, match="own manifest"):
        export_manifest(room.library, room.library.manifest)


def take(room, labelled, name="A", **options):
    return import_annotations(room.library, labelled, name, room.now, origin="boxes.json", **options)


BOX = box()


def one(name="IMAGE0", words=("nevus",), boxes=(BOX,), size=(64, 48), where="task 1"):
    return Labelled((name,), where, None if size is None else Size(*size), words, boxes)


def test_what_was_exported_is_imported_as_somebody_elses(room, tmp_path):
    for name in ("A", "B"):
        room.save(name, 1, node="nevus", boxes=[box(), box(left=40)])
        room.save(name, 2, node=None, boxes=[box()])
        room.save(name, 3, node="melanoma")
    found = settled_images(room.library)
    write_coco(found, tmp_path / "coco.json", NOW, title="T")
    write_pascal_voc(found, tmp_path / "voc")
    done = take(room, read_coco(tmp_path / "coco.json"), "K")
    assert (done.images, done.boxes, done.words["lesion"]) == (3, 3, None)
    for image in (1, 2, 3):
        mine = annotated_image(room.library, room.people["K"], image)
        assert mine.mine.annotation == annotated_image(room.library, room.people["A"], image).mine.annotation
    again = take(room, read_pascal_voc(tmp_path / "voc")[:1], "K")
    assert (again.images, again.unchanged) == (0, 1)
    assert image_history(room.library, "IMAGE0")[-1].kind == "imported"
    verify(room.library)


def test_images_are_found_by_id_file_name_or_stem(room):
    take(room, [one("photo0.png"), one("some/where/IMAGE1.jpeg"), one("photo2"), one("IMAGE3")])
    assert [len(image_history(room.library, f"IMAGE{k}")) for k in range(5)] == [1, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("labelled", "options", "told"),
    [
        ([one(words=("mool", "spot"))], {}, r"2 words have no meaning: 'mool', 'spot'\. Say .*--map"),
        ([one(words=("mole",))], {"words": {"mole": "moles"}}, "not in the tree of diagnoses: mole=moles"),
        ([one(words=("NV",))], {"data_set": "moles"}, "words of 'moles' are not known"),
        ([one("IMAGE9"), one("../../x")], {}, r"2 images are not found: task 1 \(IMAGE9\) is not in the library"),
        ([one(), one("photo0.png", where="task 2")], {}, r"task 2 \(photo0.png\) is the same image as task 1"),
        ([one(size=(64, 49))], {}, "is 64 × 49 pixels there, 64 × 48 here"),
        ([one(boxes=(box(left=60),))], {}, "task 1: box 1 reaches outside"),
        ([one(words=("nevus", "melanoma"))], {}, "IMAGE0 has several diagnoses: melanoma, nevus"),
    ],
)
def test_what_does_not_fit_is_told_together_and_nothing_is_imported(room, labelled, options, told):
    with pytest.raises(AnnotationError, match=told):
        take(room, [one("IMAGE5"), *labelled], **options)
    assert verify(room.library).events == 1
    with pytest.raises(AnnotationError, match="nobody here is called 'Z'. There are A, B, K"):
        take(room, [one()], "Z")


def test_words_are_mapped_by_vocabulary_and_by_hand(room):
    done = take(room, [one(words=("MEL",)), one("IMAGE1", words=("mole",)), one("IMAGE2", words=("?",))],
                data_set="isic2018", words={"mole": "nevus", "?": None})  # fmt: skip
    assert done.words == {"MEL": "melanoma", "mole": "nevus", "?": None}


def test_what_is_annotated_already_is_replaced_only_when_asked(room):
    room.save("A", 1, node="melanoma", note="keep me", quality=["ink"])
    with pytest.raises(AnnotationError, match="A has annotated 1 of these images already: IMAGE0.*--replace"):
        take(room, [one()])
    take(room, [one()], replace=True)
    mine = annotated_image(room.library, room.people["A"], 1).mine
    assert (mine.version, mine.annotation) == (
        2,
        Annotation(node="nevus", boxes=(box(),), note="keep me", quality=("ink",)),
    )


def told_of(tmp_path, value, **options):
    path = tmp_path / "project.json"
    path.write_text(json.dumps(value) if not isinstance(value, str) else value)
    with pytest.raises(AnnotationError) as refused:
        read_label_studio(path, **options)
    return str(refused.value)


def test_label_studio_refuses_by_name_what_it_cannot_keep(tmp_path):
    size = (64, 48)
    turned = task("a", size, [box()], number=7, rotation=12.5)
    polygon = task("b", size, [], number=8)
    polygon["annotations"][0]["result"] = [{"id": "p", "type": "polygonlabels", "value": {}}]
    whole = task("c", size, [box()], number=9)
    whole["annotations"][0]["result"][0]["image_rotation"] = 90
    twice = task("d", size, [box()], number=10)
    twice["annotations"].append({**twice["annotations"][0], "completed_by": {"id": 2, "email": "b@example.org"}})
    nowhere = task("e", size, [box()], number=11)
    del nowhere["annotations"][0]["result"][0]["original_width"]
    told = told_of(tmp_path, [turned, polygon, whole, twice, nowhere])
    assert "5 tasks cannot be taken" in told
    assert "task 7: rectangle 'r0' is turned by 12.5 degrees" in told
    assert "task 8: holds a shape of the type 'polygonlabels'" in told
    assert "task 9: the image was turned by 90" in told
    assert "task 10: has 2 annotations (by 1, 2); take one person's with --by" in told
    assert "task 11: rectangle 'r0' does not tell" in told
    assert "JSON-MIN" in told_of(tmp_path, [{"image": "x", "label": []}])
    assert "is no JSON" in told_of(tmp_path, "{")
    assert "is no JSON" in told_of(tmp_path, "[" * 100_000)
    assert "holds no annotation by 9" in told_of(tmp_path, [task("a", size, [box()])], by="9")
    two = task("a", size, [], "nevus")
    two["annotations"][0]["result"].append({"type": "choices", "from_name": "quality", "value": {"choices": ["hair"]}})
    assert "choices of several names: diagnosis, quality" in told_of(tmp_path, [two])
    assert "has no choices 'x'" in told_of(tmp_path, [two], choices="x")
    (tmp_path / "project.json").write_text(json.dumps([two]))
    assert read_label_studio(tmp_path / "project.json", choices="diagnosis")[0].words == ("nevus",)


def test_label_studio_takes_one_persons_and_finds_uploaded_files(tmp_path):
    each = task("", (64, 48), [box()], number=3)
    each["data"] = {"image": "/data/upload/1/0a1b2c3d-photo%200.png", "url": "/data/local-files/?d=in/photo1.png"}
    each["annotations"].append(
        {
            "completed_by": {"id": 2, "email": "b@example.org"},
            "result": task("", (64, 48), [])["annotations"][0]["result"],
        }
    )
    each["annotations"].append({"completed_by": 3, "was_cancelled": True, "result": [{"type": "brushlabels"}]})
    each["predictions"] = [{"result": [{"type": "brushlabels"}]}]
    path = tmp_path / "project.json"
    path.write_text(json.dumps([each]))
    assert read_label_studio(path, by="1")[0].boxes == (box(),)
    assert read_label_studio(path, by="b@example.org")[0].boxes == ()
    assert read_label_studio(path, by="2")[0].names == ("0a1b2c3d-photo 0.png", "photo 0.png", "photo1.png")


def test_coco_refuses_what_is_none(tmp_path):
    path = tmp_path / "boxes.json"
    image = {"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}
    category = {"id": 1, "name": "nevus"}

    def told(**parts):
        path.write_text(json.dumps({"images": [image], "annotations": [], "categories": [category], **parts}))
        with pytest.raises(AnnotationError) as refused:
            read_coco(path)
        return str(refused.value)

    drawn = {"id": 5, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
    wrong = [
        {**drawn, "image_id": 2},
        {**drawn, "iscrowd": 1},
        {**drawn, "bbox": None},
        {**drawn, "bbox": [0, 0, 0.2, 1]},
    ]
    said = told(annotations=wrong)
    for each in ("4 faults", "is not there", "is a crowd", "has no bbox", "smaller than a pixel"):
        assert each in said
    assert "the same id" in told(images=[image, image])
    assert "is no COCO file: images" in told(images=3)
    assert "is no COCO file" in told(annotations=[{**drawn, "bbox": [1, 2]}])
    path.write_text("[]")
    with pytest.raises(AnnotationError, match="is no COCO file"):
        read_coco(path)


def test_edges_are_rounded_to_the_nearest_pixel():
    assert box_of_edges(0.5, 0.49, 9.51, 4.5) == Box(left=1, top=0, width=9, height=5)
    for edges in ((1, 1, 1, 2), (2, 1, 1, 2), (0, 0, float("inf"), 1), (0, 0, 0.4, 1)):
        with pytest.raises(ValueError):  # noqa: PT011 - the callers put it in words
            box_of_edges(*edges)
