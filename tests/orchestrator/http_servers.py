"""Real HTTP servers on this machine that answer as told: what a Ray dashboard should, or not."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = tuple[int, str]
Answer = Reply | Callable[[str], Reply]
"""Status and text; or what makes them of the request's body."""


@dataclass
class Server:
    """A running server. ``requests``: method, path and body of each, in order."""

    url: str
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def serving(
    answers: Mapping[str, Answer], otherwise: Answer = (404, "not here")
) -> Iterator[Server]:
    """Answer ``METHOD /path`` as told, everything else with ``otherwise``."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            server.requests.append((self.command, self.path, body))
            server.headers.append(dict(self.headers))
            answer = answers.get(f"{self.command} {self.path}", otherwise)
            status, text = answer(body) if callable(answer) else answer
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = Server(f"http://127.0.0.1:{http.server_address[1]}")
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def version(ray: str) -> Reply:
    """Return what a dashboard says of its Ray."""
    return 200, json.dumps({"version": "4", "ray_version": ray, "ray_commit": "x"})


def python_version(python: str) -> Reply:
    """Return what a dashboard says of its Python."""
    return 200, json.dumps({"result": True, "data": {"pythonVersion": python}})
