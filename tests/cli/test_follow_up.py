"""The verbs `cutis follow-up …`: what they make, and what is wrong in a line."""

import re
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from cutis.cli.follow_up import follow_up_app
from cutis.errors import CutisError
from cutis.follow_up import PatientFacts, add_patient, join, opened_store, person_of


def run(*arguments, **options):
    result = CliRunner().invoke(follow_up_app, [str(each) for each in arguments], catch_exceptions=True, **options)
    if result.exception is not None and not isinstance(result.exception, CutisError | SystemExit):
        raise result.exception
    return result


def refused(*arguments):
    result = run(*arguments)
    assert isinstance(result.exception, CutisError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def folder(tmp_path):
    assert "next: cutis follow-up invite" in run("create", tmp_path / "moles", "--curator", "K1").output
    return tmp_path / "moles"


def test_a_link_signs_in_and_barring_ends_it(folder):
    now = datetime.now(UTC)
    told = run("invite", folder, "R1", "--address", "https://skin.example.org/").output
    token = re.search(r"https://skin.example.org/follow-up/enter/(\S+)", told)[1]
    with opened_store(folder) as store:
        session = join(store, token, now)
        assert person_of(store, session, now).role == "clinician"
    assert "barred: R1" in run("bar", folder, "R1").output
    with opened_store(folder) as store, pytest.raises(CutisError):
        person_of(store, session, now)
    assert "begins with neither" in refused("invite", folder, "R2", "--address", "skin.example.org")
    assert "nobody called" in refused("bar", folder, "R9")


def test_a_patient_is_exported_erased_and_the_history_is_whole(folder, tmp_path):
    with opened_store(folder) as store:
        add_patient(store, PatientFacts(number="P-17"), datetime.now(UTC))
    assert "written" in run("export", folder, "--patient", "p-17", "-o", tmp_path / "out.zip").output
    assert (tmp_path / "out.zip").is_file()
    assert "agreed" in refused("export", folder, "--research", "-o", tmp_path / "out")
    assert "say what" in refused("export", folder, "-o", tmp_path / "out")
    assert run("erase", folder, "--patient", "P-17", input="n\n").exit_code == 1
    assert "1 patients" in run("verify", folder).output
    assert "erased: 1 patients" in run("erase", folder, "--patient", "P-17", "--yes").output
    assert "no patient" in refused("erase", folder, "--patient", "P-17", "--yes")
    assert "erased: 0 patients" in run("erase", folder, "--again").output
    told = run("verify", folder).output
    assert "0 patients" in told
    assert "history: whole" in told


def test_what_is_wrong_is_told_in_a_line(folder, tmp_path):
    assert "nothing is overwritten" in refused("create", folder)
    assert "is no follow-up" in refused("verify", tmp_path)
    assert "not allowed as a name" in refused("create", tmp_path / "other", "--curator", "<K>")
