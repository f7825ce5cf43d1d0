"""The follow-up's pages as an addition to the clinic's app."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Depends, Request

from cutis.follow_up import Store
from cutis.web.app import utc_now
from cutis.web.follow_up.add_pages import add_router
from cutis.web.follow_up.compare_pages import compare_router
from cutis.web.follow_up.comparing import Comparisons
from cutis.web.follow_up.erase_pages import erase_router
from cutis.web.follow_up.lesion_pages import lesion_router
from cutis.web.follow_up.patient_pages import patient_router
from cutis.web.follow_up.people_pages import people_router
from cutis.web.follow_up.photograph_pages import photograph_router
from cutis.web.follow_up.sign_in import sign_in_router
from cutis.web.follow_up.visit import Room
from cutis.web.rate_limit import RateLimit


def follow_up_router(store: Store, *, address: str = "", clock: Callable[[], datetime] = utc_now) -> APIRouter:
    """The pages below ``/follow-up``, to be given to ``create_clinic_app(rooms=[…])``, whose engine answers.

    Args:
        store: open; whoever opened it closes it.
        address: of the server as people reach it, such as ``https://skin.example.org``; empty for the one by which the
            curator came.
        clock: the server's time, in UTC.
    """
    # A link holds 256 random bits: to guess one is hopeless at any rate. This stops a browser gone wild.
    room = Room(store, clock, address, RateLimit(20, 60.0), Comparisons(store))

    async def given(request: Request) -> None:
        request.state.follow_up = room

    made = APIRouter(dependencies=[Depends(given)])
    for each in (
        sign_in_router,
        people_router,
        patient_router,
        lesion_router,
        add_router,
        photograph_router,
        compare_router,
        erase_router,
    ):
        made.include_router(each)
    return made
