"""What is kept on a device: with consent, through interruptions, renewed, and removed again."""

import dataclasses

from cutis.web.offline import model_facts

from .conftest import app_of, serving
from .device import Device, drawn, saved


def test_an_interrupted_download_goes_on_where_it_stopped(browser, address):
    device = Device(browser, address)
    parts = []

    def cut(route):
        parts.append(route.request.headers["range"])
        if len(parts) == 3:
            route.abort("connectionreset")
        else:
            route.continue_()

    device.context.route("**/model.onnx", cut)
    device.page.click("#keep-go")
    assert "interrupted" in device.problem()
    assert "are here already" in device.page.locator("#keep-size").inner_text()
    device.context.unroute("**/model.onnx")
    device.page.reload()
    device.page.locator("#keep").wait_for()
    assert "are here already" in device.page.locator("#keep-size").inner_text()
    assert device.page.locator("#problem").is_hidden()
    again = []
    device.context.route(
        "**/model.onnx", lambda route: (again.append(route.request.headers["range"]), route.continue_())
    )
    device.keep().offline()
    assert again[0] == parts[-1]
    assert not set(again) & set(parts[:-1])
    assert device.answer(saved(drawn("mel", 1)))["diagnoses"]
    device.context.close()


def test_a_file_that_arrives_damaged_is_fetched_again(browser, address):
    device = Device(browser, address)
    device.context.route("**/seen.bin", lambda route: route.fulfill(body=b"\0" * 61_856))
    device.page.click("#keep-go")
    assert "damaged" in device.problem()
    device.context.unroute("**/seen.bin")
    device.keep()
    assert device.page.locator("#problem").is_hidden()
    device.context.close()


def test_a_newer_version_is_offered_and_fetches_only_what_changed(browser, vendored, bundle, rule):
    newer = dataclasses.replace(bundle, about=bundle.about | {"name": "newer"})
    served = [app_of(bundle, rule)]
    sent = []

    async def app(scope, receive, send):
        sent.append(scope.get("path", ""))
        await served[0](scope, receive, send)

    with serving(app) as address:
        device = Device(browser, address)
        device.keep()
        served[0] = app_of(newer, rule)
        device.page.goto(device.page.url)
        device.ready()
        assert device.answer(saved(drawn("mel", 1)))["model"] == bundle.name, "the version kept goes on"
        device.page.locator("#update").wait_for()
        sent.clear()
        with device.page.expect_navigation():
            device.page.click("#update-go")
        device.ready()
        assert any(each.endswith("model.json") for each in sent)
        assert not any(each.endswith(("model.onnx", ".wasm.gz")) for each in sent), (
            "what is here already was sent again"
        )
        device.offline()
        assert device.answer(saved(drawn("mel", 1)))["model"] == "newer"
        kept = device.page.evaluate(
            "caches.open('cutis-offline').then((cache) => cache.keys()).then((all) => all.length)"
        )
        assert kept == len(set(_hashes(served[0])))
        device.context.close()


def _hashes(app):
    from fastapi.testclient import TestClient

    return [each["sha256"] for each in TestClient(app).get("/offline/build.json").json()["files"]]


def test_it_can_be_removed_from_the_device(browser, address):
    device = Device(browser, address).keep()
    device.page.click("#forget")
    device.page.locator("#keep").wait_for()
    assert device.page.evaluate("caches.open('cutis-offline').then((kept) => kept.keys())") == []
    assert device.page.evaluate("navigator.serviceWorker.getRegistrations()") == []
    device.context.close()


def test_the_page_asks_accessibly_before_anything_is_kept(browser, address):
    device = Device(browser, address, color_scheme="dark")
    device.page.locator("#keep").wait_for()
    assert "MB are downloaded" in device.page.locator("#keep-size").inner_text()
    assert device.check() == []
    device.context.close()


def test_a_device_that_computes_otherwise_judges_nothing(browser, vendored, bundle, rule, monkeypatch):
    """As if the browser were wrong: the server says other probabilities of the drawing than the network gives."""
    wrong = {"probabilities": [1.0] + [0.0] * (len(bundle.classes.ids) - 1), "tolerance": 1e-3}
    monkeypatch.setattr(model_facts, "_check", lambda _bundle: wrong)
    with serving(app_of(bundle, rule)) as address:
        device = Device(browser, address)
        device.page.click("#keep-go")
        assert "computes other answers than the server" in device.problem()
        assert device.page.locator("#answer-go").is_disabled()
        device.context.close()
