"""The routes, without a browser."""

import gzip
import hashlib
import json
import re
import tomllib
from importlib import resources

import pytest
from fastapi.testclient import TestClient

from cutis.models import default_bundle_folder
from cutis.web.clinic.words import LANGUAGES
from cutis.web.offline import build as build_module
from cutis.web.offline import offline_router

from .conftest import app_of


@pytest.fixture
def client(vendored, bundle, rule):
    return TestClient(app_of(bundle, rule))


def test_the_page_comes_in_the_browsers_language_and_in_every_other(client):
    assert '<html lang="ko">' in client.get("/offline/", headers={"accept-language": "ko-KR,ko;q=0.9,en;q=0.8"}).text
    assert '<html lang="en">' in client.get("/offline/", headers={"accept-language": "fi"}).text
    for language in LANGUAGES:
        assert f'<html lang="{language}">' in client.get(f"/offline/{language}/").text
    assert client.get("/offline/fi/").status_code == 404


def test_the_policy_lets_webassembly_run_and_no_inline_script(client):
    for path in ("/offline/en/", "/offline/service-worker.js", json.loads(_facts(client))["addresses"]["worker"]):
        policy = client.get(path).headers["content-security-policy"]
        assert "script-src 'self' 'wasm-unsafe-eval';" in policy
        assert "unsafe-inline" not in policy
        assert "worker-src 'self'" in policy
    inline = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", client.get("/offline/en/").text)
    assert inline == [' type="application/json" id="facts"']


def _facts(client):
    return re.search(r'<script type="application/json" id="facts">(.*?)</script>', client.get("/offline/en/").text)[1]


def test_it_can_be_installed(client):
    manifest = client.get("/offline/es/manifest.webmanifest").json()
    assert manifest["start_url"] == "/offline/es/"
    assert manifest["scope"] == "/offline/"
    assert manifest["display"] == "standalone"
    assert {(each["sizes"], each["purpose"]) for each in manifest["icons"]} == {
        ("192x192", "any"),
        ("512x512", "any"),
        ("512x512", "maskable"),
    }
    for each in manifest["icons"]:
        sent = client.get(each["src"])
        assert sent.headers["content-type"] == "image/png"
        width = int.from_bytes(sent.content[16:20], "big")
        assert f"{width}x{width}" == each["sizes"]
    assert client.get("/offline/en/").text.count('rel="apple-touch-icon"') == 1


def test_every_file_of_the_build_is_sent_as_its_hash_says(client):
    build = client.get("/offline/build.json").json()
    names = {each["address"].rpartition("/")[2] for each in build["files"]}
    assert {"model.onnx", "model.json", "features.safetensors", "page.js", "answering.js"} <= names
    assert "service_worker.js" not in names
    for each in build["files"]:
        sent = client.get(each["address"])
        assert len(sent.content) == each["download"]
        content = gzip.decompress(sent.content) if each["packed"] else sent.content
        assert len(content) == each["bytes"]
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
    worker = client.get("/offline/service-worker.js")
    assert json.loads(re.match(r"const BUILD = (.*);\n", worker.text)[1]) == build


def test_a_part_of_a_large_file_can_be_asked_for(client):
    path = next(
        each["address"]
        for each in client.get("/offline/build.json").json()["files"]
        if each["address"].endswith("model.onnx")
    )
    part = client.get(path, headers={"range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == (default_bundle_folder() / "model.onnx").read_bytes()[1000:2000]


def test_files_of_another_build_are_not_found(client):
    assert client.get("/offline/files/0123456789abcdef/page.js").status_code == 404


def test_another_rule_or_model_makes_another_build(bundle, rule, client):
    own = client.get("/offline/build.json").json()["id"]
    dearer = rule.model_copy(update={"cost": ((0, 1, 2), (5, 0, 1), (30, 5, 0))})
    assert TestClient(app_of(bundle, dearer)).get("/offline/build.json").json()["id"] != own
    assert TestClient(app_of(bundle, rule)).get("/offline/build.json").json()["id"] == own


def test_without_the_packages_the_page_says_which_command_makes_them(bundle, rule, monkeypatch, tmp_path):
    monkeypatch.setattr(build_module, "_OWN", tmp_path)
    client = TestClient(app_of(bundle, rule))
    told = client.get("/offline/es/")
    assert told.status_code == 503
    assert "make vendor" in told.text
    assert '<html lang="es">' in told.text
    assert client.get("/offline/build.json").status_code == 503


def test_without_a_network_for_onnx_runtime_the_page_says_so(bundle, rule, vendored, tmp_path):
    from fastapi import FastAPI

    app = FastAPI()
    app.include_router(offline_router(bundle, tmp_path, rule))
    assert "--to onnx" in TestClient(app).get("/offline/en/").text


def test_every_language_has_the_same_words_with_the_same_braces():
    def read(language):
        text = resources.files("cutis.web.offline").joinpath("strings", f"{language}.toml").read_text(encoding="utf-8")
        tables = tomllib.loads(text)
        return {
            f"{table}.{key}": sorted(re.findall(r"\{\w+\}", word))
            for table in tables
            for key, word in tables[table].items()
        }

    assert all(read(each) == read("en") for each in LANGUAGES)
