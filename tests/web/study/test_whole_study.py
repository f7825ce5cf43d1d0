"""A whole study in real browsers: two arms, 45 s, one reader times out, one loses the network, one changes machine."""

import pytest

from cutis.study import analyze
from cutis.study.store import answers_table, invite, progress, read_events, study_readings, verify_chain, write_answers

from ..conftest import AIDED, MELANOMA, NEVUS, UNAIDED, Clock, design_of
from .browsing import Browsing


@pytest.mark.slow
def test_three_readers_in_two_arms(make_study, serve, browser, tmp_path) -> None:
    design = design_of(
        reading="crossover",
        arms=[UNAIDED, AIDED],
        cases=[{"node": MELANOMA, "number": 3}, {"node": NEVUS, "number": 3}],
    )
    study = make_study(design, clock=Clock(), readers=3)
    address = serve(study.app)
    readers = {name: Browsing(browser, address, study, name).begin() for name in ("R1", "R2", "R3")}
    expected: dict[str, list[tuple[str, str | None, str | None]]] = {name: [] for name in readers}

    def read(name: str, sure: int) -> None:
        choice = "Malignant" if (sure + int(name[1])) % 3 else "Benign"
        readers[name].show()
        readers[name].answer(choice, sure)
        expected[name].append(("answered", choice.lower(), str(sure)))

    for number in range(4):
        for name in readers:
            read(name, 10 * number + 5)

    # R1 looks away: 45 s pass by the server's clock.
    first = readers["R1"].show()
    study.clock.wait(40)
    first.page.reload()
    first.page.get_by_role("radio", name="Malignant").check()
    first.page.wait_for_selector(".notice.timed-out")
    expected["R1"].append(("timed out", None, None))

    # R2 loses the network in the middle of an answer.
    second = readers["R2"].show()
    second.page.get_by_role("radio", name="Benign").check()
    second.page.get_by_role("spinbutton").fill("77")
    second.context.set_offline(True)
    second.press("Save the answer")
    second.page.wait_for_selector("[data-status]:has-text('No connection')")
    second.context.set_offline(False)
    second.page.wait_for_selector(".notice.saved")
    expected["R2"].append(("answered", "benign", "77"))

    # R3 leaves a case open and comes back in another browser, to the same case with its clock.
    third = readers["R3"].show()
    key = third.page.get_attribute("[data-case]", "data-case")
    third.context.close()
    events = read_events(study.store, study.id)
    assert {each.kind for each in events} >= {"joined", "consented", "shown", "answered", "timed out"}
    reader_id = next(each.id for each in progress(study.store, study.id, study.clock()) if each.name == "R3")
    study.links["R3"] = "/s/" + invite(study.store, reader_id, study.clock())
    third = readers["R3"] = Browsing(browser, address, study, "R3", viewport={"width": 390, "height": 844})
    third.press("Begin")
    third.picture()
    assert third.page.get_attribute("[data-case]", "data-case") == key
    third.answer("Malignant", 91)
    expected["R3"].append(("answered", "malignant", "91"))

    for name, reader in readers.items():
        while reader.heading() != "All cases are done. Thank you!":
            read(name, 3 * len(expected[name]))
        assert reader.errors == [] or name == "R2"  # whose browser told of the lost network
        reader.context.close()

    table = answers_table(study.store, study.id)
    for name, rows in expected.items():
        of_reader = table.filter(table["reader"] == name)
        assert of_reader.select("outcome", "choices", "confidence").rows() == rows
        assert of_reader["position"].to_list() == list(range(12))
        assert sorted(of_reader.filter(of_reader["arm"] == "aided")["case"]) == sorted(
            of_reader.filter(of_reader["arm"] == "unaided")["case"]
        )
        assert '"window"' in of_reader["displayed"][0]
    write_answers(study.store, study.id, tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text().count("\n") == 37
    verify_chain(study.store, study.id)
    analysis = analyze(study_readings(study.store, study.id), method="u-statistics")  # one read timed out
    assert analysis is not None
