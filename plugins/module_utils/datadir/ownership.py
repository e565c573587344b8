# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a set, with which modes, and which SELinux context its files need at their final path.

The top of a set takes owner, group and mode of the directory that it replaces (Debian: ``mysql:mysql`` and 0755 for
/var/lib/mysql, 2750 ``mysql:adm`` for /var/log/mysql); below it, directories get 0700 and files 0660 as the server makes
them. AppArmor judges by path, so it needs nothing here.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import DIR_MODE, FILE_MODE
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

_SELINUX = "/sys/fs/selinux/enforce"
_XATTR = "security.selinux"


@dataclass(frozen=True)
class Owner:
    """Numeric user and group, and the permission bits of a top directory."""

    uid: int
    gid: int
    mode: int = DIR_MODE

    def __str__(self) -> str:
        return f"{user_name(self.uid)}:{group_name(self.gid)}"


def user_name(uid: int) -> str:
    """Return a user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return a group's name, or the number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def owner_of(path: str) -> Owner | None:
    """Return who owns a directory and its mode, or None when there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return Owner(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def find_owner(user: str, group: str | None = None, mode: int = DIR_MODE) -> Owner:
    """Return the owner for names or numbers; the group defaults to the user's own.

    Raises:
        MariabackupError: there is no such user or group.
    """
    try:
        if user.isdigit():
            uid, gid = int(user), int(user)
            try:
                gid = pwd.getpwuid(uid).pw_gid
            except KeyError:
                pass
        else:
            entry = pwd.getpwnam(user)
            uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        raise MariabackupError(
            f"There is no user {user}.", "Install the server first, or give owner and group."
        ) from None
    if group:
        try:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise MariabackupError(
                f"There is no group {group}.", "Install the server first, or give the group."
            ) from None
    return Owner(uid, gid, mode)


def set_owner(path: str, owner: Owner, *, file_mode: int | None = FILE_MODE, dir_mode: int | None = DIR_MODE) -> int:
    """Give a staged tree to ``owner``, and return how many entries had to be changed.

    Only what is wrong is changed, symbolic links themselves and never what they point to. ``None`` for a mode leaves modes
    as they are. The top gets ``owner.mode`` last, so that nobody looks into a half-owned tree.
    """
    changed = 0
    pending = [path]
    try:
        while pending:
            current = pending.pop()
            with os.scandir(current) as found:
                for entry in found:
                    info = entry.stat(follow_symlinks=False)
                    is_dir = stat.S_ISDIR(info.st_mode)
                    wrong = info.st_uid != owner.uid or info.st_gid != owner.gid
                    if wrong:
                        os.chown(entry.path, owner.uid, owner.gid, follow_symlinks=False)
                    wanted = dir_mode if is_dir else file_mode if stat.S_ISREG(info.st_mode) else None
                    if wanted is not None and stat.S_IMODE(info.st_mode) != wanted:
                        os.chmod(entry.path, wanted)
                        wrong = True
                    changed += wrong
                    if is_dir:
                        pending.append(entry.path)
        top = os.stat(path)
        if (top.st_uid, top.st_gid) != (owner.uid, owner.gid):
            os.chown(path, owner.uid, owner.gid)
            changed += 1
        if stat.S_IMODE(os.stat(path).st_mode) != owner.mode:
            os.chmod(path, owner.mode)
            changed += 1
    except OSError as error:
        raise MariabackupError(
            f"Could not give {error.filename or path} to {owner}: {error.strerror}.",
            "Run as root, on a file system that has owners; the server has not been touched.",
        ) from error
    return changed


def selinux_enabled() -> bool:
    """Tell whether SELinux is on, enforcing or permissive: labels matter in both."""
    return os.path.exists(_SELINUX)


def context_for(path: str) -> str | None:
    """Return the context that the policy has for ``path`` (``matchpathcon -n``), or None where it has none.

    Raises:
        MariabackupError: the program is missing or fails.
    """
    program = shutil.which("matchpathcon", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        raise MariabackupError(
            "SELinux is on and the program matchpathcon is missing, so the restored files cannot be labelled.",
            "Install it (package libselinux-utils), then run the same task again; the server has not been touched.",
        )
    command = [program, "-n", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MariabackupError(
            f"matchpathcon does not know a context for {path}.",
            "Look at `semanage fcontext -l`; the server has not been touched.",
            cmd=command,
            rc=done.returncode,
            log_tail=done.stderr.splitlines()[-5:],
        )
    context = done.stdout.strip()
    return None if context in ("", "<<none>>") else context


def selinux_label(path: str, final_path: str) -> str | None:
    """Label a staged tree with the context that its final path has, and return it; None where SELinux is off.

    ``restorecon`` judges by the present path, and the policy's pattern for a datadir ends at its slash, so it would
    give the staged directory the label of its neighbours. A live directory that exists is the better witness than the
    policy: an administrator may have labelled it with chcon.

    Raises:
        MariabackupError: see ``context_for``, or the file system has no labels.
    """
    if not selinux_enabled():
        return None
    label = _label_of(final_path)
    if label is None:
        wanted = context_for(final_path)
        if wanted is None:
            return None
        label = wanted.encode("utf-8") + b"\0"
    try:
        _put_label(path, label)
        for directory, names, files in os.walk(path):
            for name in (*names, *files):
                _put_label(os.path.join(directory, name), label)
    except OSError as error:
        raise MariabackupError(
            f"Could not label {error.filename or path} for SELinux: {error.strerror}.",
            "A file system mounted with context= has one label for all and needs none of its own; else mend the cause. "
            "The server has not been touched.",
        ) from error
    return label.rstrip(b"\0").decode("utf-8")


def _label_of(path: str) -> bytes | None:
    try:
        return os.getxattr(path, _XATTR)
    except OSError:
        return None


def _put_label(path: str, label: bytes) -> None:
    try:
        present = os.getxattr(path, _XATTR, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        present = b""
    if present.rstrip(b"\0") != label.rstrip(b"\0"):
        os.setxattr(path, _XATTR, label, follow_symlinks=False)
