"""How long the whole audit of HAM10000 takes, and how much memory: the first time, and again from what it kept.

Each run is the command itself, in a process of its own, with a cache of its own. Writes ``results/audit_speed.json`` and
``results/audit_speed.md`` beside this file. Wall time means something only where nothing else runs.

    python benchmarks/audit_speed.py

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from cutis.data import source, write_manifest
from cutis.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
COMMAND = "import sys; from cutis.cli import main; main(sys.argv[1:])"


def timed(arguments: list[str], cache: Path) -> dict[str, float]:
    """Seconds, processor seconds and peak memory of a command and its processes; shared pages count once."""
    environment = os.environ | {"CUTIS_CACHE": str(cache)}
    before, start, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-c", COMMAND, *arguments]
        running = psutil.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        while running.poll() is None:
            peak = max(peak, memory_of(running))
            time.sleep(2)
        if running.returncode:
            said.seek(0)
            sys.exit(said.read().decode())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": time.perf_counter() - start,
        "processor seconds": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "peak memory, GiB": peak / 2**30,
    }


def memory_of(process: psutil.Process) -> int:
    """Bytes of a process and those it started: proportional set size."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def main() -> None:
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        manifest = source("ham10000").import_from(data / "ham10000").frame
        write_manifest(manifest, place / "ham.parquet")
        audit = ["data", "audit", str(place / "ham.parquet"), "-o", str(place / "audit")]
        runs = {name: timed(audit, place / "cache") for name in ("the first time", "again")}
    write_json(RESULTS / "audit_speed.json", {"images": len(manifest), "cores": os.cpu_count(), "runs": runs})
    lines = [
        f"`cutis data audit` of {len(manifest):,} images on {os.cpu_count()} cores.",
        "",
        "| run | seconds | processor seconds |",
        "| --- | ---: | ---: |",
        *[f"| {name} | {each['seconds']:.0f} | {each['processor seconds']:.0f} |" for name, each in runs.items()],
        "",
        f"Peak memory of the first run: {runs['the first time']['peak memory, GiB']:.2f} GiB, its worker processes included.",
    ]
    write_text(RESULTS / "audit_speed.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
