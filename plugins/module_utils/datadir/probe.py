# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can this directory be renamed, can this file system exchange and share extents? Read where possible, else tried.

Functions with ``write`` make temporary files of ours in the parent directory only when it is true; else they answer None
where reading does not tell.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import tempfile
from typing import Callable, TypeVar

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.exchange import (
    NOT_SUPPORTED,
    RENAME_EXCHANGE,
    overlay_handle,
    rename2,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import is_mount_point, mount_info
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree

FICLONE = 0x40049409
_FS_IOC_GETFLAGS = 0x80086601
_FS_IMMUTABLE, _FS_APPEND = 0x10, 0x20
_PREFIX = ".mariabackup-probe-"

# Where an overlay's own handle (struct ovl_fh) keeps its marks: type and three bytes of padding come first.
_OVL_FH_MAGIC, _OVL_FH_FLAG_PATH_UPPER = 0xFB, 0x04


# What keeps a probe from being made at all: then nothing is known, and the plan has its own words for the cause.
_NO_PROBE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})

Result = TypeVar("Result")


def _try_in(parent: str, attempt: Callable[[str], Result]) -> Result | None:
    """Return what ``attempt`` finds out in a fresh directory in ``parent``; None where there can be none."""
    try:
        top = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    except OSError as error:
        if error.errno in _NO_PROBE:
            return None
        raise
    try:
        return attempt(top)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return None
        raise
    finally:
        delete_tree(top, ignore_errors=True)


def supports_exchange(parent: str, write: bool = True) -> bool | None:
    """Tell whether two directories in ``parent`` can be exchanged in one system call; None: only a try would tell."""
    if not write:
        # ext4 since 3.15, XFS since 4.0, Btrfs since 4.7, overlay since 4.9, tmpfs since 3.17.
        return True if mount_info(parent).fstype in ("ext4", "xfs", "btrfs", "overlay", "tmpfs", "f2fs") else None
    return _try_in(parent, _can_exchange)


def _can_exchange(top: str) -> bool:
    first, second = os.path.join(top, "a"), os.path.join(top, "b")
    os.mkdir(first)
    os.mkdir(second)
    try:
        rename2(first, second, RENAME_EXCHANGE)
    except OSError as error:
        if error.errno in NOT_SUPPORTED:
            return False
        raise
    return True


def supports_reflink(source: str, target_dir: str, write: bool = True) -> bool | None:
    """Tell whether files below ``source`` can be cloned into ``target_dir`` (FICLONE); None: only a try would tell."""
    probe = _first_file(source)
    if probe is None:
        return None
    if not write:
        left, right = mount_info(source), mount_info(target_dir)
        if left.fstype != right.fstype or left.source != right.source:
            return False
        return None if left.fstype in ("xfs", "btrfs", "ocfs2", "nfs4", "bcachefs", "overlay", "zfs") else False
    return _try_in(target_dir, lambda top: clone(probe, os.path.join(top, "clone")))


def clone(source: str, target: str) -> bool:
    """Make ``target`` share the extents of ``source``; False where the file systems cannot."""
    with open(source, "rb") as reader, open(target, "xb") as writer:
        return clone_fd(reader.fileno(), writer.fileno())


def clone_fd(source: int, target: int) -> bool:
    """FICLONE of one open file onto another; False where the file systems cannot. Raises OSError for a full disk."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in (
            errno.EOPNOTSUPP,
            errno.ENOTTY,
            errno.EXDEV,
            errno.EINVAL,
            errno.ENOSYS,
            errno.EPERM,
            errno.EBADF,
            errno.ETXTBSY,
        ):
            return False
        raise
    return True


def _first_file(path: str) -> str | None:
    if os.path.isfile(path):
        return path
    for directory, _names, files in os.walk(path):
        for name in files:
            candidate = os.path.join(directory, name)
            if not os.path.islink(candidate) and os.path.getsize(candidate) > 0:
                return candidate
    return None


def is_overlay(path: str) -> bool:
    """Tell whether ``path`` lies on an overlay file system, as in containers."""
    return mount_info(path).fstype == "overlay"


def overlay_lower(path: str) -> bool | None:
    """Tell whether a directory comes, in whole or in part, from a lower layer of an overlay without ``redirect_dir``.

    Renaming such a directory fails with EXDEV. Nothing is written. None: this kernel does not tell.

    From Linux 6.6 on an overlay gives out file handles that say which layer they are of; a link count of 1 marks a
    merged directory on all kernels; a directory of a lower layer alone looks like any other before 6.6 (all seen on
    6.18, with redirect_dir off, on and nofollow).
    """
    mount = mount_info(path)
    if mount.fstype != "overlay" or not os.path.isdir(path) or os.path.islink(path):
        return False
    setting = mount.option("redirect_dir")
    if setting is None:
        # The kernel prints the option only where it differs from the module's default.
        setting = "on" if _module_default("redirect_dir") else "off"
    if setting == "on":
        return False
    if mount.option("upperdir") is None:
        return True
    if os.stat(path).st_nlink == 1:
        return True
    handle = overlay_handle(path)
    # 4 bytes of our own (the handle's type), 3 of padding, then version, magic, length, flags.
    if handle is None or len(handle) < 11 or handle[8] != _OVL_FH_MAGIC:
        return None
    return not handle[10] & _OVL_FH_FLAG_PATH_UPPER


def _module_default(name: str) -> bool:
    try:
        with open(f"/sys/module/overlay/parameters/{name}", encoding="ascii") as stream:
            return stream.read().strip() == "Y"
    except OSError:
        return False


def is_immutable(path: str) -> bool:
    """Tell whether chattr has made ``path`` immutable or append-only, so that nobody can rename it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        flags = array.array("l", [0])
        fcntl.ioctl(fd, _FS_IOC_GETFLAGS, flags, True)
        return bool(flags[0] & (_FS_IMMUTABLE | _FS_APPEND))
    except OSError:
        return False
    finally:
        os.close(fd)


def rename_obstacle(path: str, write: bool = True) -> int | None:
    """Return the errno that a rename of the directory ``path`` inside its parent would give, 0 for none, None: unknown.

    The try is harmless: ``path`` is renamed onto a fresh directory that is not empty. A file system that could do it
    says ENOTEMPTY, one that could not says why (EBUSY for a mount point, EXDEV for an overlay's lower layer, EPERM for
    an immutable directory).
    """
    if is_mount_point(path):
        return errno.EBUSY
    if is_immutable(path) or is_immutable(os.path.dirname(os.path.abspath(path))):
        return errno.EPERM
    lower = overlay_lower(path)
    if lower is not None and (lower or not write):
        return errno.EXDEV if lower else 0
    if not write:
        return None
    return _try_in(os.path.dirname(os.path.abspath(path)), lambda top: _rename_onto_full(path, top))


def _rename_onto_full(path: str, top: str) -> int:
    full = os.path.join(top, "full")
    os.makedirs(os.path.join(full, "entry"))
    try:
        os.rename(path, full)
    except OSError as error:
        return 0 if error.errno in (errno.ENOTEMPTY, errno.EEXIST) else error.errno or errno.EIO
    raise AssertionError("a directory that is not empty was replaced")
