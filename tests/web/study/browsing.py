"""A reader in a real browser, and what a page must keep to there."""

from typing import Any

from ..conftest import Study

WIDTHS = {"phone": (390, 844), "desktop": (1280, 800)}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Browsing:
    """One browser with its own cookies, at the reader's first page. Errors of scripts and policy are collected."""

    def __init__(self, browser: Any, address: str, study: Study, name: str = "R1", **options: Any) -> None:
        self.address = address
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}  # no colour half-way
        )
        self.context.set_default_timeout(15_000)
        self.errors: list[str] = []
        self.page = self.context.new_page()
        self.watch(self.page)
        self.page.goto(address + study.links[name])

    def watch(self, page: Any) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def press(self, words: str) -> None:
        """Press the button of these words."""
        self.page.get_by_role("button", name=words, exact=True).click()

    def begin(self) -> "Browsing":
        """As far as the first case being ready."""
        self.press("Begin")
        self.page.get_by_role("checkbox").check()
        self.press("Take part")
        self.press("I have read the instructions")
        return self

    def show(self) -> "Browsing":
        self.press("Show the case")
        self.picture()
        return self

    def picture(self) -> None:
        """Wait for the photograph."""
        self.page.wait_for_selector("[data-photograph]")
        self.until("document.querySelector('[data-photograph]').naturalWidth > 0")

    def until(self, expression: str) -> None:
        """Wait until this is true in the page; playwright's own waiting is refused by the page's policy."""
        for _ in range(150):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never: {expression}")

    def answer(self, choice: str = "Malignant", percent: int = 80) -> None:
        self.page.get_by_role("radio", name=choice, exact=True).check()
        self.page.get_by_role("spinbutton").fill(str(percent))
        self.press("Save the answer")
        self.page.wait_for_selector(".notice")

    def heading(self) -> str:
        return str(self.page.locator("h1").inner_text())

    def check(self) -> list[str]:
        """What is wrong with the page by axe's rules, and where it is wider than the window, at both widths."""
        from axe_playwright_python.sync_playwright import Axe

        wrong = []
        for name, (width, height) in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for each in Axe().run(self.page, options={"runOnly": RULES}).response["violations"]:
                wrong.append(f"{name}: {each['id']}: {each['nodes'][0]['html']}")
            if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append(f"{name}: the page is wider than the window")
        return wrong
