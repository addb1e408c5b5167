"""A real Chromium that a test drives over its DevTools protocol: pages opened, asked, pictured."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_SECONDS = 120.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--window-size=1500,1000",
)


class Browser:
    """One tab. ``errors``: what the pages' scripts let escape, in order."""

    def __init__(self, address: str) -> None:
        self.errors: list[str] = []
        self._runner = asyncio.Runner()
        self._numbers = itertools.count(1)
        self._socket = self._runner.run(self._connect(address))
        for domain in ("Page", "Runtime"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._session.close())
        self._runner.close()

    def open(self, url: str) -> None:
        """Go to a page; it may still be loading afterwards."""
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        """Return the value of an expression in the page; None where it fails."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value") if "exceptionDetails" not in answer else None

    def wait_for(self, script: str, what: str) -> Any:
        """Wait until an expression is true and return it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := self.ask(script)):
            assert time.monotonic() < deadline, f"no {what}; the page says: {self.text()[:2000]}"
            time.sleep(0.2)
        return value

    def wait_for_text(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.wait_for(f"document.body.innerText.includes({json.dumps(text)})", text)

    def text(self) -> str:
        """Return what the page shows."""
        return str(self.ask("document.body.innerText"))

    def picture(self, path: Path) -> None:
        """Write a PNG of what is seen."""
        shot = self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    async def _connect(self, address: str) -> aiohttp.ClientWebSocketResponse:
        self._session = aiohttp.ClientSession()
        return await self._session.ws_connect(address, max_msg_size=0)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._runner.run(self._exchange(method, params))

    async def _exchange(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=PATIENCE_SECONDS)
            if message.get("method") == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", str(details)))
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Run Chromium with an empty profile below a folder; it ends with the context."""
    profile = folder / "profile"
    command = [str(CHROMIUM), *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with Browser(_find_tab(profile, process)) as browser:
                yield browser
        finally:
            process.terminate()
            process.wait()


def _find_tab(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the address of the first tab, once Chromium has written its port down."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    said = profile / "DevToolsActivePort"
    while not said.exists() or not said.read_text().strip():
        assert process.poll() is None, "Chromium ended"
        assert time.monotonic() < deadline, "Chromium did not start"
        time.sleep(0.05)
    port = said.read_text().split()[0]
    return asyncio.run(_ask_tab(port))


async def _ask_tab(port: str) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/json/list") as answer,
    ):
        tabs = await answer.json(content_type=None)
    return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
