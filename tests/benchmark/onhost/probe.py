# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that asks the server every 10 ms whether it may write, and writes down each change of the answer.

python3 probe.py SOCKET OUTPUT, until it is killed. Each line is the time of the last answer of the old kind, the time of the first
one of the new kind, and the new kind: ``down``, ``read-only`` or ``open``.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pymysql

PAUSE = 0.01


def ask(connection: Any) -> str:
    """Return what the server lets this client do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.read_only")
        (answer,) = cursor.fetchone()
    return "open" if str(answer).upper() in ("0", "OFF") else "read-only"


def main(socket: str, output: str) -> None:
    """Ask until a signal ends it."""
    connection: Any = None
    state, last = "", time.monotonic()
    with open(output, "w", encoding="ascii", buffering=1) as stream:
        while True:
            try:
                if connection is None:
                    connection = pymysql.connect(unix_socket=socket, user="root", connect_timeout=120, read_timeout=120)
                answer = ask(connection)
            except (pymysql.Error, OSError):
                connection, answer = None, "down"
            now = time.monotonic()
            if answer != state:
                stream.write(f"{last:.4f} {now:.4f} {answer}\n")
                state = answer
            last = now
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
