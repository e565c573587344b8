# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup a module works on: a directory, or one of a repository."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import DATA, MANIFEST, METADATA
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import directory_in_use
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.access import open_repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.basis import links_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry, choose, read_entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository, instance_of
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import repository_name


def request_of(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what names a backup of a repository, or None where ``target_dir`` names a directory.

    Raises:
        MariabackupError: neither is named, or both are.
    """
    if bool(params.get("repository")) == bool(params.get("target_dir")):
        raise MariabackupError(
            "Exactly one of target_dir and repository names the backup.", "Set one of them, and not the other."
        )
    if not params.get("repository"):
        return None
    return {
        "repository": repository_name(params["repository"]),
        "instance": instance_of(params),
        "backup_id": params.get("backup_id") or "latest",
        "before": params.get("before"),
    }


def find(request: Mapping[str, Any], params: Mapping[str, Any], ctx: Context) -> Entry:
    """Return the backup of a request; what describes it is on this host when this returns.

    Raises:
        MariabackupError: there is none.
    """
    repository, instance = open_repository(params, ctx), str(request["instance"])
    entries = list(repository.entries(instance))
    if not entries:
        others = repository.instances()
        raise MariabackupError(
            f"There is no backup of {instance} in {repository.place()}.",
            f"Set instance to one of {', '.join(others[:10])}."
            if others
            else "Correct repository, or take a backup first.",
        )
    entry = choose(entries, str(request["backup_id"]), request["before"], repository.place(instance))
    for link in _chain_as_far_as_it_goes(entry):
        repository.fetch(link)
    return entry


def entry_of(target_dir: str) -> Entry | None:
    """Return the backup of a repository whose files lie in ``target_dir``; None for a bare directory."""
    parent, name = os.path.split(os.path.realpath(target_dir))
    if name not in (DATA, METADATA) or not os.path.isfile(os.path.join(parent, MANIFEST)):
        return None
    return read_entry(parent)


def links(target_dir: str) -> list[str]:
    """Return the directories of the backups that a restore of ``target_dir`` needs, from the full one on to itself.

    Raises:
        MariabackupError: it is an increment of a repository whose chain is broken.
    """
    entry = entry_of(target_dir)
    if entry is None or entry.head is None:
        return [target_dir]
    return [link.data for link in _chain(entry)]


def _chain(entry: Entry) -> list[Entry]:
    if entry.head is None or entry.head.manifest.base_id is None:
        return [entry]
    top = os.path.dirname(entry.path)
    return links_of(entry, Repository(os.path.dirname(top)).entries(os.path.basename(top)))


def _chain_as_far_as_it_goes(entry: Entry) -> list[Entry]:
    """Return the chain of a backup, or itself alone where that is broken.

    Whoever needs the chain finds out for himself; a restore that is in service by now does not.
    """
    try:
        return _chain(entry)
    except MariabackupError:
        return [entry]


@contextlib.contextmanager
def reading(target_dir: str, *, alone: bool = False) -> Iterator[None]:
    """Keep others from removing or changing the backup whose files lie in ``target_dir``, and what it is built on.

    Args:
        target_dir: its directory.
        alone: its files are going to be changed or moved; a backup of a repository never is.

    Raises:
        MariabackupError: somebody else uses a bare directory in a way that does not go with this one.
    """
    entry = entry_of(target_dir)
    if entry is None:
        if not os.path.isdir(target_dir):
            yield  # the proof of the backup says so, in its own words
            return
        with directory_in_use(target_dir, alone=alone):
            yield
        return
    repository = Repository(os.path.dirname(os.path.dirname(entry.path)))
    chain = _chain_as_far_as_it_goes(entry)
    with contextlib.ExitStack() as stack:
        # A removal begins with the last increment, so the first lock already keeps the others.
        for link in reversed(chain):
            stack.enter_context(repository.reading(link))
        yield
