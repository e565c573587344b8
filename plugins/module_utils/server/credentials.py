# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option file that holds the name and the password of the backup account."""

from __future__ import annotations

import os
import secrets
import stat
import string
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import make_private_dirs, write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.server.client_options import parse_options
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.login import quote_value

_MARKS = "-_.+="
_HEAD = """\
# The account that takes backups of this server. Written by dba.mariabackup.backup_account; the password is
# nowhere else. By hand: mariadb-backup --defaults-extra-file=THIS_FILE --backup --target-dir=DIRECTORY
"""


@dataclass(frozen=True)
class Credentials:
    """What the option file holds.

    Attributes:
        private: the file belongs to this process's user and nobody else may read it.
    """

    user: str
    password: str
    private: bool

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"


def generate_password() -> str:
    """Return a random password of 30 characters; it has every class of characters that a server may demand."""
    alphabet = string.ascii_letters + string.digits + _MARKS
    while True:
        password = "".join(secrets.choice(alphabet) for _unused in range(30))
        classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _MARKS)
        # A leading dash or equals sign is a trap in other people's scripts.
        if password[0] not in _MARKS and all(any(char in group for char in password) for group in classes):
            return password


def read_credentials(path: str) -> Credentials | None:
    """Return what the option file holds, or None when there is no such file.

    Raises:
        MariabackupError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            values = parse_options(stream.read(), ("client",))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MariabackupError(
            f"The option file {path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            "Run as root, or name another credentials_file.",
        ) from None
    private = stat.S_IMODE(found.st_mode) & 0o177 == 0 and found.st_uid == os.geteuid()
    return Credentials(values.get("user", ""), values.get("password", ""), private)


def write_credentials(path: str, user: str, password: str) -> None:
    """Write the option file, mode 0600, owned by this process's user; missing directories are made with 0700.

    Raises:
        MariabackupError: the password cannot be written in an option file, or the file cannot be written.
    """
    try:
        text = f"{_HEAD}[client]\nuser={quote_value(user)}\npassword={quote_value(password)}\n"
        real = os.path.realpath(path)
        make_private_dirs(os.path.dirname(real))
        write_atomic(real, text)
    except (OSError, ValueError) as error:
        raise MariabackupError(
            f"The option file {path} cannot be written: {getattr(error, 'strerror', None) or error}.",
            "Run as root, or name another credentials_file or password.",
        ) from None
