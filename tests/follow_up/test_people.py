"""Links that work once, sessions in several browsers, and their end."""

from datetime import timedelta

import pytest

from cutis.follow_up import AccessError, FollowUpError, bar, invite, join, list_people, person_of, sign_out

from .conftest import START


def test_a_link_works_once_and_each_browser_has_its_session(clinic):
    first = join(clinic.store, link := invite(clinic.store, "R1", START), START)
    with pytest.raises(AccessError):
        join(clinic.store, link, START)
    second = join(clinic.store, invite(clinic.store, "r1", START), START)
    assert person_of(clinic.store, first, START).name == person_of(clinic.store, second, START).name == "R1"
    sign_out(clinic.store, first, START)
    with pytest.raises(AccessError):
        person_of(clinic.store, first, START)
    assert person_of(clinic.store, second, START).role == "clinician"
    assert [(each.name, each.browsers) for each in list_people(clinic.store)] == [("K1", 0), ("R1", 1)]


def test_links_and_sessions_grow_old(clinic):
    link = invite(clinic.store, "R1", START)
    with pytest.raises(AccessError):
        join(clinic.store, link, START + timedelta(days=7, seconds=1))
    voided, link = invite(clinic.store, "R1", START), invite(clinic.store, "R1", START)
    with pytest.raises(AccessError):
        join(clinic.store, voided, START)
    session = join(clinic.store, link, START)
    person_of(clinic.store, session, START + timedelta(days=29))
    with pytest.raises(AccessError):
        person_of(clinic.store, session, START + timedelta(days=31))


def test_who_is_barred_is_out_at_once_and_the_last_curator_stays(clinic):
    session = join(clinic.store, invite(clinic.store, "R1", START), START)
    waiting = invite(clinic.store, "R1", START)
    bar(clinic.store, "R1", START, by="K1")
    with pytest.raises(AccessError):
        person_of(clinic.store, session, START)
    with pytest.raises(AccessError):
        join(clinic.store, waiting, START)
    with pytest.raises(FollowUpError, match="barred"):
        invite(clinic.store, "R1", START)
    with pytest.raises(FollowUpError, match="only curator"):
        bar(clinic.store, "K1", START)
    invite(clinic.store, "K2", START, role="curator")
    bar(clinic.store, "K1", START)
    with pytest.raises(FollowUpError, match="is a curator"):
        invite(clinic.store, "K2", START, role="clinician")
    with pytest.raises(FollowUpError, match="not allowed"):
        invite(clinic.store, "<script>", START)


def test_no_token_lies_in_the_database(clinic):
    link = invite(clinic.store, "R1", START)
    session = join(clinic.store, invite(clinic.store, "R2", START), START)
    content = b"".join(each.read_bytes() for each in clinic.store.path.iterdir())
    assert link.encode() not in content
    assert session.encode() not in content
