"""The offline app of the model that comes with cutis, served to a browser."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from cutis.models import OnnxBundle, default_bundle_folder, load_onnx_bundle
from cutis.taxonomy import RiskRule, read_risk_rule
from cutis.web.offline import offline_router
from cutis.web.offline.build import RUNTIME
from cutis.web.rendering import STATIC
from cutis.web.security import Guard


@pytest.fixture(scope="session")
def bundle() -> OnnxBundle:
    found = load_onnx_bundle(default_bundle_folder())
    assert found is not None
    return found


@pytest.fixture(scope="session")
def rule() -> RiskRule:
    return read_risk_rule()


def app_of(bundle: OnnxBundle, rule: RiskRule) -> FastAPI:
    """The offline pages alone, guarded as all pages are."""
    app = FastAPI()
    app.add_middleware(Guard, larger_bodies={})
    app.include_router(offline_router(bundle, default_bundle_folder(), rule))
    return app


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serves an app on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until, "the server does not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def vendored() -> None:
    if not (STATIC / "offline" / RUNTIME).is_file():
        pytest.skip("the npm packages of the offline page are not here; `make vendor` puts them there")


@pytest.fixture(scope="session")
def address(vendored: None, bundle: OnnxBundle, rule: RiskRule) -> Iterator[str]:
    with serving(app_of(bundle, rule)) as started:
        yield started


@pytest.fixture(scope="module")
def script(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Runs a function of one of the page's modules: ``script("resizing.js", "(module, given) => …", given)``."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address + "/offline/en/")
    folder = page.evaluate("JSON.parse(document.getElementById('facts').textContent).addresses.worker")

    def run(module: str, code: str, given: Any = None) -> Any:
        call = f"async (given) => ({code})(await import('{folder.replace('answering.js', module)}'), given)"
        return page.evaluate(call, given)

    yield run
    context.close()
