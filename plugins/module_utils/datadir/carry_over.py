# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in the old datadir without being data, and has to be in the new one: keys, certificates, flags.

Never carried, because it belongs to the old data or the old process:

* ``mysql_upgrade_info``, ``mariadb_upgrade_info``: they say which version last upgraded the *old* data.
* ``grastate.dat``, ``gvwstate.dat``, ``galera.cache``: they claim a position in the cluster's history that the new
  data does not have; a node that believed them would skip a state transfer.
* ``master.info``, ``relay-log.info``, ``multi-master.info``, ``master-*.info``, ``relay-log-*.info``: replication
  would go on from the old data's position.
* ``tc.log``, binary and relay logs, ``gtid`` state: transactions of the old data.
* ``auto.cnf``: MySQL's server identity; MariaDB neither writes nor reads it.
* pid files, sockets, ``*.err``, ``ib_buffer_pool``: made anew.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import Layout
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.timeline import NAME as TIMELINE
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

# Options whose value is a file (or directory) that the server or a client reads and never writes.
FILE_OPTIONS = (
    "ssl_ca",
    "ssl_capath",
    "ssl_cert",
    "ssl_key",
    "ssl_crl",
    "ssl_crlpath",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "file_key_management_filename",
    "file_key_management_filekey",
    "hashicorp_key_management_vault_ca",
    "init_file",
)
# Galera's own options, inside of wsrep_provider_options.
_WSREP_FILES = ("socket.ssl_ca", "socket.ssl_cert", "socket.ssl_key")
FLAGS = ("debian-*.flag",)
NEVER = (
    "mysql_upgrade_info",
    "mariadb_upgrade_info",
    "grastate.dat",
    "gvwstate.dat",
    "galera.cache",
    "gcache.page.*",
    "master.info",
    "master-*.info",
    "relay-log.info",
    "relay-log-*.info",
    "multi-master.info",
    "tc.log",
    "auto.cnf",
    "*.pid",
    "*.sock",
    "*.err",
    "ibdata*",
    "ibtmp*",
    "ib_logfile*",
    "ib_buffer_pool*",
    "undo[0-9][0-9][0-9]",
    "aria_log*",
    "ddl_recovery*.log",
    "ddl.log",
    "#rocksdb",
    TIMELINE,
)
# Files that the server makes at the top of a datadir: not data of users, and not worth a word in the plan.
_USUAL = (*NEVER, "*.log", "*-bin.*", "*-relay-bin*", "ibdata*", "xtrabackup_*", "mariadb_backup_*")


@dataclass(frozen=True)
class CarryOver:
    """What to carry, relative to the datadir, and what else was found that is neither data nor usual."""

    carried: tuple[str, ...]
    others: tuple[str, ...]


def plan_carry_over(
    listing: Mapping[str, str],
    layout: Layout,
    options: Mapping[str, str],
    wanted: Iterable[str] = (),
    in_backup: Collection[str] = (),
) -> CarryOver:
    """Decide what is carried over from the old datadir. Pure.

    Args:
        listing: the entries at the top of the old datadir with their kinds, see ``list_top``.
        layout: the server's layout.
        options: its effective variables.
        wanted: the caller's list: relative paths or patterns for names at the top.
        in_backup: names at the top of the staged set; what the backup brings is not overwritten.

    Raises:
        MariabackupError: the caller's list names data, or a path outside of the datadir.
    """
    carried: list[str] = list(layout.links)
    for value in _named_files(options):
        relative = _inside(value, layout)
        if relative is not None and relative.split("/")[0] in listing:
            carried.append(relative)
    # A server that reads a file says itself that it is no data, whatever its name.
    trusted = frozenset(carried)
    for pattern in (*FLAGS, *wanted):
        pattern = pattern.rstrip("/")
        if pattern.startswith("/") or ".." in pattern.split("/") or not pattern:
            raise MariabackupError(
                f"carry_over names {pattern or 'nothing'}, which is not a path inside the datadir.",
                "Give names relative to the datadir.",
            )
        if "/" in pattern:
            if pattern.split("/")[0] in listing:
                carried.append(pattern)
        else:
            carried.extend(fnmatch.filter(sorted(listing), pattern))
    chosen = [name for name in dict.fromkeys(carried) if name.split("/")[0] not in in_backup or name in layout.links]
    data = [name for name in chosen if name not in trusted and is_data(name, listing, layout)]
    if data:
        raise MariabackupError(
            f"These entries of the datadir belong to the old data and are never carried over: {', '.join(data)}.",
            "Take them out of carry_over.",
        )
    tops = {name.split("/")[0] for name in chosen}
    inner = {os.path.relpath(place.path, layout.datadir).split("/")[0] for place in layout.inner}
    others = [
        name
        for name, kind in sorted(listing.items())
        if name not in tops
        and name not in inner
        and layout.places[0].owns(name)
        and not _matches(name, _USUAL)
        and not _log_file(name, layout, options)
        and (kind in ("file", "dir") or (kind == "link" and name not in in_backup))
    ]
    return CarryOver(tuple(chosen), tuple(others))


