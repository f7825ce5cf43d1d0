"""What two annotations come to, and agreement, against scikit-learn and torchvision."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from torchvision.ops import box_iou as torchvision_iou

from cutis.annotation.agreement import annotator_agreement, kappa_of
from cutis.annotation.content import Annotation, Box
from cutis.annotation.settlement import box_iou, paired_boxes, settle

from .conftest import box

boxes = st.builds(
    Box, left=st.integers(0, 30), top=st.integers(0, 30), width=st.integers(1, 30), height=st.integers(1, 30)
)
annotations = st.builds(
    Annotation,
    node=st.sampled_from([None, "nevus", "melanoma"]),
    confirm_type=st.sampled_from([None, "histopathology"]),
    boxes=st.lists(boxes, max_size=3, unique=True).map(tuple),
)


@given(boxes, boxes)
def test_iou_is_torchvisions(one, two):
    def edges(each):
        return torch.tensor([[each.left, each.top, each.right, each.bottom]], dtype=torch.float64)

    assert box_iou(one, two) == pytest.approx(float(torchvision_iou(edges(one), edges(two))))


@given(annotations, annotations, st.sampled_from([0.3, 0.5, 1.0]))
def test_settling_is_the_same_for_both_and_within_both(one, two, iou):
    there, back = settle([one, two], None, iou), settle([two, one], None, iou)
    assert (there.state, there.settled) == (back.state, back.settled)
    assert set(there.annotation.boxes) == set(back.annotation.boxes)
    for each in there.annotation.boxes:
        assert each.width >= 1
        assert each.height >= 1
        assert min(b.left for b in (*one.boxes, *two.boxes)) <= each.left
        assert each.right <= max(b.right for b in (*one.boxes, *two.boxes))
    assert settle([one, one], None, iou).annotation == one
    assert settle([one, one], None, iou).state == "agreed"
    assert settle([one, two], two, iou)[2] == two


def test_each_part_is_settled_by_itself():
    one = Annotation(node="nevus", boxes=(box(),), quality=("hair", "ink"), note="mine")
    two = Annotation(node="nevus", confirm_type="histopathology", boxes=(box(left=5, width=21),), quality=("ink",))
    found = settle([one, two], None, 0.5)
    assert (found.state, found.settled) == ("disagreed", ("diagnosis", "boxes"))
    assert found.annotation == Annotation(node="nevus", quality=("ink",), boxes=(box(left=5, width=20),))
    assert settle([one, two], None, 0.99).settled == ("diagnosis",)
    assert settle([one], None, 0.5) == ("one", (), Annotation())
    assert settle([], None, 0.5).state == "untouched"


def test_boxes_are_paired_so_that_they_overlap_most():
    one = [box(left=0), box(left=30)]
    two = [box(left=31), box(left=1), box(left=0, top=30)]
    assert [(each.one, each.two) for each in paired_boxes(one, two)] == [(0, 1), (1, 0)]
    assert paired_boxes([], two) == []


@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 2), min_size=2, max_size=30))
def test_kappa_is_scikit_learns(answers):
    ours = kappa_of(answers, [str(k) for k in range(len(answers))])
    if len({each for pair in answers for each in pair}) == 1:
        assert math.isnan(ours.value)
    else:
        assert ours.value == pytest.approx(cohen_kappa_score(*zip(*answers, strict=True)))
        assert ours.low <= ours.high


def test_agreement_of_a_library(room):
    assert annotator_agreement(room.library).images == 0
    assert math.isnan(annotator_agreement(room.library).mean_iou.value)
    for k, (one, two) in enumerate((("nevus", "nevus"), ("nevus", "melanoma"), ("melanoma", "melanoma"), (None, None))):
        room.save("A", k + 1, node=one, boxes=[box()])
        room.save("B", k + 1, node=two, boxes=[box()] if k else [box(), box(left=40)])
    room.save("A", 5, node="nevus")  # by one only: does not count
    room.save("K", 2, node="nevus")  # adjudication changes nothing of it
    found = annotator_agreement(room.library)
    assert found.images == 4
    assert found.diagnosis_percent[::3] == (0.75, 4)
    assert found.diagnosis_kappa.value == pytest.approx(cohen_kappa_score([1, 1, 2, 0], [1, 2, 2, 0]))
    assert found.diagnosis_percent.low < 0.75 < found.diagnosis_percent.high
    assert found.mean_iou.value == pytest.approx(np.mean([0.5, 1, 1, 1]))
    assert found.boxes_percent.value == 0.75
    assert math.isnan(found.confirmation_kappa.value)
