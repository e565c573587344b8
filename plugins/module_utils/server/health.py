# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the server healthy on its new data? One step after the other, the cheapest proof first."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import error_log, proc
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import Service
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import Greeting, server_greeting
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import Login, connect_any, query
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import file_names

# Before the name of a directory that is not written in the server's code: somebody else made it in the datadir.
_UNCODED = "#mysql50#"


@dataclass
class Health:
    """What was proven.

    Attributes:
        result: ``ok``; ``unverified_login`` when every account refused us, so that only the process, its datadir, its
            greeting and its log speak for it; ``not_checked`` with ``health_check: none``.
        checks: the steps, each with ``check`` and ``detail``.
        connection: the login that worked, for the commit; None without.
        login: its label.
        version: of the running server.
    """

    result: str
    checks: list[dict[str, str]] = field(default_factory=list)
    connection: Any = None
    login: str = ""
    version: str = ""

    def add(self, check: str, detail: str) -> None:
        """Note a step."""
        self.checks.append({"check": check, "detail": detail})


def check_health(
    service: Service,
    options: Mapping[str, str],
    *,
    datadir_identity: tuple[int, int],
    logins: Sequence[Login],
    mode: str = "normal",
    manifest_schemas: Sequence[str] = (),
    expect_schemas: Sequence[str] = (),
    verify_queries: Sequence[Mapping[str, Any]] = (),
    encrypted: bool = False,
    log_mark: Mapping[str, Any] | None = None,
    timeout: float = 60,
) -> Health:
    """Run the ladder.

    Args:
        service: that has been started.
        options: the server's options.
        datadir_identity: device and inode of the directory that was put in place.
        logins: in their order, see `login.logins_after_restore`.
        mode: ``normal``; ``strict``, where a refused login is a failure; ``none``, where nothing is.
        manifest_schemas: schemas of the backup, as `decode_name` gives them: some by the names of their directories. Without
            a login they are not looked for.
        expect_schemas: schemas that must be there; they need the login.
        verify_queries: each with ``query`` and ``expect`` (see `matches`); they need the login.
        encrypted: the data is encrypted, so every table is opened once: a server starts with a wrong key as well.
        log_mark: `error_log.mark` from before the start.
        timeout: seconds to wait for the greeting.

    Raises:
        MariabackupError: the server is not healthy; ``details['health_checks']`` holds the steps that were passed.
    """
    health = Health("ok" if mode != "none" else "not_checked")
    try:
        _ladder(
            health,
            service,
            options,
            datadir_identity=datadir_identity,
            logins=logins,
            mode=mode,
            schemas=(manifest_schemas, expect_schemas),
            verify_queries=verify_queries,
            encrypted=encrypted,
            log_mark=log_mark,
            timeout=timeout,
        )
    except MariabackupError as error:
        if mode == "none":
            health.add("skipped", str(error))
            return health
        error.details.setdefault("health_checks", health.checks)
        if health.connection is not None:
            health.connection.close()
        if not error.log_tail and log_mark is not None:
            error.log_tail = error_log.lines_since(log_mark, service)[-20:]
        raise
    return health


def _ladder(
    health: Health,
    service: Service,
    options: Mapping[str, str],
    *,
    datadir_identity: tuple[int, int],
    logins: Sequence[Login],
    mode: str,
    schemas: tuple[Sequence[str], Sequence[str]],
    verify_queries: Sequence[Mapping[str, Any]],
    encrypted: bool,
    log_mark: Mapping[str, Any] | None,
    timeout: float,
) -> None:
    pid = _check_process(health, service, datadir_identity)
    greeting = _wait_greeting(options, timeout)
    health.version = greeting.version
    health.add("greeting", greeting.version or greeting.error)
    manifest_schemas, expect_schemas = schemas
    needs_login = mode == "strict" or bool(expect_schemas) or bool(verify_queries)
    try:
        health.connection, health.login, notes = connect_any(logins, options.get("socket") or None)
    except MariabackupError as error:
        if needs_login:
            raise
        health.result = "unverified_login" if mode != "none" else health.result
        health.add("login", error.cause)
    else:
        health.add("login", "; ".join([f"{health.login} works", *notes]))
        _check_same_server(health, pid, datadir_identity)
        _check_schemas(health, manifest_schemas, expect_schemas)
        if encrypted:
            _check_keys(health)
        for entry in verify_queries:
            check_query(health.connection, entry)
            health.add("query", str(entry["query"])[:200])
    if log_mark is not None:
        lines = error_log.lines_since(log_mark, service)
        fatal = error_log.fatal_lines(lines)
        if fatal:
            raise MariabackupError(
                f"The server runs, but its error log has {len(fatal)} fatal message(s): {fatal[0].strip()}",
                "Do not use this data; take or choose another backup, or see what the message says is missing.",
                log_tail=fatal[-20:],
            )
        health.add("error_log", f"no fatal message in {len(lines)} lines")
    if not proc.alive(pid):
        raise MariabackupError("The server ended while it was being checked.", "Read its last messages below.")


def _check_process(health: Health, service: Service, expected: tuple[int, int]) -> int:
    pid = service.main_pid()
    if pid is None:
        raise MariabackupError(f"{service.name} runs no server process.", "Read the server's messages below.")
    found = proc.cwd_identity(pid)
    if found != expected:
        try:
            place = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            place = "an unknown directory"
        raise MariabackupError(
            f"The server (process {pid}) runs on {place}, which is not the directory that was put in place.",
            "Check datadir in the option files and in the unit against the datadir of this restore.",
        )
    health.add("process", f"process {pid} runs on the new data")
    return pid


