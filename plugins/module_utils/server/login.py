# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to a server, with the options of the ansible.mariadb collection, and asking it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.client_options import read_client_options

try:
    import pymysql
    import pymysql.cursors

    PYMYSQL_ERROR = ""
except ImportError:
    PYMYSQL_ERROR = traceback.format_exc()

# Access denied, plugin refused (unix_socket), account locked, password expired, no such plugin, TLS demanded.
_REFUSALS = frozenset((1044, 1045, 1130, 1524, 1698, 1820, 1862, 2059, 3118, 3159, 4151))
# Nobody listens, or the connection broke before the greeting.
_ABSENT = frozenset((2001, 2002, 2003, 2004, 2005, 2006, 2013))


class LoginRefused(MariabackupError):
    """A server answers and refuses this login."""


class NoServer(MariabackupError):
    """No server answers there."""


@dataclass(frozen=True)
class Login:
    """How to log in. What is None comes from the option file, then from the defaults of a client.

    Attributes:
        label: what messages call this login, for example ``restored_login_*``.
        config_file: option file with a ``[client]`` group; when it is the default ``~/.my.cnf`` it may be missing.
        connect_timeout: seconds.
    """

    user: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    unix_socket: str | None = None
    config_file: str | None = None
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    check_hostname: bool | None = None
    connect_timeout: int = 30
    label: str = "login_*"

    def __repr__(self) -> str:
        return f"Login({self.label}, user={self.user!r})"

    @classmethod
    def from_params(cls, params: Mapping[str, Any], prefix: str = "login_") -> Login:
        """Read module parameters.

        Args:
            params: the module's parameters.
            prefix: ``login_`` or ``restored_login_``. What belongs to the server and not to an account (TLS files,
                timeout, and for another prefix also host, port and socket) comes from the common options.
        """

        def own(name: str) -> Any:
            value = params.get(prefix + name)
            return params.get("login_" + name) if value is None and name in ("host", "port", "unix_socket") else value

        main = prefix == "login_"
        return cls(
            user=own("user"),
            password=own("password"),
            host=own("host"),
            port=own("port"),
            unix_socket=own("unix_socket"),
            config_file=params.get("config_file") if main else params.get(prefix + "config_file"),
            ca_cert=params.get("ca_cert"),
            client_cert=params.get("client_cert"),
            client_key=params.get("client_key"),
            check_hostname=params.get("check_hostname"),
            connect_timeout=int(params.get("connect_timeout") or 30),
            label=prefix + "*",
        )

    def is_set(self) -> bool:
        """Tell whether an account was named at all."""
        return bool(self.user or self.config_file)


def root_over_socket(unix_socket: str | None) -> Login:
    """Return the login of root by the right of the operating system's user (unix_socket)."""
    return Login(user="root", unix_socket=unix_socket, config_file="", label="root over the socket")


def connect_arguments(login: Login, default_socket: str | None) -> dict[str, Any]:
    """Return the arguments for PyMySQL; an explicit option wins over the option file.

    Raises:
        MariabackupError: the option file cannot be read.
    """
    values: dict[str, str] = {}
    default = os.path.expanduser("~/.my.cnf")
    path = default if login.config_file is None else os.path.expanduser(login.config_file)
    # Ansible has expanded the option's default already: it is known by its path, and may be missing.
    if path and (path != default or os.path.isfile(path)):
        try:
            values = read_client_options(path)
        except OSError as error:
            raise MariabackupError(
                f"The option file {path} cannot be read: {error.strerror}.", "Correct config_file, or its rights."
            ) from None
    arguments: dict[str, Any] = {
        # Without a user, servers of 10.5 know the client as '' (seen); the name of the process is a client's default.
        "user": login.user or values.get("user") or "root",
        # As bytes: PyMySQL would encode a text as Latin-1, the programs of the server send the bytes of the file.
        "password": (login.password if login.password is not None else values.get("password", "")).encode(),
        "connect_timeout": login.connect_timeout,
        # PyMySQL does not count the greeting and the login as connecting: a server that hangs would be waited for
        # without an end (seen with one that was stopped by SIGSTOP). Lifted when the login is through.
        "read_timeout": login.connect_timeout,
        "charset": "utf8mb4",
        "autocommit": True,
    }
    host = login.host or values.get("host") or "localhost"
    unix_socket = login.unix_socket or (values.get("socket") if not login.host else None)
    if not unix_socket and host == "localhost" and not login.port:
        unix_socket = default_socket
    if unix_socket:
        arguments["unix_socket"] = unix_socket
        arguments["host"] = "localhost"
    else:
        arguments["host"] = "127.0.0.1" if host == "localhost" else host
        arguments["port"] = int(login.port or values.get("port") or 3306)
    tls = {
        "ca": login.ca_cert or values.get("ssl_ca"),
        "cert": login.client_cert or values.get("ssl_cert"),
        "key": login.client_key or values.get("ssl_key"),
    }
    given: dict[str, Any] = {name: value for name, value in tls.items() if value}
    if given and not unix_socket:
        if login.check_hostname is not None:
            given["check_hostname"] = login.check_hostname
        arguments["ssl"] = given
    return arguments


