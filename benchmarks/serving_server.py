"""``cutis serve`` under load, for ``serving.py``: cold start, many clients, and memory over many requests.

Requests go to 127.0.0.1 alone, are bounded in number or time, and the server is stopped at the end.
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

COMMAND = "import sys; from cutis.cli import main; main(sys.argv[1:])"
HOST = "127.0.0.1"
STARTS = 5
SAMPLES = 50


def body_of(path: str) -> tuple[bytes, str]:
    """A multipart form with one image in field ``images``, and its content type."""
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="{Path(path).name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + Path(path).read_bytes() + f"\r\n--{boundary}--\r\n".encode(), boundary


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


class Server:
    """``cutis serve`` in a process of its own, from its start until the block ends."""

    def __init__(self, bundle: Path | None) -> None:
        self._arguments = ["serve", *([str(bundle)] if bundle else [])]

    def __enter__(self) -> "Server":
        self.port = free_port()
        started = time.perf_counter()
        command = [sys.executable, "-c", COMMAND, *self._arguments, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not self._ready():
            if self.process.poll() is not None or time.perf_counter() - started > 120:
                self.process.kill()
                raise RuntimeError((self.process.communicate()[1] or b"no answer").decode()[-2000:])
            time.sleep(0.02)
        self.seconds_to_ready = time.perf_counter() - started
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)

    def _ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
            connection.request("GET", "/healthz")
            answered = connection.getresponse()
            answered.read()
            connection.close()
        except OSError:
            return False
        return answered.status == 200

    def memory(self) -> int:
        """Bytes that the server and its processes hold."""
        leader = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in [leader, *leader.children(recursive=True)])


class Clients:
    """Threads that ask one after the other, each on its own connection, and what they met."""

    def __init__(self, port: int, bodies: Sequence[tuple[bytes, str]], count: int) -> None:
        self._port, self._bodies, self._count = port, bodies, count
        self._lock = threading.Lock()
        self.sent = 0
        self.milliseconds: list[float] = []
        self.statuses: dict[str, int] = {}

    def run(self, more: Callable[[int], bool]) -> float:
        """Ask as long as ``more(number of the next request)``; gives the seconds it took."""
        started = time.perf_counter()
        threads = [threading.Thread(target=self._one, args=(more,)) for _ in range(self._count)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return time.perf_counter() - started

    def _one(self, more: Callable[[int], bool]) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=60)
        while True:
            with self._lock:
                number = self.sent
                if not more(number):
                    break
                self.sent += 1
            body, boundary = self._bodies[number % len(self._bodies)]
            started = time.perf_counter()
            try:
                connection.request(
                    "POST", "/api/v1/predict", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
                )
                answered = connection.getresponse()
                answered.read()
                status = str(answered.status)
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
                connection.close()
            took = 1000 * (time.perf_counter() - started)
            with self._lock:
                self.milliseconds.append(took)
                self.statuses[status] = self.statuses.get(status, 0) + 1
        connection.close()


def server_figures(
    bundle: Path | None, paths: Sequence[str], *, clients: int, seconds: float, soak: int
) -> dict[str, Any]:
    """Start the server several times; then load it for some seconds; then, if asked for, watch its memory."""
    starts = []
    for _ in range(STARTS):
        with Server(bundle) as server:
            starts.append(server.seconds_to_ready)
    bodies = [body_of(each) for each in paths]
    figures: dict[str, Any] = {"cold_start_seconds": {"median": median(starts), "largest": max(starts)}}
    with Server(bundle) as server:
        Clients(server.port, bodies, clients).run(lambda number: number < 2 * clients)  # warm
        loaded = Clients(server.port, bodies, clients)
        end = time.perf_counter() + seconds
        took = loaded.run(lambda _: time.perf_counter() < end)
        p50, p99 = np.quantile(loaded.milliseconds, [0.5, 0.99])
        figures["load"] = {
            "clients": clients,
            "seconds": took,
            "requests": loaded.sent,
            "statuses": loaded.statuses,
            "images_per_second": loaded.statuses.get("200", 0) / took,
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "memory_bytes": server.memory(),
        }
        if soak:
            figures["soak"] = soaked(server, bodies, clients, soak)
    return figures


def soaked(server: Server, bodies: Sequence[tuple[bytes, str]], clients: int, requests: int) -> dict[str, Any]:
    """Memory at equal distances over many requests; its slope over the last half tells whether it grows."""
    asking = Clients(server.port, bodies, clients)
    memory: list[tuple[int, int]] = []

    def more(number: int) -> bool:
        if number % max(1, requests // SAMPLES) == 0 and (not memory or memory[-1][0] != number):
            memory.append((number, server.memory()))
        return number < requests

    took = asking.run(more)
    memory.append((asking.sent, server.memory()))
    number, held = np.array(memory, dtype=np.float64).T
    late = number >= requests / 2
    slope = float(np.polyfit(number[late], held[late], 1)[0]) if late.sum() > 1 else float("nan")
    return {
        "requests": asking.sent,
        "seconds": took,
        "statuses": asking.statuses,
        "memory": memory,
        "bytes_a_request_over_the_last_half": slope,
    }


def imports() -> dict[str, float]:
    """Seconds of ``import cutis`` and of ``cutis predict`` with no argument read, each the median of several cold processes."""

    def seconds(*arguments: str) -> float:
        found = []
        for _ in range(STARTS):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env={**os.environ})
            found.append(time.perf_counter() - started)
        return median(found)

    traced = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import cutis"], check=True, capture_output=True, text=True
    ).stderr
    own = re.findall(r"\|\s+(\d+) \| cutis$", traced, re.MULTILINE)
    return {
        "python": seconds("-c", "pass"),
        "import cutis": seconds("-c", "import cutis"),
        "import cutis, without Python's own start": int(own[-1]) / 1e6,
        "cutis --help": seconds("-c", COMMAND, "--help"),
    }


def server_lines(results: dict[str, Any]) -> list[str]:
    """What was measured, in Markdown."""
    lines: list[str] = []
    if "imports" in results:
        told = ", ".join(f"`{name}` {value:.2f} s" for name, value in results["imports"].items())
        lines += [f"Cold processes: {told}.", ""]
    servers = results.get("server")
    if servers is None:
        return [*lines, "`cutis serve` under load: not measured yet (`--load`, `--soak`)."]
    for name, server in servers.items():
        lines += one_server_lines(name, server)
    return lines


def one_server_lines(name: str, server: dict[str, Any]) -> list[str]:
    """What was measured of one model's server, in Markdown."""
    lines: list[str] = []
    load, cold = server["load"], server["cold_start_seconds"]
    statuses = json.dumps(load["statuses"])
    lines += [
        f"`cutis serve`, the model {name}, on {server['machine']}, clients on the same machine; one photograph a request.",
        "",
        "| | |",
        "| --- | ---: |",
        f"| cold start to the first `/healthz`, s (median, largest of {STARTS}) | {cold['median']:.1f}, {cold['largest']:.1f} |",
        f"| images a second, {load['clients']} clients, {load['seconds']:.0f} s | {load['images_per_second']:.1f} |",
        f"| p50, p99 of a request, ms | {load['p50_ms']:.0f}, {load['p99_ms']:.0f} |",
        f"| answers by status | `{statuses}` |",
        f"| memory after it, MB | {load['memory_bytes'] / 1e6:.0f} |",
    ]
    if "soak" in server:
        soak = server["soak"]
        memory = [held for _, held in soak["memory"]]
        held = ", ".join(f"{memory[at] / 1e6:.0f}" for at in (0, len(memory) // 2, -1))
        lines += [
            f"| {soak['requests']:,} requests: memory at first, halfway, at the end, MB | {held} |",
            f"| growth over the last half, bytes a request | {soak['bytes_a_request_over_the_last_half']:.0f} |",
            f"| answers by status | `{json.dumps(soak['statuses'])}` |",
        ]
    return [*lines, ""]
