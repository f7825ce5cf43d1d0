"""What the offline app is made of: every file a device keeps, by the hash of its content, as one build.

A build's id changes with anything in it. Its files' addresses hold the id, so scripts of two versions never mix.
"""

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cutis import __version__
from cutis.data import FITZPATRICK_SKIN_TYPES
from cutis.models import OnnxBundle
from cutis.taxonomy import GRADES, RiskRule
from cutis.web.clinic.answer_page import learnt_from
from cutis.web.clinic.pages import card_html
from cutis.web.clinic.sent import SITES
from cutis.web.clinic.words import LANGUAGES, class_key, class_name, clinic_words
from cutis.web.offline.model_facts import SEXES, model_facts, seen_prefixes
from cutis.web.offline.words import offline_words
from cutis.web.rendering import ROOM, STATIC, environment

RUNTIME = "vendor/ort-wasm-simd-threaded.wasm.gz"

_OWN = STATIC / "offline"
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".gz": "application/gzip",
}
_LEFT_OUT = ("service_worker.js", "vendored.txt", "LICENSE")
_SHARED = ("pages.css", "clinic.css", "clinic-crop.js", "icon.svg")
_TOLD = ("answer", "often", "malignancy", "script")  # tables of the clinic page's words that our scripts use
_COLOUR = "#0a6870"
_HELD = 1_000_000  # bytes


@dataclass(frozen=True, eq=False)
class OfflineFile:
    """One file.

    Attributes:
        address: where it is served.
        media_type: of the content that is kept.
        source: what is sent: bytes, or a file.
        packed: whether it is sent gzipped and kept unpacked.
        sha256: of the content that is kept.
        bytes: its size.
    """

    address: str
    media_type: str
    source: bytes | Path
    packed: bool
    sha256: str
    bytes: int

    @property
    def download(self) -> int:
        """How many bytes are sent."""
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source)

    def told(self) -> dict[str, Any]:
        """As the page and the service worker read it."""
        return {
            "address": self.address,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "download": self.download,
            "packed": self.packed,
        }


