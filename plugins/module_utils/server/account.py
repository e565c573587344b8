# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account that takes backups: what it may do, and the statements that make it so (pure)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# SHOW GRANTS prints the names on the right, whichever name was granted.
_OTHER_NAMES = {
    "REPLICA MONITOR": "SLAVE MONITOR",
    "REPLICATION REPLICA ADMIN": "REPLICATION SLAVE ADMIN",
    "REPLICATION REPLICA": "REPLICATION SLAVE",
}
_GLOBAL = re.compile(r"^GRANT (?P<privileges>.+?) ON \*\.\* TO (?P<rest>.*)$", re.DOTALL)
_ACCOUNT = re.compile(r"^CREATE USER (?:`(?:[^`]|``)*`|'(?:[^']|'')*')@(?:`[^`]*`|'[^']*') ?(?P<rest>.*)$", re.DOTALL)


@dataclass(frozen=True)
class Account:
    """The account as it has to be.

    Attributes:
        password: in clear; it leaves this process as a hash unless the server demands to check it.
        privileges: global ones, as SHOW GRANTS prints them.
    """

    name: str
    host: str
    password: str
    privileges: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Account({self.name!r}@{self.host!r})"


@dataclass(frozen=True)
class Statement:
    """A statement for the server, its values apart so that no message shows them.

    Attributes:
        shown: what people see of it.
        secret: it holds the password in clear, so the server must not log it.
    """

    sql: str
    args: tuple[str, ...]
    shown: str
    secret: bool = False


def privileges_for(
    version: Sequence[int],
    *,
    slave_info: bool = False,
    safe_slave_backup: bool = False,
    galera_info: bool = False,
    extra: Iterable[str] = (),
) -> tuple[str, ...]:
    """Return the least global privileges with which the tool of this version takes a backup.

    BINLOG MONITOR is asked for only when the server writes binary logs, but then at the very end of the copy, so it
    is always granted. LOCK TABLES, which the documentation of 10.5 and later names as well, is not used (seen on
    10.5, 10.11 and 11.8 with every engine of the distribution). Before 10.5.2 the documented list is taken as it is.

    Args:
        version: three numbers of the server's version.
        extra: more global privileges, in the server's names.
    """
    number = tuple(version)
    if number < (10, 5, 2):
        names = ["RELOAD", "PROCESS", "LOCK TABLES", "REPLICATION CLIENT"]
        if safe_slave_backup:
            names.append("SUPER")
    else:
        names = ["RELOAD", "PROCESS", "BINLOG MONITOR"]
        if slave_info or safe_slave_backup or galera_info:
            # SLAVE MONITOR is of 10.5.9; before, SHOW SLAVE STATUS wanted the right to administer the replica.
            names.append("SLAVE MONITOR" if number >= (10, 5, 9) else "REPLICATION SLAVE ADMIN")
        if safe_slave_backup:
            names.append("REPLICATION SLAVE ADMIN")
    names += [canonical_name(name) for name in extra]
    return tuple(dict.fromkeys(names))


def canonical_name(privilege: str) -> str:
    """Return a privilege as SHOW GRANTS prints it."""
    name = " ".join(privilege.upper().split())
    return _OTHER_NAMES.get(name, name)


def is_privilege(text: str) -> bool:
    """Tell whether a text can be the name of a global privilege; names cannot be quoted in SQL."""
    return re.fullmatch(r"[A-Za-z]+( [A-Za-z]+)*", text) is not None


def native_hash(password: str) -> str:
    """Return what ``mysql_native_password`` stores: SHA-1 of the SHA-1. It does not serve to log in."""
    inner = hashlib.sha1(password.encode("utf-8"), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def authentication_is_right(account: Account, create_user: str) -> bool:
    """Tell whether SHOW CREATE USER shows this password, and no lock, limit, TLS demand or second way to log in."""
    found = _ACCOUNT.match(create_user.strip())
    if found is None:
        return False
    stored = native_hash(account.password)
    rest = found["rest"].strip()
    return rest in (
        f"IDENTIFIED BY PASSWORD '{stored}' PASSWORD EXPIRE NEVER",
        f"IDENTIFIED VIA mysql_native_password USING '{stored}' PASSWORD EXPIRE NEVER",
    )


def global_privileges(grants: Iterable[str]) -> tuple[str, ...] | None:
    """Return the global privileges in the lines of SHOW GRANTS; None when there is more than global privileges.

    More is a grant on a schema or an object, a role, a proxied account, or the right to grant.
    """
    privileges: list[str] = []
    for line in grants:
        found = _GLOBAL.match(line.strip())
        if found is None or "WITH GRANT OPTION" in found["rest"]:
            return None
        names = [canonical_name(name) for name in found["privileges"].split(",")]
        privileges += [name for name in names if name != "USAGE"]
    return tuple(privileges)


def statements(
    account: Account, create_user: str | None, grants: Sequence[str], *, in_clear: bool = False
) -> list[Statement]:
    """Return what has to be run so that the account is as it has to be; nothing when it is.

    An account with another way to log in, or with rights beyond global ones, is replaced by one statement: that takes
    everything it had. Sessions that are open, those of a running backup for example, keep what they have.

    Args:
        create_user: SHOW CREATE USER, or None when there is no such account.
        grants: SHOW GRANTS, empty then.
        in_clear: give the server the password itself, because it wants to judge it.
    """
    who = "'" + account.name.replace("'", "''") + "'@'" + account.host.replace("'", "''") + "'"
    present = global_privileges(grants) if create_user is not None else None
    result: list[Statement] = []
    if create_user is None or present is None or not authentication_is_right(account, create_user):
        verb = "CREATE USER" if create_user is None else "CREATE OR REPLACE USER"
        how = "BY %s" if in_clear else "VIA mysql_native_password USING %s"
        secret = account.password if in_clear else native_hash(account.password)
        result.append(
            Statement(
                f"{verb} %s@%s IDENTIFIED {how} PASSWORD EXPIRE NEVER",
                (account.name, account.host, secret),
                f"{verb} {who} IDENTIFIED BY <secret> PASSWORD EXPIRE NEVER",
                secret=in_clear,
            )
        )
        present = ()
    for verb, link, names in (
        ("REVOKE", "FROM", [name for name in present if name not in account.privileges]),
        ("GRANT", "TO", [name for name in account.privileges if name not in present]),
    ):
        if names:
            what = f"{verb} {', '.join(names)} ON *.* {link}"
            result.append(Statement(f"{what} %s@%s", (account.name, account.host), f"{what} {who}"))
    return result
