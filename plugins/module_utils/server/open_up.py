# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a checked server to one in service: the upgrade of its system tables, and the end of its restrictions."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import proc
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import Service
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import run
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import (
    Login,
    connect_arguments,
    execute,
    query,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import is_on

UPGRADE_PROGRAMS = ("mariadb-upgrade", "mysql_upgrade")


def configured_values(options: Mapping[str, str]) -> dict[str, str]:
    """Return what ``read_only`` and ``event_scheduler`` are to be, as SQL words.

    ``DEFAULT`` would mean OFF whatever the option files say (seen), so the values are set by name. ``DISABLED`` exists
    at a start only; OFF is what a running server can have of it.
    """
    read_only = options.get("read_only", "").upper()
    if read_only not in ("NO_LOCK", "NO_LOCK_NO_ADMIN"):
        read_only = "ON" if is_on(read_only) else "OFF"
    scheduler = "ON" if is_on(options.get("event_scheduler")) else "OFF"
    return {"read_only": read_only, "event_scheduler": scheduler}


def open_for_writing(connection: Any, options: Mapping[str, str]) -> dict[str, str]:
    """End the restrictions of the running server and return the values it has now.

    Args:
        connection: of an account that may set global variables.
        options: the configured ones, read without the restrictions.

    Raises:
        MariabackupError: the account may not; restart the service without restrictions then.
    """
    values = configured_values(options)
    execute(connection, f"SET GLOBAL read_only = {values['read_only']}")
    execute(connection, f"SET GLOBAL event_scheduler = {values['event_scheduler']}")
    row = query(connection, "SELECT @@global.read_only AS read_only, @@global.event_scheduler AS event_scheduler")[0]
    return {name: str(value) for name, value in row.items()}


def open_by_restart(service: Service, timeout: float) -> None:
    """End the restrictions where no login works: restart the service without them."""
    service.remove_restrictions()
    service.restart(timeout)


def wait_for_distribution_check(service: Service, timeout: float = 600) -> bool:
    """Wait for what the unit started beside the server, such as Debian's ``debian-start`` with its upgrade check.

    Returns:
        False when it still runs after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        helpers = [pid for pid in service.pids() if proc.alive(pid) and not proc.is_server(pid)]
        # A wrapper such as mariadbd-safe stays for as long as the server does.
        helpers = [
            pid for pid in helpers if not any("mysqld_safe" in w or "mariadbd-safe" in w for w in proc.argv_of(pid))
        ]
        if not helpers:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


def upgrade_needed(backup_version: tuple[int, ...], server_version: tuple[int, ...]) -> bool:
    """Tell whether the data comes from an older series than the server's."""
    return tuple(backup_version[:2]) < tuple(server_version[:2])


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def client_option_file(login: Login, default_socket: str | None) -> str:
    """Return the text of an option file with which a client program logs in as ``login`` does."""
    arguments = connect_arguments(login, default_socket)
    lines = ["[client]", f"user={_quoted(arguments['user'])}"]
    if arguments["password"]:
        lines.append(f"password={_quoted(arguments['password'].decode())}")
    if arguments.get("unix_socket"):
        lines += [f"socket={_quoted(arguments['unix_socket'])}", "protocol=socket"]
    else:
        lines += [f"host={arguments['host']}", f"port={arguments['port']}", "protocol=tcp"]
    for name, value in (arguments.get("ssl") or {}).items():
        if name != "check_hostname":
            lines.append(f"ssl-{name}={_quoted(value)}")
    return "\n".join(lines) + "\n"


def run_upgrade(login: Login, default_socket: str | None, *, force: bool = False, timeout: float = 3600) -> list[str]:
    """Run the server's upgrade program and return its last lines.

    It works while the server is read-only when the account may write then (root), and it writes no binary log.

    Args:
        login: an account with all rights.
        default_socket: of the server.
        force: run it although the datadir says that it was upgraded.
        timeout: seconds.

    Raises:
        MariabackupError: the program is missing or fails.
    """
    program = next((found for found in map(shutil.which, UPGRADE_PROGRAMS) if found), None)
    if program is None:
        raise MariabackupError(
            "The backup is of an older series than the server, and mariadb-upgrade is not installed.",
            "Install it (package mariadb-client), or set upgrade: never and run it by hand.",
        )
    fd, path = tempfile.mkstemp(prefix="dba-mariabackup-", suffix=".cnf")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write(client_option_file(login, default_socket))
        # Without it the program takes the locale's character set, and does not find objects whose names lie outside of it.
        argv = [program, f"--defaults-file={path}", "--default-character-set=utf8mb4", "--silent"]
        argv += ["--force"] if force else []
        done = run(argv, timeout=timeout)
    finally:
        os.unlink(path)
    already = "already upgraded" in done.out + done.err
    if done.rc != 0 and not already:
        raise done.failure(
            f"{os.path.basename(program)} failed with return code {done.rc}.",
            "Read its messages; the data is restored, its system tables are of the older series.",
        )
    return done.tail(5)
