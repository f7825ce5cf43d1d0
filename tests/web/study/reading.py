"""A reader without scripts: forms found in pages, filled in and sent."""

import re
from html import unescape
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response


class Reader:
    """Goes from page to page as a browser without scripts does. ``page``: the last response."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.page: Any = None

    def open(self, address: str = "/study") -> "Reader":
        self.page = self.client.get(address)
        return self

    @property
    def text(self) -> str:
        return str(self.page.text)

    @property
    def heading(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.S)
        assert found, self.text
        return unescape(re.sub(r"<[^>]+>", "", found[1])).strip()

    @property
    def key(self) -> str:
        found = re.search(r'/study/picture/([\w-]+)"', self.text)
        assert found, self.text
        return found[1]

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.text)
        assert found, self.text
        return found[1]

    def send(self, address: str, **fields: Any) -> "Reader":
        """Send the form of this address, which must be on the page."""
        assert f'action="{address}"' in self.text, f"no form to {address} in {self.text}"
        self.page = self.client.post(address, data={"csrf": self.csrf, **fields})
        return self

    def post(self, address: str, **fields: Any) -> Response:
        """Send a form that is not on the page; the page stays."""
        return self.client.post(address, data={"csrf": self.csrf, **fields})  # type: ignore[return-value]

    def join(self, link: str) -> "Reader":
        self.open(link)
        return self.send(link)

    def begin(self, link: str) -> "Reader":
        """As far as the first case being ready."""
        self.join(link)
        self.send("/study/consent", agree="yes")
        return self.send("/study/instructions")

    def show(self) -> "Reader":
        return self.send("/study/next")

    def answer(self, **fields: Any) -> "Reader":
        return self.send(f"/study/answer/{self.key}", **(fields or {"choice": "malignant", "percent": "80"}))