def is_data(name: str, listing: Mapping[str, str], layout: Layout) -> bool:
    """Tell whether an entry belongs to the old data: a schema, InnoDB's and Aria's files, logs, positions."""
    top = name.split("/")[0]
    if _matches(top, NEVER) or layout.directory_of(top) != layout.datadir:
        return True
    if any(item.name == top for item in layout.system_files) or _log_file(top, layout, {}):
        return True
    # A path into a schema's directory may still be a key that an administrator put there.
    return listing.get(top) == "schema" and "/" not in name


def _named_files(options: Mapping[str, str]) -> list[str]:
    """Return the values of the options that name files."""
    values = [options.get(option, "") for option in FILE_OPTIONS]
    for part in options.get("wsrep_provider_options", "").split(";"):
        key, _separator, value = part.partition("=")
        if key.strip() in _WSREP_FILES:
            values.append(value)
    return values


def _inside(value: str, layout: Layout) -> str | None:
    """Return the path relative to the datadir that an option's value names there, or None."""
    value = value.strip()
    if value.startswith("FILE:"):
        value = value[len("FILE:") :]
    if not value:
        return None
    path = os.path.normpath(os.path.join(layout.configured, value))
    for top in (layout.configured, layout.datadir):
        if path.startswith(top + "/"):
            return path[len(top) + 1 :]
    return None


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _log_file(name: str, layout: Layout, options: Mapping[str, str]) -> bool:
    if layout.binary_logs is not None:
        for path in (layout.binary_logs.base, layout.binary_logs.index):
            stem = os.path.basename(path)
            if os.path.dirname(path) == layout.datadir and (name == stem or name.startswith(stem + ".")):
                return True
    for option in ("log_error", "general_log_file", "slow_query_log_file", "relay_log", "pid_file", "socket"):
        relative = _inside(options.get(option, ""), layout)
        if relative is not None and (name == relative or name.startswith(relative + ".")):
            return True
    return False


def list_top(path: str) -> dict[str, str]:
    """Return the entries at the top of a datadir with their kind: ``schema``, ``dir``, ``file``, ``link`` or ``other``.

    A schema is a directory with a ``db.opt``, which CREATE DATABASE writes, or with a table's definition.
    """
    kinds: dict[str, str] = {}
    try:
        with os.scandir(path) as found:
            for entry in found:
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    kinds[entry.name] = "link"
                elif stat.S_ISDIR(mode):
                    kinds[entry.name] = "schema" if _is_schema(entry.path) else "dir"
                else:
                    kinds[entry.name] = "file" if stat.S_ISREG(mode) else "other"
    except FileNotFoundError:
        return {}
    return kinds


def _is_schema(path: str) -> bool:
    with os.scandir(path) as found:
        return any(entry.name == "db.opt" or entry.name.endswith((".frm", ".ibd")) for entry in found)


def copy_over(names: Iterable[str], old: str, new: str) -> list[str]:
    """Copy entries from the old datadir into the staged one, with owner, mode and times; returns what was copied.

    Run it after ``set_owner``: a key keeps the mode that its administrator gave it. An entry that is gone by now is left
    out. Symbolic links stay links.
    """
    done: list[str] = []
    for name in names:
        source, target = os.path.join(old, name), os.path.join(new, name)
        if not os.path.lexists(source):
            continue
        try:
            _make_parents(os.path.dirname(name), old, new)
            _copy(source, target)
        except OSError as error:
            raise MariabackupError(
                f"Could not carry {source} over to {target}: {error.strerror}.",
                "Mend the cause, then run the same task again; the server has not been touched.",
            ) from error
        done.append(name)
    return done


def _make_parents(relative: str, old: str, new: str) -> None:
    current = ""
    for part in [part for part in relative.split("/") if part]:
        current = os.path.join(current, part)
        target = os.path.join(new, current)
        if not os.path.isdir(target):
            os.mkdir(target)
            _copy_attributes(os.path.join(old, current), target)


def _copy(source: str, target: str) -> None:
    mode = os.lstat(source).st_mode
    if stat.S_ISLNK(mode):
        if os.path.lexists(target):
            os.unlink(target)
        os.symlink(os.readlink(source), target)
        os.chown(target, os.lstat(source).st_uid, os.lstat(source).st_gid, follow_symlinks=False)
    elif stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
        for name in os.listdir(source):
            _copy(os.path.join(source, name), os.path.join(target, name))
        _copy_attributes(source, target)
    elif stat.S_ISREG(mode):
        # A key must not be readable to others for an instant.
        with open(source, "rb") as reader, open(target, "wb", opener=_private) as writer:
            shutil.copyfileobj(reader, writer)
        _copy_attributes(source, target)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _copy_attributes(source: str, target: str) -> None:
    info = os.stat(source)
    os.chown(target, info.st_uid, info.st_gid)
    os.chmod(target, stat.S_IMODE(info.st_mode))
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
