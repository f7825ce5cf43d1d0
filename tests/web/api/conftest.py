"""What the tests of the API share: the app over the model that comes with cutis, and small photographs."""

import io
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from cutis.data import draw_phantom, phantom_lesion, phantom_view
from cutis.models import OnnxBundle, fastest_bundle
from cutis.taxonomy import RiskRule, read_risk_rule
from cutis.web.clinic.app import create_clinic_app
from cutis.web.clinic.engine import Limits

SMALL = Limits(file_bytes=3_000_000, body_bytes=5_000_000, files=4, pixels=4_000_000)


@pytest.fixture(scope="session")
def model() -> OnnxBundle:
    found = fastest_bundle()
    assert isinstance(found, OnnxBundle)
    return found


@pytest.fixture(scope="session")
def rule() -> RiskRule:
    return read_risk_rule()


@pytest.fixture(scope="session")
def phantom() -> Image.Image:
    """A lesion, drawn."""
    return Image.fromarray(draw_phantom(phantom_lesion("mel", 3), phantom_view(20.0, 3), (150, 200)).image)


@pytest.fixture(scope="session")
def photograph(phantom) -> Callable[..., bytes]:
    """It as a file, of the kind and with the options of Pillow that are named."""

    def file(kind: str = "JPEG", **options) -> bytes:
        out = io.BytesIO()
        phantom.save(out, kind, **options)
        return out.getvalue()

    return file


@pytest.fixture(scope="module")
def app(model, rule) -> FastAPI:
    return create_clinic_app(model, rule=rule, limits=SMALL)


@pytest.fixture(scope="module")
def api(app) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
