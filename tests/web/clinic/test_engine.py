"""The engine: it answers as the model does, several at a time, within its limits."""

import asyncio
import io
import time

import numpy as np
import pytest
from PIL import Image

from cutis.clinic import Patient, Photograph, answers
from cutis.data import draw_phantom, phantom_lesion, phantom_view
from cutis.errors import ImageError, TaxonomyError
from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule
from cutis.web.clinic import heatmap
from cutis.web.clinic.engine import BadPhotographs, Engine, Limits, Sent
from cutis.web.refusals import Refusal


@pytest.fixture(scope="module")
def model():
    return fastest_bundle()


@pytest.fixture(scope="module")
def rule():
    return read_risk_rule()


@pytest.fixture
def engine(model, rule):
    return Engine(model, rule=rule)


def drawn(seed=1, size=(150, 200)):
    pixels = draw_phantom(phantom_lesion("nv", seed), phantom_view(20.0, seed), size).image
    return Photograph(f"{seed}.png", pixels, f"{seed:032d}")


def png(photograph):
    out = io.BytesIO()
    Image.fromarray(photograph.pixels).save(out, "PNG")
    return out.getvalue()


def run(engine, work):
    """Run a coroutine as a server would, and close the engine."""

    async def whole():
        try:
            return await work
        finally:
            await engine.close()

    return asyncio.run(whole())


def test_many_at_once_share_runs_and_each_gets_its_own_answer(engine, model, rule):
    photographs = [drawn(seed, (300, 200) if seed % 2 else (450, 600)) for seed in range(12)]
    patients = [Patient(age=5 * seed) for seed in range(12)]

    async def work():
        return await asyncio.gather(
            *(engine.answer(*pair, quality=False) for pair in zip(photographs, patients, strict=True))
        )

    found = run(engine, work())
    for each, photograph, patient in zip(found, photographs, patients, strict=True):
        (expected,) = answers(model, [photograph], [patient], rule=rule, quality=False)
        assert each.image == photograph.name
        assert [one.id for one in each.diagnoses] == [one.id for one in expected.diagnoses]
        ours, theirs = ([one.probability for one in told.diagnoses] for told in (each, expected))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert engine.answered == 12
    assert engine.runs < 12
    assert engine.waiting == 0


def test_quality_is_of_the_photograph_as_it_was_sent(engine, model, rule):
    dark = Photograph("dark", np.full((900, 1200, 3), 4, dtype=np.uint8), "0" * 32)
    (expected,) = answers(model, [dark], rule=rule)
    assert expected.unfit

    async def work():
        return await engine.answer(dark, Patient()), await engine.answer(dark, Patient(), quality=False)

    with_quality, without = run(engine, work())
    assert (with_quality.unfit, with_quality.notes) == (expected.unfit, expected.notes)
    assert (without.unfit, without.notes) == ((), ())


def test_bad_files_are_named_together_and_nothing_is_answered(engine):
    sent = [Sent(png(drawn()), "good.png"), Sent(b"", "empty.jpg"), Sent(b"text", "text.jpg")]
    with pytest.raises(BadPhotographs) as told:
        run(engine, engine.answers(sent))
    assert [(each.place, each.name) for each in told.value.bad] == [(1, "empty.jpg"), (2, "text.jpg")]
    with pytest.raises(ImageError, match=r"at most 50,000,000 are read|is empty"):
        run(engine, engine.photograph(b"", "empty.jpg"))


def test_too_many_are_refused_at_once(model, rule):
    engine = Engine(model, rule=rule, limits=Limits(waiting=3))
    sent = [Sent(png(drawn(seed)), "a.png") for seed in range(2)]

    async def work():
        return await asyncio.gather(*(engine.answers(sent) for _ in range(3)), return_exceptions=True)

    found = run(engine, work())
    refused = [each for each in found if isinstance(each, Refusal)]
    assert [(each.status, each.code) for each in refused] == [(503, "server-busy")] * 2
    assert refused[0].headers == {"retry-after": "5"}
    assert engine.waiting == 0


def test_few_whole_photographs_are_held_by_pages(model, rule):
    engine = Engine(model, rule=rule, limits=Limits(whole_bytes=100_000))
    content = png(drawn())

    async def work():
        held = [await engine.photograph(content, "a.png") for _ in range(2)]
        with pytest.raises(Refusal) as refused:
            await engine.photograph(content, "a.png")
        held.clear()
        return refused.value.status, await engine.photograph(content, "a.png")

    status, found = run(engine, work())
    assert status == 503
    assert found.pixels.shape == (150, 200, 3)


