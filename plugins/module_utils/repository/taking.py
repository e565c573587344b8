# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``backup`` into a repository: the id, the place, and what lies beside the backup's files."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import take
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import FULL
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import next_id
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Selection
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import (
    Destination,
    ServerKnowledge,
    TimelineOf,
    existing_backup,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_stream import take_stream
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import configuration, instructions
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.access import open_repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.basis import Chooser, problems_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository, instance_of
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import is_remote
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.remotes import lasting_config


def check(
    params: Mapping[str, Any],
    ctx: Context,
    server: ServerKnowledge | None = None,
    timeline_of: TimelineOf | None = None,
) -> dict[str, Any]:
    """Plan for check mode; see ``take.check``."""
    repository, instance = open_repository(params, ctx), instance_of(params)
    chooser = Chooser(params, repository, instance, None)
    existing = _young_enough(repository, instance, params)
    if existing is not None:
        return {"changed": False, **existing, "plan": []}
    probe(params["state_dir"], repository.lock_key(instance), "backup")
    return take.check(params, ctx, server, _destination(repository, instance, server, params, chooser), timeline_of)


def run(
    params: Mapping[str, Any],
    ctx: Context,
    server: ServerKnowledge | None = None,
    timeline_of: TimelineOf | None = None,
) -> dict[str, Any]:
    """Take a backup into the repository; see ``take.run``. What runs that died have left there is removed first."""
    repository, instance = open_repository(params, ctx), instance_of(params)
    with contextlib.ExitStack() as stack:
        chooser = Chooser(params, repository, instance, stack)
        existing = _young_enough(repository, instance, params)
        if existing is not None:
            return {"changed": False, **existing, "log_path": ctx.log_path}
        stack.enter_context(_alone(params, repository, instance))
        repository.remove_leftovers(instance, ctx)
        work = take_stream if params["format"] == "stream" else None
        destination = _destination(repository, instance, server, params, chooser)
        return take.run(params, ctx, server, destination, timeline_of, work)


@contextlib.contextmanager
def _alone(params: Mapping[str, Any], repository: Repository, instance: str) -> Iterator[None]:
    """One backup of an instance at a time on this host: ids are given in the order of the backups."""
    with exclusive(params["state_dir"], repository.lock_key(instance), "backup"):
        yield


def _destination(
    repository: Repository,
    instance: str,
    server: ServerKnowledge | None,
    params: Mapping[str, Any],
    chooser: Chooser,
) -> Destination:
    identity = next_id(datetime.now(timezone.utc), repository.newest_id(instance), secrets.token_hex(3))
    place = repository.workplace(instance, identity, stream=params["format"] == "stream")

    def beside(manifest: Manifest) -> Mapping[str, str]:
        variables = server.variables if server else {}
        return {
            instructions.NAME: instructions.restore_text(
                manifest,
                place.unit,
                chooser.choice.chain,
                repository.place(instance) if is_remote(repository.place()) else None,
                lasting_config(params),
            ),
            # With it, a server that is lost can be built anew.
            configuration.NAME: configuration.describe(
                variables, configuration.option_files(params.get("defaults_file"))
            ),
        }

    return Destination(place, identity, instance, beside, None if chooser.type == FULL else chooser)


def _young_enough(repository: Repository, instance: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the result of the newest good backup if ``skip_if_newer_than`` lets it count."""
    if not params.get("skip_if_newer_than"):
        return None
    selection = Selection.from_params(params)
    entries = list(repository.entries(instance))
    broken = problems_of(entries)
    for entry in reversed(entries):
        if entry.head is not None and entry.head.manifest.selection == (selection.as_dict() if selection else None):
            if entry.id in broken:
                return None
            repository.fetch(entry)
            return existing_backup(entry.data, params["skip_if_newer_than"], selection)
    return None