class OfflineBuild:
    """The app for one model. Made when first asked for: hashing takes a fifth of a second.

    Args:
        bundle: the model.
        folder: where the bundle lies.
        rule: costs, grades and advice.
    """

    def __init__(self, bundle: OnnxBundle, folder: Path, rule: RiskRule) -> None:
        self._bundle = bundle
        self._folder = folder
        self._rule = rule

    @property
    def missing(self) -> str | None:
        """Why there is no app: ``"packages"`` were not vendored, the bundle has no ``"network"`` in ONNX; or None."""
        if not (_OWN / RUNTIME).is_file():
            return "packages"
        return None if (self._folder / self._bundle.file).is_file() else "network"

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits."""
        parts = hashlib.sha256(__version__.encode())
        for name, file in sorted(self._contents.items()):
            parts.update(f"{name} {file.sha256}\n".encode())
        # The pages hold the id; what they are made of stands for them.
        for path in [*sorted((ROOM / "templates" / "offline").iterdir()), _OWN / "service_worker.js"]:
            parts.update(path.read_bytes())
        for language in LANGUAGES:
            parts.update(json.dumps([offline_words(language).words, clinic_words(language).words]).encode())
        rest = [self._bundle.card, self._bundle.about, self._bundle.calibration.prior, self._rule.model_dump()]
        parts.update(json.dumps(rest).encode())
        return parts.hexdigest()[:16]

    @cached_property
    def files(self) -> dict[str, OfflineFile]:
        """Every file the device keeps, by its address."""
        moved = [
            _file(f"/offline/files/{self.id}/{name}", each.source, each.media_type)
            for name, each in self._contents.items()
        ]
        for language in LANGUAGES:
            moved.append(_file(f"/offline/{language}/", self.page(language).encode(), "text/html; charset=utf-8"))
            manifest = json.dumps(self._manifest(language), ensure_ascii=False).encode()
            moved.append(_file(f"/offline/{language}/manifest.webmanifest", manifest, "application/manifest+json"))
        return {each.address: each for each in moved}

    def told(self) -> dict[str, Any]:
        """As ``/offline/build.json`` and the service worker hold it."""
        return {
            "id": self.id,
            "languages": list(LANGUAGES),
            "files": [each.told() for each in self.files.values()],
        }

    def service_worker(self) -> str:
        """Its script, which begins with what it serves."""
        script = (_OWN / "service_worker.js").read_text(encoding="utf-8")
        return f"const BUILD = {json.dumps(self.told())};\n{script}"

    @cached_property
    def facts(self) -> bytes:
        """``model.json``."""
        return json.dumps(model_facts(self._bundle, self._rule), ensure_ascii=False, allow_nan=False).encode()

    def page(self, language: str) -> str:
        """The page in one of the languages: the clinic page's words, and its own."""
        t, w = offline_words(language), clinic_words(language)
        classes = self._bundle.classes.classes
        names = {}
        for each in classes:
            name, spoken = class_name(w, each.id, each.name)
            names[each.id] = {"name": name, "language": spoken, "plain": w.words.get(f"plain.{class_key(each.id)}", "")}
        height, width = self._bundle.image.decoded
        files = {"facts": "model.json", "runtime": RUNTIME, "model": "model.onnx", "seen": "seen.bin"}
        if self._bundle.familiarity:
            files["features"] = "features.safetensors"
        own = {key.removeprefix("told."): text for key, text in t.words.items() if key.startswith("told.")}
        facts = {
            "words": own | {key: text for key, text in w.words.items() if key.partition(".")[0] in _TOLD},
            "names": names,
            "build": self.id,
            "language": language,
            "aspect": width / height,
            "addresses": {
                "worker": self._address("answering.js"),
                "files": {key: self._address(name) for key, name in files.items()},
            },
        }
        return (
            environment()
            .get_template("offline/page.html.jinja")
            .render(
                t=t,
                w=w,
                facts=facts,
                names=names,
                address=self._address,
                languages=LANGUAGES,
                fields=self._bundle.architecture.patient,
                sexes=SEXES,
                sites=SITES,
                skin_types=FITZPATRICK_SKIN_TYPES,
                advice={grade: self._rule.advice_for(grade, language) for grade in GRADES},
                review=self._rule.review,
                prior=self._bundle.calibration.prior,
                data=learnt_from(self._bundle),
                card=card_html(self._bundle.card),
                model=self._bundle.name,
            )
        )

    @cached_property
    def _contents(self) -> dict[str, OfflineFile]:
        """All but the pages, by name; their addresses are not known before the id."""
        paths = {
            path.relative_to(_OWN).as_posix(): path
            for path in sorted(_OWN.rglob("*"))
            if path.is_file() and path.name not in _LEFT_OUT and path.suffix in _TYPES
        }
        paths |= {name: STATIC / name for name in _SHARED}
        made = {name: _file(name, path, _TYPES[path.suffix]) for name, path in paths.items()}
        binary = "application/octet-stream"
        made["model.json"] = _file("model.json", self.facts, _TYPES[".json"])
        made["model.onnx"] = _file("model.onnx", self._folder / self._bundle.file, binary)
        made["seen.bin"] = _file("seen.bin", seen_prefixes(self._bundle), binary)
        if self._bundle.familiarity:
            features = self._folder / "familiarity.safetensors"
            made["features.safetensors"] = _file("features.safetensors", features, binary)
        return made

    def _address(self, name: str) -> str:
        return f"/offline/files/{self.id}/{name}"

    def _manifest(self, language: str) -> dict[str, Any]:
        t = offline_words(language)
        icons = [("icon-192.png", "192x192", "any"), ("icon-512.png", "512x512", "any")]
        icons.append(("icon-maskable-512.png", "512x512", "maskable"))
        return {
            "id": "/offline/",
            "name": t("page.name"),
            "short_name": "cutis",
            "description": t("page.description"),
            "lang": language,
            "start_url": f"/offline/{language}/",
            "scope": "/offline/",
            "display": "standalone",
            "background_color": "#ffffff",
            "theme_color": _COLOUR,
            "icons": [
                {"src": self._address(f"icons/{name}"), "sizes": sizes, "type": "image/png", "purpose": purpose}
                for name, sizes, purpose in icons
            ],
        }


def _file(address: str, source: bytes | Path, media_type: str) -> OfflineFile:
    packed = address.endswith(".gz")
    content = source.read_bytes() if isinstance(source, Path) else source
    # What is small is held: it then stays what its hash says, whatever becomes of the file while the server runs.
    held = content if len(content) < _HELD else source
    content = gzip.decompress(content) if packed else content
    kept_type = "application/wasm" if packed else media_type
    return OfflineFile(address, kept_type, held, packed, hashlib.sha256(content).hexdigest(), len(content))