def test_what_takes_too_long_is_given_up_and_the_next_is_answered(model, rule):
    engine = Engine(model, rule=rule, limits=Limits(seconds=0.3))
    whole = engine._answered

    def slow(batch):
        time.sleep(0.6)
        return whole(batch)

    engine._answered = slow

    async def work():
        began = time.perf_counter()
        late = await asyncio.gather(
            *(engine.answer(drawn(), Patient(), quality=False) for _ in range(2)), return_exceptions=True
        )
        waited = time.perf_counter() - began
        engine._answered = whole
        await asyncio.sleep(0.5)
        engine.limits = Limits()
        return late, waited, await engine.answer(drawn(), Patient(), quality=False)

    late, waited, found = run(engine, work())
    assert [(each.status, each.code) for each in late] == [(504, "took-too-long")] * 2
    assert waited < 0.6
    assert found.diagnoses
    assert engine.waiting == 0


def test_a_fault_is_told_to_those_it_is_of_and_no_others(engine):
    whole = engine._answered

    def faulty(batch):
        raise RuntimeError("broken")

    async def work():
        engine._answered = faulty
        first = await asyncio.gather(engine.answer(drawn(), Patient(), quality=False), return_exceptions=True)
        engine._answered = whole
        return first[0], await engine.answer(drawn(), Patient(), quality=False)

    first, second = run(engine, work())
    assert isinstance(first, RuntimeError)
    assert second.diagnoses


def test_closing_finishes_what_runs(engine):
    async def work():
        asked = [asyncio.create_task(engine.answer(drawn(seed), Patient(), quality=False)) for seed in range(3)]
        while engine.runs == 0 and not engine._queue:
            await asyncio.sleep(0.001)
        await engine.close()
        return await asyncio.gather(*asked)

    assert len(asyncio.run(work())) == 3


def test_a_photograph_waits_at_the_networks_size_alone(engine):
    held = []
    whole = engine._answered
    engine._answered = lambda batch: held.extend(each.pixels for each, _ in batch) or whole(batch)
    run(engine, engine.answers([Sent(png(drawn(1, (1500, 1000))), "a.png")]))
    assert [each.nbytes if each.base is None else each.base.nbytes for each in held] == [150 * 200 * 3]


@pytest.mark.slow
def test_a_heatmap_lies_over_the_photograph_upright(engine):
    """In a process of its own, which starts torch: the only slow test here."""
    photograph = drawn(4, (900, 600))

    async def work():
        first = await engine.heatmap(photograph, Patient(), "mel")
        return (
            first,
            await engine.heatmap(photograph, Patient()),
            await _error(engine.heatmap(photograph, Patient(), "x")),
        )

    of_melanoma, of_first, error = run(engine, work())
    assert (of_melanoma.node, of_melanoma.name) == ("mel", "Melanoma")
    assert 0 <= of_melanoma.probability < of_first.probability
    over, small = (Image.open(io.BytesIO(each)) for each in (of_melanoma.overlay, of_melanoma.map))
    assert over.size == (512, 768)
    assert small.mode == "L"
    assert small.size[0] < small.size[1]
    values = np.asarray(small).astype(float) - 128
    assert of_melanoma.unclear == (values.max() <= 0)
    scale = Image.open(io.BytesIO(of_melanoma.scale))
    assert scale.size == (260, 16)
    assert isinstance(error, TaxonomyError)


def test_heatmaps_that_wait_are_few_and_have_their_time(model, rule, monkeypatch):
    engine = Engine(model, rule=rule, limits=Limits(heatmap_seconds=0.2, heatmaps_waiting=1))

    async def never(*_):
        await asyncio.sleep(5)

    monkeypatch.setattr(heatmap.asyncio, "to_thread", lambda call, *rest: never() if rest else asyncio.sleep(0))

    async def work():
        return await asyncio.gather(*(_error(engine.heatmap(drawn(), Patient())) for _ in range(2)))

    late, refused = run(engine, work())
    assert (late.status, refused.status) == (504, 503)


async def _error(work):
    try:
        return await work
    except (Refusal, TaxonomyError) as error:
        return error
