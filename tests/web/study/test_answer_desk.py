"""Answers that arrive in one moment: each reader is told what holds for them, after it is kept."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from cutis.study import Answer, StudyError
from cutis.study.store import (
    AccessError,
    Acknowledgement,
    GivenAnswer,
    StoreError,
    answers_table,
    confirm_instructions,
    consent,
    join,
    show_next,
    shown_now,
    verify_chain,
)
from cutis.web.study import answer_desk
from cutis.web.study.answer_desk import AnswerDesk

from .reading import Reader

T = TypeVar("T")


def shown(study, name) -> tuple[str, str]:
    """Session and key of a reader's first case."""
    now = study.clock()
    token = join(study.store, study.links[name].removeprefix("/s/"), now)
    for act in (consent, confirm_instructions, show_next):
        act(study.store, token, now)
    return token, shown_now(study.store, token, now).case.key


def run(work: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: a browser of other tests leaves its loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def given(study, token, key, sure) -> GivenAnswer:
    return GivenAnswer(token, key, Answer(choices=("malignant",), confidence=sure), study.clock())


def test_all_who_wait_share_transactions_and_each_is_told_their_own(make_study, monkeypatch) -> None:
    study = make_study(readers=30)
    opened = [shown(study, name) for name in study.links]
    sizes: list[int] = []
    real = answer_desk.answer_together

    def counted(store, answers):
        sizes.append(len(answers))
        return real(store, answers)

    monkeypatch.setattr(answer_desk, "answer_together", counted)

    async def all_at_once() -> list[Acknowledgement | BaseException]:
        desk = AnswerDesk(study.store)
        wanted = [desk.answer(given(study, *each, sure)) for sure, each in enumerate(opened)]
        wanted.append(desk.answer(given(study, "nobody", opened[0][1], 0)))
        wanted.append(desk.answer(given(study, *opened[3], 101)))
        return await asyncio.gather(*wanted, return_exceptions=True)

    *told, stranger, wrong = run(all_at_once())
    assert [each.answer.confidence for each in told] == list(range(30))
    assert isinstance(stranger, AccessError)
    assert isinstance(wrong, StudyError)
    assert sum(sizes) == 32
    assert len(sizes) < 10  # the first alone perhaps, the others while it was on its way
    kept = answers_table(study.store, study.id)
    assert dict(kept.select("reader", "confidence").rows()) == {f"R{n + 1}": str(n) for n in range(30)}
    verify_chain(study.store, study.id)


def test_a_store_that_fails_is_told_to_all_and_the_next_answers_are_taken(make_study, monkeypatch) -> None:
    study = make_study(readers=3)
    opened = [shown(study, name) for name in study.links]
    desk = AnswerDesk(study.store)
    real = answer_desk.answer_together

    async def answered() -> list[Acknowledgement | BaseException]:
        wanted = [desk.answer(given(study, *each, 5)) for each in opened]
        return await asyncio.gather(*wanted, return_exceptions=True)

    def fails(_store, _answers):
        raise StoreError("the database does not answer")

    monkeypatch.setattr(answer_desk, "answer_together", fails)
    assert {type(each) for each in run(answered())} == {StoreError}
    monkeypatch.setattr(answer_desk, "answer_together", real)
    assert {each.outcome for each in run(answered())} == {"answered"}  # another loop, too


def test_whoever_does_not_wait_any_more_harms_nobody(make_study, monkeypatch) -> None:
    study = make_study(readers=2)
    first, second = (shown(study, name) for name in study.links)
    desk, gate = AnswerDesk(study.store), threading.Event()
    real = answer_desk.answer_together
    monkeypatch.setattr(answer_desk, "answer_together", lambda *each: gate.wait(10) and real(*each))

    async def one_leaves() -> Acknowledgement:
        leaves = asyncio.ensure_future(desk.answer(given(study, *first, 5)))
        stays = asyncio.ensure_future(desk.answer(given(study, *second, 6)))
        await asyncio.sleep(0.05)
        leaves.cancel()
        gate.set()
        return await stays

    assert run(one_leaves()).answer.confidence == 6
    assert answers_table(study.store, study.id)["outcome"].to_list() == ["answered"] * 2


def test_many_browsers_at_once_over_http(make_study) -> None:
    study = make_study(readers=8)
    readers = [Reader(study.client()).begin(link).show() for link in study.links.values()]

    def send(number: int) -> None:
        reader = readers[number]
        address, fields = f"/study/answer/{reader.key}", {"choice": "malignant", "percent": str(number)}
        for _ in range(2):  # once more, as after a lost reply
            told = reader.client.post(
                address, data={"csrf": reader.csrf, **fields}, headers={"accept": "application/json"}
            )
            assert told.json() == {"outcome": "answered", "next": "/study?notice=saved"}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))
    kept = answers_table(study.store, study.id)
    assert dict(kept.select("reader", "confidence").rows()) == {f"R{n + 1}": str(n) for n in range(8)}
    verify_chain(study.store, study.id)
