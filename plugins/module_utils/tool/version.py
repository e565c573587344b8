# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of servers, backups and the tool, and which of them fit together (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

_VERSION = re.compile(r"(?<![\d.])(\d+)\.(\d+)\.(\d+)(?![\d.])")
# Servers pretend to be 5.5.5 towards old replicas: "5.5.5-10.11.6-MariaDB".
_REPLICATION_PREFIX = "5.5.5-"


@dataclass(frozen=True, order=True)
class ServerVersion:
    """A version of the server or of the tool; compares by its three numbers."""

    major: int
    minor: int
    patch: int
    is_mariadb: bool = field(default=True, compare=False)
    text: str = field(default="", compare=False)

    @property
    def series(self) -> str:
        """The release series, ``10.11``: what the tool, the backup and the server must have in common."""
        return f"{self.major}.{self.minor}"

    @property
    def series_number(self) -> tuple[int, int]:
        """The release series as numbers, for comparisons."""
        return self.major, self.minor

    @property
    def number(self) -> str:
        """The three numbers, ``10.11.19``."""
        return f"{self.major}.{self.minor}.{self.patch}"

    def __str__(self) -> str:
        return self.number


def parse_version(text: str) -> ServerVersion:
    """Read a version out of what a server, the tool or a metadata file says.

    Known forms: ``10.11.19-MariaDB-0+deb12u1-log``, ``5.5.5-10.11.6-MariaDB``,
    ``mariadb-backup based on MariaDB server 11.8.6-MariaDB debian-linux-gnu (x86_64)``,
    ``mariadbd  Ver 10.5.23-MariaDB-0+deb11u1 for ...``.

    Raises:
        ValueError: the text holds no version.
    """
    found = text.strip()
    start = found.find(_REPLICATION_PREFIX)
    searched = found[start + len(_REPLICATION_PREFIX) :] if start >= 0 else found
    match = _VERSION.search(searched)
    if match is None:
        raise ValueError(f"no version in {text!r}")
    major, minor, patch = (int(number) for number in match.groups())
    return ServerVersion(major, minor, patch, "mariadb" in found.lower(), found)


def number_of(text: str | None) -> str | None:
    """Return the three numbers in a text as ``10.11.19``, or the text where it has none."""
    try:
        return parse_version(text).number if text else None
    except ValueError:
        return text


def check_tool_for_backup(tool: ServerVersion, server: ServerVersion) -> None:
    """Refuse a tool that does not fit the server whose data it would read.

    The tool itself checks next to nothing: 11.8 backs up a 10.11 server without a word. The rule is the
    documentation's: same series, and a tool that is not older than the server.

    Raises:
        MariabackupError: another vendor, another series, or an older tool.
    """
    if not server.is_mariadb:
        raise MariabackupError(
            f"The server is {server.text}, which is not MariaDB.",
            "Use the backup tool of that server; MariaDB's reads MariaDB only.",
        )
    if tool.series != server.series:
        raise MariabackupError(
            f"mariadb-backup is of version {tool}, but the server is of version {server}: the series differ.",
            f"Install the package mariadb-backup (rpm: MariaDB-backup) of series {server.series}, or name the "
            "executable of that series with mariadb_backup.",
        )
    if tool < server:
        raise MariabackupError(
            f"mariadb-backup {tool} is older than the server, {server}.",
            f"Upgrade the package mariadb-backup (rpm: MariaDB-backup) to {server} or a later {server.series} version.",
        )


def check_tool_for_prepare(tool: ServerVersion, backup: ServerVersion) -> None:
    """Refuse a tool of another series than the server from which the backup came.

    The format of the redo log changes between series, and the tool does not always notice.

    Raises:
        MariabackupError: another vendor or series.
    """
    check_vendor(backup)
    if tool.series != backup.series:
        raise MariabackupError(
            f"The backup comes from a MariaDB {backup} server, but mariadb-backup here is of version {tool}: "
            "a backup can be prepared only by the series that took it.",
            f"Prepare it where mariadb-backup {backup.series} is installed, or name that executable with mariadb_backup.",
        )


def check_vendor(backup: ServerVersion) -> None:
    """Refuse a backup of MySQL or Percona Server.

    Raises:
        MariabackupError: the server's version does not name MariaDB.
    """
    if not backup.is_mariadb:
        raise MariabackupError(
            f"The backup comes from a server of another vendor: {backup.text}.",
            "Only backups of MariaDB servers can be used; move the data with a logical dump instead.",
        )


def check_target_server(server: ServerVersion, backup: ServerVersion) -> bool:
    """Say whether the server must upgrade the data after a restore; refuse what it cannot read at all.

    Returns:
        True when the server is of a newer series than the backup.

    Raises:
        MariabackupError: another vendor, or a server of an older series than the backup.
    """
    check_vendor(backup)
    if server.series_number < backup.series_number:
        raise MariabackupError(
            f"The backup comes from a MariaDB {backup} server, but the server here is of version {server}: "
            "an older series cannot read newer data files.",
            f"Install MariaDB {backup.series} or later here, or choose a backup of series {server.series}.",
        )
    return server.series_number > backup.series_number
