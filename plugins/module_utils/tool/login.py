# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tool logs in: secrets go to it through a file in memory, everything else as arguments."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

# What the programs read when no --defaults-file is given ("Default options are read from ..." of their --help).
DEFAULT_OPTION_FILES = ("/etc/my.cnf", "/etc/mysql/my.cnf")


@dataclass(frozen=True)
class Login:
    """The login options of a task; None means: whatever the option files say.

    ``option_file`` is the contract's ``config_file``, read after all others.
    """

    user: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    unix_socket: str | None = None
    option_file: str | None = None
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    check_hostname: bool | None = None

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, host={self.host!r}, unix_socket={self.unix_socket!r})"

    @staticmethod
    def from_params(params: Mapping[str, Any]) -> Login:
        """Read the ``login_*`` options, ``config_file`` and the TLS options of a module."""
        return Login(
            user=params.get("login_user"),
            password=params.get("login_password"),
            host=params.get("login_host"),
            port=params.get("login_port"),
            unix_socket=params.get("login_unix_socket"),
            option_file=params.get("config_file"),
            ca_cert=params.get("ca_cert"),
            client_cert=params.get("client_cert"),
            client_key=params.get("client_key"),
            check_hostname=params.get("check_hostname"),
        )

    def arguments(self) -> list[str]:
        """Return the tool's arguments for everything that is not secret.

        The tool reads the data files itself, so a TCP login makes sense only towards its own machine.
        """
        values = (
            ("--host", self.host if not self.unix_socket else None),
            ("--port", self.port if not self.unix_socket else None),
            ("--socket", self.unix_socket),
            ("--ssl-ca", self.ca_cert),
            ("--ssl-cert", self.client_cert),
            ("--ssl-key", self.client_key),
        )
        arguments = [f"{name}={value}" for name, value in values if value not in (None, "")]
        if self.check_hostname is not None and not self.unix_socket and self.ca_cert:
            arguments.append("--ssl-verify-server-cert" if self.check_hostname else "--skip-ssl-verify-server-cert")
        if self.user:
            arguments.append(f"--user={self.user}")
        return arguments


def operating_system_user() -> str:
    """Return the name of the user this process runs as: with unix_socket it is the account's name, too.

    The tool of 10.5 logs in as the empty user when nobody names one.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def quote_value(value: str) -> str:
    """Quote a value for an option file (double quotes, escapes of the option file syntax).

    Raises:
        ValueError: the value holds a NUL.
    """
    if "\0" in value:
        raise ValueError("a value in an option file cannot hold a NUL character")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def option_text(login: Login, defaults_file: str | None, home: str | None) -> str:
    """Return the text of the one option file that the tool is given (pure but for looking whether files exist).

    It includes what the tool would have read without it, in the same order, then ``config_file``, then our own
    group last, because the last one wins. Seen on 10.5, 10.11 and 11.8: ``!include`` keeps that order, and
    ``--defaults-extra-file`` beside ``--defaults-file`` is silently ignored, so it is of no use here.
    """
    files = [defaults_file] if defaults_file else list(DEFAULT_OPTION_FILES)
    if not defaults_file and home:
        files.append(os.path.join(home, ".my.cnf"))
    if login.option_file:
        files.append(os.path.abspath(os.path.expanduser(login.option_file)))
    lines: list[str] = []
    for path in files:
        if path and os.path.isfile(path) and f"!include {path}" not in lines:
            lines.append(f"!include {path}")
    if login.password is not None:
        lines += ["[mariadb-backup]", f"password={quote_value(login.password)}"]
    return "\n".join(lines) + "\n"


@contextmanager
def private_option_file(login: Login, defaults_file: str | None = None) -> Iterator[tuple[str, int]]:
    """Give the tool its options through a file that exists in memory only.

    Yields the value for ``--defaults-file`` and the descriptor that the child must inherit. It is gone with the
    processes that hold it, also after SIGKILL. Seen with the tool of 10.5, 10.11 and 11.8 and with
    my_print_defaults.

    Raises:
        MariabackupError: ``defaults_file`` does not exist, or the password cannot be written in an option file.
    """
    if defaults_file is not None and not os.path.isfile(defaults_file):
        raise MariabackupError(
            f"The option file {defaults_file} does not exist.", "Correct defaults_file, or leave it out."
        )
    try:
        text = option_text(login, defaults_file, os.path.expanduser("~"))
    except ValueError as error:
        raise MariabackupError(f"login_password cannot be used: {error}.", "Choose another password.") from error
    fd = os.memfd_create("mariadb-backup-options", os.MFD_CLOEXEC)
    try:
        # The programs ignore an option file that everybody may write, and a fresh one in memory has mode 0777.
        os.fchmod(fd, 0o600)
        data = text.encode("utf-8", "surrogateescape")
        while data:
            data = data[os.write(fd, data) :]
        yield f"/proc/self/fd/{fd}", fd
    finally:
        os.close(fd)
