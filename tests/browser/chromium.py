"""A real Chromium that a test drives over its DevTools protocol: pages opened, asked, pictured."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    """One tab with its frames, those that Chromium gives a process of their own among them.

    Attributes:
        errors: What the pages' scripts let escape, in order.
        messages: Errors and warnings of the console, the browser's own among them.
        requests: What was asked for, but for the page itself and data that it holds.
    """

    def __init__(self, address: str) -> None:
        self.errors: list[str] = []
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._frames: list[_Frame] = []
        self._unheard: list[str] = []
        self._runner = asyncio.Runner()
        self._numbers = itertools.count(1)
        self._socket = self._runner.run(self._connect(address))
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        self._call(
            "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True
        )

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
        self._call("Emulation.setEmulatedMedia", media="")
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        """Return the value of an expression in the page; None where it fails."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value") if "exceptionDetails" not in answer else None

    def ask_frames(self, script: str) -> list[Any]:
        """Return the values of an expression in every frame, the page's own first."""
        while self._unheard:
            self._exchange_now("Runtime.enable", self._unheard.pop(), {})  # it may be gone
        answers = [self._evaluate(script, frame) for frame in list(self._frames)]
        return [answer for answer in answers if answer is not None]

    def wait_for(self, script: str, what: str) -> Any:
        """Wait until an expression is true and return it."""
        return self._wait(lambda: self.ask(script), what)

    def wait_for_frame(self, script: str, what: str) -> Any:
        """Wait until an expression is true in some frame and return it."""
        return self._wait(lambda: next(filter(None, self.ask_frames(script)), None), what)

    def wait_for_text(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.wait_for(f"document.body.innerText.includes({json.dumps(text)})", text)

    def text(self) -> str:
        """Return what the page shows."""
        return str(self.ask("document.body.innerText"))

    def resize(self, width: int, height: int) -> None:
        """Give the page a window of so many pixels, narrower than a real one may be."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def picture(self, path: Path) -> None:
        """Write a PNG of what is seen."""
        shot = self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def print(self, path: Path) -> None:
        """Write a PDF of the page as a printer gets it: A4, no backgrounds."""
        size = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
        printed = self._call("Page.printToPDF", **size)
        path.write_bytes(base64.b64decode(printed["data"]))

    def imitate_paper(self) -> None:
        """Lay the page out as it is printed, and tell it so, until another one is opened."""
        self._call("Emulation.setEmulatedMedia", media="print")
        self.ask("window.dispatchEvent(new Event('beforeprint'))")

    def _wait(self, find: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := find()):
            assert time.monotonic() < deadline, f"no {what}; the page says: {self.text()[:2000]}"
            time.sleep(0.2)
        return value

    def _evaluate(self, script: str, frame: "_Frame") -> Any:
        """Return an expression's value in a frame; None where it fails or the frame is gone."""
        where = {"contextId": frame.context, "expression": script, "returnByValue": True}
        answer = self._exchange_now("Runtime.evaluate", frame.session, where)
        found = answer.get("result", {})
        return None if "exceptionDetails" in found else found.get("result", {}).get("value")

    async def _connect(self, address: str) -> aiohttp.ClientWebSocketResponse:
        self._session = aiohttp.ClientSession()
        return await self._session.ws_connect(address, max_msg_size=0)

    def _call(self, method: str, session: str | None = None, /, **params: Any) -> dict[str, Any]:
        answer = self._exchange_now(method, session, params)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def _exchange_now(
        self, method: str, session: str | None, params: dict[str, Any]
    ) -> dict[str, Any]:
        return self._runner.run(self._exchange(method, session, params))

    async def _exchange(
        self, method: str, session: str | None, params: dict[str, Any]
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"id": next(self._numbers), "method": method, "params": params}
        await self._socket.send_json(message | ({"sessionId": session} if session else {}))
        while True:
            heard = dict(await self._socket.receive_json(timeout=PATIENCE_SECONDS))
            if heard.get("id") == message["id"]:
                return heard
            self._note(heard.get("method", ""), heard.get("sessionId"), heard.get("params", {}))

    def _note(self, event: str, session: str | None, said: dict[str, Any]) -> None:
        """Take in what the browser tells by itself."""
        match event:
            case "Runtime.exceptionThrown":
                details = said["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", str(details)))
            case "Runtime.consoleAPICalled" if said["type"] in ("error", "warning", "assert"):
                words = [str(each.get("value", each.get("description"))) for each in said["args"]]
                self.messages.append(" ".join(words))
            case "Log.entryAdded" if said["entry"]["level"] in ("error", "warning"):
                self.messages.append(said["entry"]["text"])
            case "Network.requestWillBeSent" if not _is_of_page(said):
                self.requests.append(said["request"]["url"])
            case "Target.attachedToTarget":
                self._unheard.append(said["sessionId"])
            case "Target.detachedFromTarget":
                self._forget(lambda frame: frame.session == said["sessionId"])
            case "Runtime.executionContextCreated":
                self._frames.append(_Frame(session, said["context"]["id"]))
            case "Runtime.executionContextDestroyed":
                gone = _Frame(session, said["executionContextId"])
                self._forget(lambda frame: frame == gone)
            case "Runtime.executionContextsCleared":
                self._forget(lambda frame: frame.session == session)

    def _forget(self, is_gone: Callable[["_Frame"], bool]) -> None:
        self._frames = [frame for frame in self._frames if not is_gone(frame)]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where scripts run: the session of the frame's process (None: the page's), and its number."""

    session: str | None
    context: int


def _is_of_page(said: dict[str, Any]) -> bool:
    """Return whether a request is for the page itself, or for data that are in it."""
    is_inside = str(said["request"]["url"]).startswith(("data:", "blob:", "about:"))
    return is_inside or said.get("type") == "Document"


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
