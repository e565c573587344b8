# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian suites and the packages of a base."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

# Raise it when the way a base is made changes, so that the cached ones are made anew.
RECIPE = "3"

COMMON: tuple[str, ...] = (
    "acl",
    "age",
    "attr",
    "btrfs-progs",
    "ca-certificates",
    "dbus",
    "e2fsprogs",
    "iproute2",
    "lz4",
    "openssh-server",
    "pigz",
    "procps",
    "python3",
    "python3-apt",
    "python3-pymysql",
    "rclone",
    "rsync",
    "socat",
    "strace",
    "sudo",
    "systemd",
    "systemd-sysv",
    "xfsprogs",
    "zstd",
)
# Galera is only a recommendation of the server; recommendations are not installed.
MARIADB: tuple[str, ...] = ("galera-4", "mariadb-backup", "mariadb-server")


@dataclass(frozen=True)
class Suite:
    """A Debian release and the MariaDB series in it."""

    name: str
    mariadb: str
    security: bool = True

    @property
    def makes_keys(self) -> bool:
        """Whether a server without a TLS key makes one at each start (from 11.4 on)."""
        return tuple(int(part) for part in self.mariadb.split(".")) >= (11, 4)


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        # An archive may list the security updates of a suite past its end without holding all of their files.
        Suite("bullseye", "10.5", security=False),
        Suite("bookworm", "10.11"),
        Suite("trixie", "11.8"),
    )
}


def packages(flavour: str) -> tuple[str, ...]:
    """What a base has installed."""
    return tuple(sorted(COMMON + (MARIADB if flavour == "mariadb" else ())))


def base_name(suite: str, flavour: str) -> str:
    """Folder of a base in the cache: another package list or another recipe is another base."""
    text = "\n".join((RECIPE, suite, str(SUITES[suite].security), flavour, *packages(flavour), *MARIADB))
    return f"{suite}-{flavour}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