def _wait_greeting(options: Mapping[str, str], timeout: float) -> Greeting:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return server_greeting(options)
        except (OSError, ValueError) as error:
            if time.monotonic() > deadline:
                raise MariabackupError(
                    f"The server does not answer on its socket or port: {error}.", "Read its messages below."
                ) from None
        time.sleep(0.1)


def _check_same_server(health: Health, pid: int, expected: tuple[int, int]) -> None:
    """Prove that the login reached the server that was started, not another one on another host or port."""
    row = query(health.connection, "SELECT @@global.datadir AS datadir, @@global.pid_file AS pid_file")[0]
    try:
        found = os.stat(row["datadir"])
        same = (found.st_dev, found.st_ino) == expected
        path = os.path.join(row["datadir"], row["pid_file"])
        if same and os.path.exists(path):
            with open(path, encoding="utf-8") as stream:
                same = stream.read().strip() == str(pid)
    except OSError:
        same = False
    if not same:
        raise MariabackupError(
            f"The login {health.login} reaches a server with the datadir {row['datadir']}, not the one just started.",
            "Set login_unix_socket, or login_host and login_port, to the restored server.",
        )


def _check_keys(health: Health) -> None:
    """Read a row of every InnoDB table: a server starts without the right key too, and refuses only whoever reads."""
    tables = query(
        health.connection,
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM information_schema.TABLES WHERE ENGINE = 'InnoDB'"
        " OR (ENGINE IS NULL AND TABLE_TYPE = 'BASE TABLE')",
    )
    names = [".".join("`" + str(row[key]).replace("`", "``") + "`" for key in "st") for row in tables]
    closed: dict[str, str] = {}
    for name in names:
        try:
            query(health.connection, f"SELECT 1 FROM {name} LIMIT 1")
        except MariabackupError as error:
            closed[name] = error.cause
    if closed:
        raise MariabackupError(
            f"{len(closed)} of {len(names)} tables of the encrypted data cannot be read ({', '.join(list(closed)[:5])}): "
            + next(iter(closed.values())),
            "Give the server the keys with which the backup was taken.",
        )
    health.add("keys", f"all {len(names)} InnoDB tables can be read")


def _check_schemas(health: Health, manifest: Sequence[str], expected: Sequence[str]) -> None:
    if not manifest and not expected:
        return
    rows = query(health.connection, "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA")
    present = {str(row["name"]) for row in rows}
    missing = [name for name in expected if name not in present]
    missing += [name for name in _unseen(health.connection, manifest, present) if name not in missing]
    if missing and not expected and not _sees_all_schemas(health.connection):
        health.add("schemas", f"{health.login} may not see all schemas; not seen: {', '.join(missing)}")
        return
    if missing:
        raise MariabackupError(
            f"The restored server lacks the schemas {', '.join(missing)}; it has {', '.join(sorted(present))}.",
            "Check that this is the right backup, and that it is not a partial one.",
        )
    health.add("schemas", f"all {len(set(manifest) | set(expected))} are there")


def _unseen(connection: Any, manifest: Sequence[str], present: Collection[str]) -> list[str]:
    """Return which schemas of a manifest are not there, whatever the server does to upper and lower case."""
    folded = {name[len(_UNCODED) :] if name.startswith(_UNCODED) else name for name in map(str.lower, present)}
    unseen = [name for name in manifest if name.lower() not in folded]
    if any("@" in name for name in unseen):
        # The short code of some alphabets is the server's secret, so it writes the names of its own schemas in it.
        folded = {name.lower() for name in file_names(connection, present).values()}
        unseen = [name for name in unseen if name.lower() not in folded]
    return unseen


def _sees_all_schemas(connection: Any) -> bool:
    grants = " ".join(str(value) for row in query(connection, "SHOW GRANTS") for value in row.values()).upper()
    return any(word in grants for word in ("ALL PRIVILEGES ON *.*", "SHOW DATABASES"))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


def matches(rows: Sequence[Sequence[Any]], expect: Any) -> bool:
    """Compare a result with what was expected; values are compared as text, ``None`` is NULL.

    Args:
        rows: of the query.
        expect: one value: the result is one row with one column; a list of values: one row, or one column in
            several rows; a list of lists: all rows. Missing (None): there is a row, and its first value is
            true (not NULL, 0 or empty).
    """
    found = [[_text(value) for value in row] for row in rows]
    if expect is None:
        return bool(found) and found[0][0] not in (None, "", "0")
    if not isinstance(expect, (list, tuple)):
        return found == [[_text(expect)]]
    if any(isinstance(entry, (list, tuple)) for entry in expect):
        return found == [[_text(value) for value in row] for row in expect]
    wanted = [_text(value) for value in expect]
    return found == [wanted] or found == [[value] for value in wanted]


def check_query(connection: Any, entry: Mapping[str, Any]) -> None:
    """Run the query of an entry of ``verify_queries`` and hold its result against what is expected.

    Raises:
        MariabackupError: the query fails, or gives something else.
    """
    sql = str(entry["query"])
    rows = [list(row.values()) for row in query(connection, sql)]
    if not matches(rows, entry.get("expect")):
        raise MariabackupError(
            f"The check {sql[:200]!r} gave {[[_text(value) for value in row] for row in rows[:5]]}, "
            f"expected {entry.get('expect')!r}.",
            "Check the query, and that this is the right backup.",
        )
