# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser without a screen, which reads a page and takes pictures of it, and is watched for what it asks the network for."""

from __future__ import annotations

import contextlib
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

PROGRAM = "chromium-headless-shell"
_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --hide-scrollbars"
).split()


@contextlib.contextmanager
def _recording() -> Iterator[tuple[str, list[str]]]:
    """Listen as a proxy that writes down what it is asked for, and answers nothing."""
    asked: list[str] = []

    class Asked(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode("latin-1").strip())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Asked) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{proxy.server_address[1]}", asked
        proxy.shutdown()


@dataclass
class Browser:
    """The browser.

    Attributes:
        asked: the first lines of all requests that its pages made of the network.
    """

    asked: list[str] = field(default_factory=list)

    def _run(self, page: Path, *arguments: str, width: int, height: int = 1000, dark: bool = False) -> str:
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        with tempfile.TemporaryDirectory() as profile, _recording() as (proxy, asked):
            command = [
                PROGRAM,
                *_QUIET,
                scheme,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--proxy-server={proxy}",
                "--proxy-bypass-list=<-loopback>",
                *arguments,
                page.as_uri(),
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            self.asked += asked
        return done.stdout

    def read(self, page: Path, width: int = 1280) -> str:
        """Return the page as the browser has understood it."""
        return self._run(page, "--dump-dom", width=width)

    def picture(self, page: Path, to: Path, width: int, height: int, dark: bool = False) -> bytes:
        """Take a picture of the page, and return it."""
        self._run(page, f"--screenshot={to}", width=width, height=height, dark=dark)
        return to.read_bytes()


class Fields(HTMLParser):
    """What a page says of each host in its elements with ``data-field``: the machine's value, or the text.

    ``rows`` has one dictionary for each row of a table and host, in the page's order.
    """

    _EMPTY = frozenset({"meta", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self.tags: set[str] = set()
        self._open: list[str | None] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element."""
        values: dict[str, Any] = dict(attrs)
        self.tags.add(tag)
        if "data-host" in values:
            self.rows.append({"host": values["data-host"]})
        if tag in self._EMPTY:
            return
        name = values.get("data-field") or (self._open[-1] if self._open else None)
        self._open.append(name)
        if name is not None:
            self.rows[-1].setdefault(name, "")
            for attribute in ("value", "datetime", "data-seconds"):
                if values.get(attribute):
                    self.rows[-1][f"{name} {attribute}"] = values[attribute]

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """Add text to the field that it is in."""
        if self._open and self._open[-1] is not None:
            self.rows[-1][self._open[-1]] = f"{self.rows[-1][self._open[-1]]}{data}".strip()

    def of(self, host: str, name: str) -> str:
        """Return the one value of a host's field."""
        (found,) = {row[name] for row in self.rows if row["host"] == host and name in row}
        return found
