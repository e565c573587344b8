# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renames that are atomic and durable: renameat2(2), which Python does not have, then fsync of both parents.

``exchange`` swaps two names in one system call: there is no instant at which either of them does not exist.
``move`` never replaces anything. ``identify`` tells a file or directory apart from any other, wherever it is
renamed to and across reboots.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.files import fsync_path

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

# What a kernel or file system says that does not have the wanted renameat2 flag.
NOT_SUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})

_AT_FDCWD = -100
_AT_HANDLE_FID = 0x200
_MAX_HANDLE_SZ = 128
_SYS_RENAMEAT2 = {
    "x86_64": 316,
    "aarch64": 276,
    "riscv64": 276,
    "loongarch64": 276,
    "ppc64le": 357,
    "ppc64": 357,
    "s390x": 347,
    "armv7l": 382,
    "i686": 353,
}
_SYS_NAME_TO_HANDLE_AT = {
    "x86_64": 303,
    "aarch64": 264,
    "riscv64": 264,
    "loongarch64": 264,
    "ppc64le": 345,
    "ppc64": 345,
    "s390x": 335,
    "armv7l": 370,
    "i686": 341,
}

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, numbers: dict[str, int], *arguments: Any) -> int:
    """Call a libc function, or the system call behind it where the C library is too old; returns 0 or an errno."""
    function = getattr(_libc, name, None)
    if function is not None:
        result = function(*arguments)
    else:
        # A 32-bit process on a 64-bit kernel would need the other table.
        number = (
            numbers.get(platform.machine()) if struct.calcsize("P") == 8 or "64" not in platform.machine() else None
        )
        if number is None:
            return errno.ENOSYS
        result = _libc.syscall(ctypes.c_long(number), *arguments)
    return 0 if result == 0 else ctypes.get_errno()


def rename2(source: str, target: str, flags: int) -> None:
    """renameat2(2). Raises OSError with both paths."""
    error = _call(
        "renameat2",
        _SYS_RENAMEAT2,
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(source)),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(flags),
    )
    if error:
        raise OSError(error, os.strerror(error), source, None, target)


def sync_parents(*paths: str) -> None:
    """Flush the directories that hold ``paths``, each once."""
    for parent in dict.fromkeys(os.path.dirname(os.path.abspath(path)) for path in paths):
        fsync_path(parent)


def exchange(first: str, second: str) -> None:
    """Swap two existing paths of one file system in one system call, and flush both parents.

    Raises:
        OSError: ``EINVAL``, ``ENOSYS`` or ``EOPNOTSUPP`` (see NOT_SUPPORTED) where the file system cannot,
            ``EBUSY`` for a mount point, ``EXDEV`` across file systems and for lower directories of an overlay.
    """
    rename2(first, second, RENAME_EXCHANGE)
    sync_parents(first, second)


def move(source: str, target: str) -> None:
    """Rename ``source`` to ``target``, which must not exist, and flush both parents.

    Where the file system lacks RENAME_NOREPLACE, a look comes first and the rename after it. Both names are ours
    alone then, so nobody fills the gap.
    """
    try:
        rename2(source, target, RENAME_NOREPLACE)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
        if os.path.lexists(target):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target) from None
        os.rename(source, target)
    sync_parents(source, target)


@dataclass(frozen=True)
class Identity:
    """Which file or directory this is, wherever it is renamed to.

    ``handle`` is the kernel's file handle (name_to_handle_at(2)), which holds the inode number and its generation and
    outlives reboots. An overlay whose layers lie on different file systems makes inode numbers up
    at every mount; there the handle alone is stable (seen on Linux 6.18). Device numbers are left out on purpose:
    they change with every boot on Btrfs, overlay and LVM.
    """

    inode: int
    handle: str | None = None

    def same(self, other: Identity | None) -> bool:
        """Tell whether both name the same file."""
        if other is None:
            return False
        if self.handle is not None and other.handle is not None:
            return self.handle == other.handle
        return self.inode == other.inode


def file_handle(path: str, flags: int = 0) -> bytes | None:
    """Return the file handle of ``path`` (its type, then its bytes), or None where the file system has none."""
    buffer = ctypes.create_string_buffer(8 + _MAX_HANDLE_SZ)
    struct.pack_into("=Ii", buffer, 0, _MAX_HANDLE_SZ, 0)
    mount_id = ctypes.c_int()
    error = _call(
        "name_to_handle_at",
        _SYS_NAME_TO_HANDLE_AT,
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(path)),
        buffer,
        ctypes.byref(mount_id),
        ctypes.c_int(flags),
    )
    if error:
        return None
    size, kind = struct.unpack_from("=Ii", buffer, 0)
    return struct.pack("=i", kind) + buffer.raw[8 : 8 + size]


def overlay_handle(path: str) -> bytes | None:
    """Return the handle that an overlay file system gives out (AT_HANDLE_FID, Linux 6.6 and later), or None."""
    return file_handle(path, _AT_HANDLE_FID)


def identify(path: str) -> Identity | None:
    """Return which file lies at ``path`` (a symbolic link itself, not what it points to), or None if there is none."""
    try:
        inode = os.lstat(path).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None
    handle = file_handle(path)
    if handle is None:
        handle = overlay_handle(path)
    return Identity(inode, handle.hex() if handle is not None else None)
