"""Reads an HTML report strictly: unbalanced tags are an error, everything loaded is collected."""

import json
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "input", "br", "img", "hr"}
SELF_CLOSED = {"circle", "line", "path", "rect"}
LOADING = {"src", "href", "srcset", "data", "poster", "action", "xlink:href"}


class Page(HTMLParser):
    """A parsed report.

    Attributes:
        tags: Every element as name and attributes, in document order.
        loads: Values of attributes by which a browser would fetch something.
        scripts: Text of every script element, by its ``id`` or position.
        text: All text outside script and style.
    """

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.loads += [value or "" for name, value in attrs if name in LOADING]
        if tag not in VOID | SELF_CLOSED:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data
        elif self._open and self._open[-1] != "style":
            self.text += data

    def attributes(self, name: str) -> list[str]:
        """Return all values of an attribute."""
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]

    def charts(self) -> Any:
        """Return the chart data that the page holds."""
        return json.loads(self.scripts[0])
