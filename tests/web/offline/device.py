"""A device that opens the offline page, and photographs to give it."""

import io

from PIL import Image

from cutis.data import draw_phantom, phantom_lesion, phantom_view

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LISTENING = """window.told = [];
document.addEventListener("cutis-answered", (event) => window.told.push(event.detail));"""


class Device:
    """A browser of its own at the offline page; ``asked``: addresses it asked for since it was cleared."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(
            **{"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce", **options}
        )
        self.context.set_default_timeout(30_000)
        self.context.add_init_script(LISTENING)
        self.asked, self.errors = [], []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda each: self.errors.append(each.text) if each.type == "error" else None)
        self.page.goto(address + "/offline/en/")

    def keep(self):
        self.page.click("#keep-go")
        return self.ready()

    def ready(self):
        self.page.locator("#answer-go:enabled").wait_for(state="attached")
        return self

    def offline(self):
        self.context.set_offline(True)
        self.page.goto(self.page.url)
        return self.ready()

    def choose(self, content, name="photograph.jpg"):
        self.page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": content})

    def answer(self, content):
        """What the page says of a photograph that is chosen and shown."""
        self.choose(content)
        self.page.locator("#cutting").wait_for()
        return self.judge()

    def judge(self):
        before = self.page.evaluate("told.length")
        self.page.click("#answer-go")
        for _ in range(300):
            if self.page.evaluate("told.length") > before:
                return self.page.evaluate("told.at(-1).answer")
            self.page.wait_for_timeout(50)
        raise AssertionError(f"no answer: {self.page.locator('#problem').inner_text()}")

    def problem(self):
        self.page.locator("#problem").wait_for()
        return self.page.locator("#problem").inner_text()

    def check(self):
        """What is wrong by axe's rules, and whether the page is wider than the window, at both widths."""
        from axe_playwright_python.sync_playwright import Axe

        wrong = []
        for width in (390, 1280):
            self.page.set_viewport_size({"width": width, "height": 844})
            for each in Axe().run(self.page, options={"runOnly": RULES}).response["violations"]:
                wrong.append(f"{width}: {each['id']}: {each['nodes'][0]['html']}")
            if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append(f"{width}: the page is wider than the window")
        return wrong


def drawn(kind, number, size=(450, 600)):
    return Image.fromarray(draw_phantom(phantom_lesion(kind, number), phantom_view(30.0, number), size).image)


def saved(image, kind="JPEG", **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def turned(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Apple"
    return saved(image, quality=93, exif=exif)
