# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and modules that the launcher of a host has started (``launcher.py``)."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LAUNCHER = Path(__file__).with_name("launcher.py")


class Launched:
    """A process of a host; it is asked as a Popen is.

    Args:
        connection: to the launcher.
        request: what it is to start.
        stdin: what its standard input holds.
        kill: kills a process group of the host.
    """

    def __init__(
        self, connection: socket.socket, request: Mapping[str, Any], stdin: bytes, kill: Callable[[int], object]
    ) -> None:
        self._connection = connection
        self._kill = kill
        self._answer = b""
        self._said: dict[int, bytes] = {}
        self._order: list[int] = []
        self._open = selectors.PollSelector()
        self._open.register(connection, selectors.EVENT_READ)
        outputs = [os.pipe(), os.pipe()]
        with open(os.memfd_create("stdin"), "w+b") as given:
            given.write(stdin)
            given.seek(0)
            descriptors = [given.fileno(), *(written for _read, written in outputs)]
            line = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(connection, [line], descriptors)
            if sent < len(line):
                connection.sendall(line[sent:])
        for read, written in outputs:
            os.close(written)
            self._said[read] = b""
            self._order.append(read)
            self._open.register(read, selectors.EVENT_READ)

    def _look(self, timeout: float) -> bool:
        """Read what there is, or comes within ``timeout`` seconds; tell whether there was anything."""
        events = self._open.select(timeout)
        for key, _events in events:
            if key.fileobj is self._connection:
                try:
                    part = self._connection.recv(1 << 10)
                except ConnectionError:
                    part = b""
                self._answer += part
            else:
                part = os.read(key.fd, 1 << 16)
                self._said[key.fd] += part
            if not part or (key.fileobj is self._connection and self.returncode is not None):
                self._open.unregister(key.fileobj)
                if key.fileobj is self._connection:
                    self._connection.close()
                else:
                    os.close(key.fd)
        return bool(events)

    @property
    def returncode(self) -> int | None:
        """Its return code, as far as that is known; that of SIGKILL when the whole host went."""
        lines = self._answer.split(b"\n")
        if len(lines) == 3:
            return int(lines[1])
        return None if self._connection.fileno() >= 0 else -9

    def poll(self) -> int | None:
        """Return its return code, None while it runs."""
        while self.returncode is None and self._look(0):
            pass
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Wait until it has ended and nobody holds its output, and return what it said.

        Raises:
            subprocess.TimeoutExpired: that took longer than ``timeout`` seconds.
        """
        deadline = time.monotonic() + (timeout or 300)
        while self._open.get_map():
            if not self._look(max(deadline - time.monotonic(), 0)) and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a process of a host", timeout or 300)
        return self._said[self._order[0]], self._said[self._order[1]]

    def end(self) -> None:
        """Kill it with its process group, and wait until it is gone."""
        if self.poll() is None:
            while b"\n" not in self._answer and self._look(10):
                pass
            self._kill(int(self._answer.split()[0]))
        self.communicate()


def connect(directory: Path, name: str) -> socket.socket | None:
    """Connect to a socket in a directory; None when nobody listens there."""
    connection = socket.socket(socket.AF_UNIX)
    # The path of a socket must not be longer than 107 bytes.
    place = os.open(directory, os.O_PATH)
    try:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            connection.connect(f"/proc/self/fd/{place}/{name}")
            return connection
    finally:
        os.close(place)
    connection.close()
    return None
