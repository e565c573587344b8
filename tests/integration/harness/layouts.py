# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the directories of a server can lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DATADIR = "/var/lib/mysql"
# Small logs, so that a datadir is copied in a tenth of a second; nothing else differs from what Debian ships.
BASE_OPTIONS = {"innodb_log_file_size": "16M", "innodb_buffer_pool_size": "64M"}


@dataclass(frozen=True)
class Layout:
    """The directories of one server.

    Args:
        name: how tests call it.
        options: of the server, beside ``BASE_OPTIONS``.
        elsewhere: the directories of the set beside the datadir.
        seed: the layout whose stored data this one starts from; the files must lie the same way.
        mount: the file system of the datadir, when it is a mount point of its own.
        link: where the datadir really is, when ``DATADIR`` is a symbolic link.
        instance: the name of a second server, ``mariadb@<instance>``, which is then the one under test.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    seed: str = "plain"
    mount: str = ""
    link: str = ""
    instance: str = ""

    @property
    def datadir(self) -> str:
        """The datadir of the server under test."""
        return f"{DATADIR}-{self.instance}" if self.instance else DATADIR

    @property
    def service(self) -> str:
        """The service of the server under test."""
        return f"mariadb@{self.instance}" if self.instance else "mariadb"

    @property
    def socket(self) -> str:
        """The socket of the server under test."""
        return f"/run/mysqld/{self.instance}.sock" if self.instance else "/run/mysqld/mysqld.sock"

    def option_file(self) -> str:
        """Return the text of the option file of this layout."""
        lines = [f"{name} = {value}" if value else name for name, value in {**BASE_OPTIONS, **self.options}.items()]
        text = "\n".join(["[mysqld]", *lines, ""])
        if self.instance:
            own = ["datadir = " + self.datadir, "socket = " + self.socket, "port = 3307"]
            own.append(f"pid-file = /run/mysqld/{self.instance}.pid")
            text += "\n".join([f"[mysqld.{self.instance}]", *own, f"[client.{self.instance}]", own[1], ""])
        return text


_BINLOG = {"log_bin": "mysqld-bin", "server_id": "11", "gtid_domain_id": "0", "gtid_strict_mode": "ON"}

PLAIN = Layout("plain")
BINLOG = Layout("binlog", options=_BINLOG)
BINLOG_OUTSIDE = Layout(
    "binlog-outside",
    options={**_BINLOG, "log_bin": "/var/lib/mysql-binlog/mysqld-bin"},
    elsewhere=("/var/lib/mysql-binlog",),
)
SEPARATE = Layout(
    "separate",
    options={
        **_BINLOG,
        "innodb_data_home_dir": "/var/lib/mysql-home",
        "innodb_undo_directory": "/var/lib/mysql-undo",
        "innodb_undo_tablespaces": "3",
        "innodb_log_group_home_dir": "/var/lib/mysql-redo",
        "aria_log_dir_path": "/var/lib/mysql-aria",
        "log_bin": "/var/lib/mysql-binlog/mysqld-bin",
    },
    elsewhere=(
        "/var/lib/mysql-home",
        "/var/lib/mysql-undo",
        "/var/lib/mysql-redo",
        "/var/lib/mysql-aria",
        "/var/lib/mysql-binlog",
    ),
    seed="separate",
)
# Given twice, in both spellings: each adds a name.
_NO_SCHEMAS = {"ignore_db_dirs": "lost+found", "ignore-db-dirs": ".mariabackup"}
MOUNT = Layout("mount", options={**_BINLOG, **_NO_SCHEMAS}, mount="ext4")
MOUNT_XFS = Layout("mount-xfs", options={**_BINLOG, **_NO_SCHEMAS}, mount="xfs")
SYMLINK = Layout("symlink", link="/srv/data/mysql")
INSTANCE = Layout("instance", instance="x")

LAYOUTS = {
    layout.name: layout for layout in (PLAIN, BINLOG, BINLOG_OUTSIDE, SEPARATE, MOUNT, MOUNT_XFS, SYMLINK, INSTANCE)
}
