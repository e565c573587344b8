# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The greeting with which a server answers every connection: proof of life and version, without a login."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Greeting:
    """What the server said.

    Attributes:
        version: for example ``10.11.19-MariaDB-0+deb12u1``; empty when it sent an error instead.
        error: number and text of that error, for example 1040 "Too many connections"; it is an answer too.
    """

    version: str
    error: str = ""


def parse_greeting(packet: bytes) -> Greeting:
    """Read the first packet of the protocol, header included.

    Raises:
        ValueError: it is not the greeting of a MariaDB or MySQL server.
    """
    if len(packet) < 6:
        raise ValueError("the answer is too short")
    body = packet[4:]
    if body[0] == 0xFF:
        (code,) = struct.unpack("<H", body[1:3])
        return Greeting("", f"{code} {body[3:].decode('utf-8', 'replace')}")
    if body[0] != 10 or b"\0" not in body:
        raise ValueError("the answer is not the greeting of a database server")
    version = body[1 : body.index(b"\0")].decode("utf-8", "replace")
    # Written in front of the true version for replicas that refused a first number above 5.
    return Greeting(version[6:] if version.startswith("5.5.5-") else version)


def _receive(stream: socket.socket) -> bytes:
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:3], "little"):
        part = stream.recv(4096)
        if not part:
            break
        data += part
    return data


def read_greeting(
    unix_socket: str | None = None, host: str | None = None, port: int = 3306, timeout: float = 5
) -> Greeting:
    """Connect and read the greeting.

    Raises:
        OSError: nobody listens, or no answer came in time.
        ValueError: something else than a database server answered.
    """
    if unix_socket:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(timeout)
            stream.connect(unix_socket)
            return parse_greeting(_receive(stream))
    with socket.create_connection((host or "127.0.0.1", port), timeout=timeout) as stream:
        return parse_greeting(_receive(stream))


def socket_path(options: Mapping[str, str]) -> str | None:
    """Return the path of the server's unix socket; a relative one lies in the datadir."""
    path = options.get("socket", "")
    if not path:
        return None
    return path if path.startswith("@") else os.path.join(options.get("datadir", "/"), path)


def server_greeting(options: Mapping[str, str], timeout: float = 5) -> Greeting:
    """Read the greeting of the server with these options: over its socket, else over its port.

    Raises:
        OSError: neither answers.
        ValueError: something else answers.
    """
    path = socket_path(options)
    if path and not path.startswith("@"):
        try:
            return read_greeting(unix_socket=path, timeout=timeout)
        except OSError:
            if options.get("skip_networking", "FALSE").upper() in ("TRUE", "ON", "1"):
                raise
    port = int(options.get("port") or 3306) or 3306
    bind = options.get("bind_address", "").split(",")[0].strip()
    host = bind if bind and bind not in ("*", "0.0.0.0", "::") else "127.0.0.1"
    return read_greeting(host=host, port=port, timeout=timeout)
