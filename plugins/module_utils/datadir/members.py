# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each directory of a set changes hands, and where its new and its old set lie meanwhile."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir import inspect, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE, NEVER_OWNED, Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import Member
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

RESTORE = "restore"
PREVIOUS = "previous"


@dataclass(frozen=True)
class PlaceFacts:
    """What decides about the way a directory changes hands.

    Args:
        exists: whether it is there.
        mount_point: whether something is mounted on it.
        device_of_parent: whether it lies on its parent's device (a Btrfs subvolume does not).
        others: entries that do not belong to the set.
        nested: mount points below entries of the set.
        obstacle: errno that keeps it (or one of its directories, where it is a mount point) from being renamed, 0 for none,
            None when only a try would tell.
        exchange: whether its file system exchanges directories; None when only a try would tell.
        writable: whether its file system is mounted for writing.
    """

    exists: bool
    mount_point: bool = False
    device_of_parent: bool = True
    others: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    obstacle: int | None = 0
    exchange: bool | None = True
    writable: bool = True


def look_at(place: Place, write: bool) -> PlaceFacts:
    """Find the facts about a place. ``write`` allows probes with temporary directories beside it (not in check mode)."""
    path = place.path
    parent = inspect.existing_parent(os.path.dirname(path))
    writable = inspect.writable_fs(path)
    write = write and writable
    if not os.path.lexists(path):
        return PlaceFacts(False, exchange=probe.supports_exchange(parent, write), writable=writable)
    if not os.path.isdir(path):
        raise MariabackupError(f"{path} is not a directory.", f"The option for {place.role} must name a directory.")
    mount_point = inspect.is_mount_point(path)
    names = inspect.entries(path, allowed=NEVER_OWNED)
    others = tuple(name for name in names if not place.owns(name))
    nested = tuple(
        point for point in inspect.nested_mounts(path) if place.owns(os.path.relpath(point, path).split("/")[0])
    )
    if mount_point or others:
        obstacle = _obstacle_of_entries(place, names, write)
    else:
        obstacle = probe.rename_obstacle(path, write)
    return PlaceFacts(
        exists=True,
        mount_point=mount_point,
        device_of_parent=os.stat(path).st_dev == os.stat(os.path.dirname(path)).st_dev,
        others=others,
        nested=nested,
        obstacle=obstacle,
        exchange=probe.supports_exchange(parent, write and not mount_point),
        writable=writable,
    )


def _obstacle_of_entries(place: Place, names: Sequence[str], write: bool) -> int | None:
    unknown = False
    for name in names:
        path = os.path.join(place.path, name)
        if place.owns(name) and os.path.isdir(path) and not os.path.islink(path):
            # A nested mount point is named on its own; another directory cannot be told from its neighbours by trying.
            found = probe.rename_obstacle(path, write and probe.is_overlay(path))
            if found not in (0, None, errno.EBUSY):
                return found
            unknown = unknown or (found is None and probe.is_overlay(path))
    return None if unknown else 0


def choose_member(place: Place, run_id: str, facts: PlaceFacts) -> Member:
    """Decide how ``place`` changes hands. Pure.

    Raises:
        MariabackupError: the directory cannot be exchanged in any way.
    """
    if not facts.writable:
        raise MariabackupError(
            f"The file system of {place.path} ({place.role}) is mounted read-only.",
            "Mount it for writing; a file system that turned read-only by itself has had an error: check the kernel's log.",
        )
    if facts.nested:
        raise MariabackupError(
            f"Other file systems are mounted inside of {place.path}: {', '.join(facts.nested)}.",
            "A rename would take them along, or is impossible. Unmount them, or name them with an option of their own "
            "(innodb_undo_directory, innodb_log_group_home_dir, ...) if the server keeps a part of its data there.",
        )
    if facts.obstacle:
        raise _cannot_rename(place, facts.obstacle)
    if facts.mount_point or facts.others:
        inside = facts.mount_point or not facts.device_of_parent
        return Member(place, *set_paths(place.path, run_id, inside), mode="entries")
    mode = "rename" if facts.exchange is False else "exchange"
    return Member(place, *set_paths(place.path, run_id, False), mode=mode)


def set_paths(path: str, run_id: str, inside: bool) -> tuple[str, str]:
    """Return where the new set and the old set of ``path`` lie: beside it, or ``inside`` of it."""
    prefix = os.path.join(path, INSIDE) + "/" if inside else path + "."
    return f"{prefix}{RESTORE}-{run_id}", f"{prefix}{PREVIOUS}-{run_id}"


def _cannot_rename(place: Place, number: int) -> MariabackupError:
    if number == errno.EXDEV:
        return MariabackupError(
            f"{place.path} ({place.role}) comes from a lower layer of an overlay file system, which cannot be renamed.",
            "Make it a volume of its own (a mount point), or copy it once: stop the server, `cp -a` it to a new "
            "directory on the same path's parent, remove the old one and rename the copy. Or mount the overlay with "
            "redirect_dir=on.",
        )
    if number == errno.EPERM:
        return MariabackupError(
            f"{place.path} ({place.role}) or its parent directory is immutable or append-only, or not ours.",
            "Run as root, and look at `lsattr -d`; `chattr -i` removes the attribute.",
        )
    return MariabackupError(
        f"{place.path} ({place.role}) cannot be renamed: {os.strerror(number)}.",
        "Mend the cause, or give the server another datadir.",
    )
