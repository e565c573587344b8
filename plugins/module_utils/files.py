# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that must be whole after a power cut: synced, renamed into place, never half written."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

_libc = ctypes.CDLL(None, use_errno=True)
_SYNC_FILE_RANGE_WRITE = 2


def fsync_path(path: str) -> None:
    """Flush one file or directory to disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(path: str) -> None:
    """Flush the whole file system that holds ``path`` (syncfs(2)); raises OSError when the disk reports an error."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if _libc.syncfs(fd) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), path)
    finally:
        os.close(fd)


def start_writeback(fd: int, offset: int, count: int) -> None:
    """Let the kernel begin to bring a part of a file to disk (sync_file_range(2)), without waiting for it.

    It promises nothing, so it reports nothing: what goes wrong shows when the file is synced.
    """
    _libc.sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(count), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def write_atomic(path: str, text: str, mode: int = 0o600) -> None:
    """Write ``path`` so that it holds the old or the new text at every instant, and the new one when this returns."""
    temporary = f"{path}.tmp.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    fsync_path(os.path.dirname(path) or ".")


def write_json(path: str, value: Any, mode: int = 0o600) -> None:
    """Write ``value`` as JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True) + "\n", mode)


SPARE = "spare"
_SPARE_BYTES = 256 << 10


def keep_spare(directory: str) -> None:
    """Set room aside in ``directory`` for records that must be written on a full disk as well.

    Raises:
        MariabackupError: the disk is full already.
    """
    fd = os.open(os.path.join(directory, SPARE), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(fd, 0, _SPARE_BYTES)
    except OSError as error:
        raise MariabackupError(
            f"There is no room for the records of this task in {directory}: {error.strerror}.",
            "Make room there, or set state_dir to a directory on another file system.",
        ) from error
    finally:
        os.close(fd)


def give_up_spare(directory: str) -> bool:
    """Free that room; tell whether there was any."""
    try:
        os.unlink(os.path.join(directory, SPARE))
    except FileNotFoundError:
        return False
    return True


def write_json_for_sure(path: str, value: Any) -> None:
    """Write ``value`` as JSON, atomically; on a full disk into the room that was set aside beside it."""
    try:
        write_json(path, value)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not give_up_spare(os.path.dirname(path)):
            raise
        write_json(path, value)


def read_json(path: str) -> Any:
    """Return the value in a JSON file, or None when there is no such file."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return None


def make_private_dirs(path: str) -> list[str]:
    """Create ``path`` with its parents, mode 0700, and return the directories that were made, outermost first."""
    missing: list[str] = []
    current = os.path.abspath(path)
    while not os.path.isdir(current):
        missing.append(current)
        current = os.path.dirname(current)
    for directory in reversed(missing):
        os.mkdir(directory, 0o700)
        fsync_path(os.path.dirname(directory))
    return list(reversed(missing))


def path_key(path: str) -> str:
    """Turn a path into a word that is a file name and a part of a unit name; two paths never share one.

    The idea of ``systemd-escape --path``, with ``_2d`` for ``\\x2d``: a backslash would need care in every unit file.
    """
    parts = [part for part in path.split("/") if part] or [""]

    def escape(match: re.Match[str]) -> str:
        return "".join(f"_{byte:02x}" for byte in match.group().encode("utf-8", "surrogateescape"))

    return "-".join(re.sub(r"[^A-Za-z0-9.]|^\.", escape, part) for part in parts) or "-"


def delete_tree(path: str, *, ignore_errors: bool = False) -> None:
    """Remove a directory with all that is in it; symbolic links are removed, never followed.

    An overlay file system whose layers lie on two others forgets the inode numbers of directories when memory runs short, and
    gives new ones. Between two looks of ``shutil.rmtree`` at one directory it then seems that a link was put in its way.

    Args:
        ignore_errors: leave what cannot be removed.

    Raises:
        OSError: the disk refuses, or there is no such directory.
    """
    for last in (False, False, True):
        try:
            shutil.rmtree(path)
            return
        except OSError as error:
            if error.errno is None and not last:
                continue
            if not ignore_errors:
                raise
            shutil.rmtree(path, ignore_errors=True)
            return
