# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of an increment in a repository: chosen, looked at, and kept from being removed while the backup is taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import (
    AUTO,
    FULL,
    INCREMENTAL,
    BrokenChain,
    Choice,
    Now,
    broken_chains,
    chain_to,
    choose_base,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import read_metadata
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.measures import parse_span
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.presence import damage_of


def manifests_of(entries: Iterable[Entry]) -> dict[str, Manifest]:
    """Return the manifests that can be used, by id."""
    return {entry.id: entry.head.manifest for entry in entries if entry.head is not None}


def problems_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Return why backups cannot be restored, by id, as sentences: the manifest, or the chain."""
    listed = list(entries)
    found = {entry.id: entry.problem or "Its manifest cannot be used." for entry in listed if entry.head is None}
    for name, problem in broken_chains(manifests_of(listed)).items():
        found[name] = f"Its chain is broken: {problem}."
    return found


def links_of(entry: Entry, entries: Iterable[Entry]) -> list[Entry]:
    """Return the backups that a restore of ``entry`` needs, from the full one on to itself.

    Raises:
        MariabackupError: one is missing or does not fit.
    """
    listed = {other.id: other for other in entries}
    try:
        chain = chain_to(entry.id, manifests_of(listed.values()))
    except BrokenChain as error:
        sound = sorted(set(listed) - set(problems_of(listed.values())))
        raise MariabackupError(
            f"The backup {entry.path} cannot be restored, its chain is broken: {error}.",
            f"Use another backup; the newest restorable one is {sound[-1]}."
            if sound
            else "Use a backup of another repository: none of this instance can be restored.",
        ) from error
    return [listed[manifest.id] for manifest in chain]


class Chooser:
    """Chooses the base of the backup that a task asks for.

    Args:
        params: ``type``, ``base``, ``full_every``, ``prepare``.
        repository, instance: where.
        stack: keeps the chain of the base from being removed until it is closed; None in check mode.

    Raises:
        MariabackupError: the options do not go together.
    """

    def __init__(
        self, params: Mapping[str, Any], repository: Repository, instance: str, stack: ExitStack | None
    ) -> None:
        self.type = str(params.get("type") or FULL)
        self._wanted = params.get("base")
        self._repository = repository
        self._instance = instance
        self._stack = stack
        #: what was chosen; without a base before that
        self.choice = Choice()
        every = params.get("full_every")
        if self._wanted and self.type == FULL:
            raise MariabackupError(
                f"base is {self._wanted}, and a full backup has none.",
                "Set type to incremental or auto, or leave base out.",
            )
        if every and self.type != AUTO:
            raise MariabackupError(
                f"full_every is {every}, and type is {self.type}.", "Set type to auto, or leave full_every out."
            )
        if params.get("prepare") and self.type != FULL:
            raise MariabackupError(
                f"prepare is true, and type is {self.type}: nothing can be built on a prepared backup.",
                "Leave prepare out; a restore prepares its own copy.",
            )
        self._full_every = parse_span("full_every", every) if every else None

    def __call__(self, now: Now) -> Choice:
        """Choose.

        Raises:
            MariabackupError: an increment is asked for and nothing can be its base, or the base is being removed.
        """
        entries = {entry.id: entry for entry in self._repository.entries(self._instance)}

        # The chains of many backups have the same links.
        @cache
        def damage(name: str) -> str | None:
            return damage_of(entries[name])

        def look(chain: tuple[Manifest, ...]) -> str | None:
            for manifest in chain:
                if damage(manifest.id):
                    return damage(manifest.id)
            base = entries[chain[-1].id]
            self._repository.fetch(base)
            return _metadata_problem(base, chain[-1])

        # A backup of some tables alone is no base, and does not hide the one before it.
        whole = {
            name: manifest for name, manifest in manifests_of(entries.values()).items() if manifest.selection is None
        }
        self.choice = choose_base(whole, now, wanted=self._wanted, full_every=self._full_every, look=look)
        if self.choice.base is None and self.type == INCREMENTAL:
            raise MariabackupError(
                f"Nothing in {self._repository.place(self._instance)} can be the base of an increment:"
                f" {self.choice.reason}.",
                "Take a full backup, or set type to auto.",
            )
        if self._stack is not None:
            for manifest in self.choice.chain:
                self._stack.enter_context(self._repository.reading(entries[manifest.id]))
        return self.choice


def _metadata_problem(base: Entry, manifest: Manifest) -> str | None:
    """Return what is wrong with the files in which the tool describes a base."""
    try:
        meta = read_metadata(base.data)
    except MariabackupError as error:
        return error.cause.rstrip(".")
    if (meta.from_lsn, meta.to_lsn, meta.last_lsn, meta.uuid) != (
        manifest.from_lsn,
        manifest.to_lsn,
        manifest.last_lsn,
        manifest.uuid,
    ):
        return f"the files of {base.id} are not those that its manifest describes"
    return f"{base.id} is partial" if meta.partial else None
