# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the backup account and its option file agree with each other and with what a backup needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.account import (
    Account,
    Statement,
    authentication_is_right,
    is_privilege,
    privileges_for,
    statements,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.credentials import (
    Credentials,
    generate_password,
    read_credentials,
    write_credentials,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.facts import version_tuple
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import (
    Login,
    LoginRefused,
    NoServer,
    connect,
    connect_arguments,
    execute,
    query,
    root_over_socket,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import (
    find_server_binary,
    option_file_args,
    read_options,
)

# The answers of a server that has no such account (1133 to SHOW CREATE USER, seen on all three versions; 1141 to SHOW
# GRANTS), and of one that cannot judge a hash.
_NO_ACCOUNT = frozenset((1133, 1141))
_WANTS_PASSWORD = 1290
# No access to a schema, a table, or for want of a privilege.
_DENIED = frozenset((1044, 1142, 1227))


def server_socket(params: Mapping[str, Any]) -> str | None:
    """Return the socket that the server's option files name, or None when they cannot be asked."""
    try:
        files = option_file_args(params.get("defaults_file"), params.get("defaults_group_suffix"))
        return socket_path(read_options(find_server_binary(), files))
    except MariabackupError:
        return None


def _administrator(
    logins: Sequence[Login], default_socket: str | None, binary_log: bool
) -> tuple[Any, Login, list[str]]:
    """Return the connection of the first login that is let in and may manage accounts, and why those before it were not.

    Raises:
        MariabackupError: none is; the reason of the first one.
    """
    failures: list[MariabackupError] = []
    for login in logins:
        try:
            connection = connect(login, default_socket)
        except (LoginRefused, NoServer) as error:
            failures.append(error)
            continue
        try:
            execute(connection, f"SET SESSION sql_mode = '', sql_log_bin = {int(binary_log)}")
            query(connection, "SELECT COUNT(*) FROM mysql.user")
        except MariabackupError as error:
            connection.close()
            if error.details.get("errno") not in _DENIED:
                raise
            failures.append(
                MariabackupError(
                    f"{login.label} may not manage accounts: {error.cause}",
                    "Give the login of an administrator of the server.",
                )
            )
        else:
            return connection, login, [failure.cause for failure in failures]
    raise failures[0]


def observe(connection: Any, name: str, host: str) -> tuple[str | None, list[str]]:
    """Return SHOW CREATE USER (None when there is no such account) and SHOW GRANTS."""
    try:
        created = query(connection, "SHOW CREATE USER %s@%s", (name, host))
        granted = query(connection, "SHOW GRANTS FOR %s@%s", (name, host))
    except MariabackupError as error:
        if error.details.get("errno") in _NO_ACCOUNT:
            return None, []
        raise
    return str(next(iter(created[0].values()))), [str(next(iter(row.values()))) for row in granted]


def _run(connection: Any, todo: Sequence[Statement]) -> None:
    for statement in todo:
        if statement.secret:
            execute(connection, "SET SESSION sql_log_off = 1")
        execute(connection, statement.sql, statement.args)
        if statement.secret:
            execute(connection, "SET SESSION sql_log_off = 0")


def _converge(connection: Any, account: Account, created: str | None, grants: list[str]) -> list[Statement]:
    """Run what is missing and return it."""
    todo = statements(account, created, grants)
    try:
        _run(connection, todo)
    except MariabackupError as error:
        if error.details.get("errno") != _WANTS_PASSWORD:
            raise
        # A password check is loaded and strict_password_validation is on: the server must see the password itself.
        todo = statements(account, created, grants, in_clear=True)
        _run(connection, todo)
    return todo


def _prove(params: Mapping[str, Any], admin: Login, default_socket: str | None, account: Account) -> None:
    """Log in as the account, in the same place, and see that it is this account with these privileges.

    Raises:
        MariabackupError: another account answers to that name, or the login is refused.
    """
    place = connect_arguments(admin, default_socket)
    unix_socket = place.get("unix_socket")
    login = Login(
        user=account.name,
        password=account.password,
        host=None if unix_socket else place["host"],
        port=place.get("port"),
        unix_socket=unix_socket,
        config_file="",
        ca_cert=params.get("ca_cert"),
        client_cert=params.get("client_cert"),
        client_key=params.get("client_key"),
        check_hostname=params.get("check_hostname"),
        connect_timeout=int(params["connect_timeout"]),
        label="the backup account",
    )
    connection = connect(login)
    try:
        (row,) = query(connection, "SELECT CURRENT_USER() AS me")
        if row["me"] != f"{account.name}@{account.host}":
            raise MariabackupError(
                f"A login as {account.name} is taken for {row['me']}, not for {account.name}@{account.host}.",
                "Set host to where the backup logs in from, or drop the account that stands before it.",
            )
        missing = statements(account, *observe(connection, account.name, account.host))
        if missing:
            raise MariabackupError(
                "The account is not as it was set: " + "; ".join(statement.shown for statement in missing) + ".",
                "Look whether somebody else manages the same account.",
            )
    finally:
        connection.close()


def _told(path: str, credentials: Credentials | None, account: str, grants: Sequence[str]) -> str:
    """Describe a state for a diff, without secrets."""
    file = "absent" if credentials is None else f"user {credentials.user}, {'0600' if credentials.private else 'open'}"
    rights = "".join(f"  {line.split(' TO ')[0]}\n" for line in grants)
    return f"{path}: {file}\naccount: {account}\n{rights}"


def put_right(params: Mapping[str, Any], *, check_mode: bool) -> tuple[dict[str, Any], list[str]]:
    """Do the whole work of the module ``backup_account``.

    The option file is written before the account: whatever is interrupted, the next run makes the account agree with
    the file.

    Returns:
        the result of the module, without any secret, and warnings.

    Raises:
        MariabackupError: nobody could log in, the server refused a statement, or the file cannot be written.
    """
    path, name, host = params["credentials_file"], params["name"], params["host"]
    unknown = [word for word in params["extra_privileges"] if not is_privilege(word)]
    if unknown:
        raise MariabackupError(f"{unknown[0]!r} is not the name of a privilege.", "Correct extra_privileges.")
    kept = read_credentials(path)
    result: dict[str, Any] = {"changed": False, "name": name, "host": host, "credentials_file": path, "actions": []}
    if kept is None and not params["create"]:
        return {**result, "present": False, "privileges": []}, []
    known = kept.password if kept is not None and kept.user == name else ""
    password = params["password"] or known or generate_password()

    admin = Login.from_params(params)
    default_socket = server_socket(params)
    connection, login, notes = _administrator(
        [admin, root_over_socket(admin.unix_socket or default_socket)], default_socket, bool(params["sql_log_bin"])
    )
    try:
        version = str(query(connection, "SELECT VERSION() AS version")[0]["version"])
        privileges = privileges_for(
            version_tuple(version),
            slave_info=params["slave_info"],
            safe_slave_backup=params["safe_slave_backup"],
            galera_info=params["galera_info"],
            extra=params["extra_privileges"],
        )
        account = Account(name, host, password, privileges)
        created, grants = observe(connection, name, host)
        rewrite = kept is None or not kept.private or (kept.user, kept.password) != (name, password)
        todo = statements(account, created, grants)
        if not check_mode:
            if rewrite:
                write_credentials(path, name, password)
            todo = _converge(connection, account, created, grants)
    finally:
        connection.close()
    if not check_mode:
        _prove(params, login, default_socket, account)

    result["actions"] = ([f"write {path}"] if rewrite else []) + [statement.shown for statement in todo]
    result["changed"] = bool(result["actions"])
    right = created is not None and authentication_is_right(account, created)
    before = "absent" if created is None else "as in the file" if right else "another login than in the file"
    future = [f"GRANT {', '.join(privileges)} ON *.* TO x"] if todo else grants
    result["diff"] = {
        "before": _told(path, kept, before, grants),
        "after": _told(path, Credentials(name, "", True), "as in the file", future),
        "before_header": f"{name}@{host}",
        "after_header": f"{name}@{host}",
    }
    return {**result, "present": True, "privileges": list(privileges)}, notes