def connect(login: Login, default_socket: str | None = None) -> Any:
    """Log in and return the connection (PyMySQL), rows as dictionaries, autocommit.

    Args:
        login: who.
        default_socket: the server's socket, used when neither the login nor its option file names a place.

    Raises:
        LoginRefused: a server answers, and refuses.
        NoServer: none answers.
        MariabackupError: PyMySQL is missing, or another reason.
    """
    if PYMYSQL_ERROR:
        raise MariabackupError(
            "The Python library PyMySQL is not installed on this host.",
            "Install the package python3-pymysql (or PyMySQL for the interpreter that Ansible uses).",
        )
    arguments = connect_arguments(login, default_socket)
    where = arguments.get("unix_socket") or f"{arguments['host']}:{arguments['port']}"
    try:
        connection: Any = pymysql.connect(cursorclass=pymysql.cursors.DictCursor, **arguments)
    except pymysql.err.MySQLError as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = f"{code}: {error.args[1]}" if len(error.args) > 1 else str(error)
        if code in _REFUSALS:
            raise LoginRefused(
                f"The server at {where} refuses {login.label} as user {arguments['user']} ({text}).",
                "Set the account and its password, or an option file, that this server knows.",
                details={"errno": code},
            ) from None
        if code in _ABSENT:
            raise NoServer(
                f"No server answers at {where} ({text}).", "Start the server, or correct host, port or socket."
            ) from None
        raise MariabackupError(f"Logging in at {where} failed ({text}).", "See the server's error log.") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise LoginRefused(
            f"Logging in at {where} with {login.label} failed: {error}.",
            "Install python3-cryptography if the account's authentication needs it, and check the TLS files.",
        ) from None
    connection._read_timeout = None  # statements take as long as they take
    return connection


def connect_any(logins: Iterable[Login], default_socket: str | None = None) -> tuple[Any, str, list[str]]:
    """Try logins in their order.

    Returns:
        the connection, the label of the login that worked, and why those before it did not.

    Raises:
        LoginRefused: all are refused; the causes are in one message.
        NoServer: none answers.
    """
    notes: list[str] = []
    absent: NoServer | None = None
    for login in logins:
        try:
            return connect(login, default_socket), login.label, notes
        except NoServer as error:
            absent = error
            notes.append(error.cause)
        except LoginRefused as error:
            notes.append(error.cause)
    if absent is not None and len(notes) == 1:
        raise absent
    raise LoginRefused(
        " ".join(notes) or "No login is set.",
        "After a restore the accounts are the backup's: set restored_login_user and restored_login_password.",
        details={"logins": notes},
    )


def logins_after_restore(params: Mapping[str, Any], unix_socket: str | None) -> list[Login]:
    """Return the ladder for a server whose accounts came with a backup: restored_login_*, root by right, login_*."""
    ladder = []
    restored = Login.from_params(params, "restored_login_")
    if restored.is_set():
        ladder.append(replace(restored, config_file=restored.config_file or ""))
    ladder.append(root_over_socket(unix_socket))
    ladder.append(Login.from_params(params))
    return ladder


def query(connection: Any, sql: str, args: Sequence[Any] | None = None) -> list[dict[str, Any]]:
    """Run one statement and return its rows.

    Raises:
        MariabackupError: the server refuses it; ``details['errno']`` is its number.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, args)
            return list(cursor.fetchall() or ())
    except pymysql.err.MySQLError as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[1]) if len(error.args) > 1 else str(error)
        raise MariabackupError(
            f"The statement {sql[:200]!r} failed ({code}: {text}).",
            "Correct the statement or the rights of the account.",
            details={"errno": code},
        ) from None


def execute(connection: Any, sql: str, args: Sequence[Any] | None = None) -> None:
    """Run one statement without rows; errors as in `query`."""
    query(connection, sql, args)
