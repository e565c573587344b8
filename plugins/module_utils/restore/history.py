# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the GTIDs of a set go on that is about to be served: staged in its files, while the server is stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.files import write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import members_of
from ansible_collections.dba.mariabackup.plugins.module_utils.server.binlog_end import (
    BinlogEnd,
    far_above,
    read_binlog_end,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.gtid import (
    BLIND_MARGIN,
    Gtid,
    covers,
    format_state,
    new_history_state,
    parse_list,
)


def remember_binlog_end(journal: Journal, host: Host) -> None:
    """Journal where the old history ends, before its binary logs are deleted; the server is stopped."""
    if journal.get("binlog_end") is None:
        end = read_binlog_end(host.options)
        journal.write(binlog_end={**asdict(end), "state": [str(gtid) for gtid in end.state]})


def _binlog_end(journal: Journal, host: Host) -> BinlogEnd:
    """Return where the old history ends: from the files, or from the journal where they were deleted first."""
    remembered = journal.get("binlog_end")
    if remembered is None:
        return read_binlog_end(host.options)
    return BinlogEnd(**{**remembered, "state": parse_list(",".join(remembered["state"]))})


def stage_gtid_state(journal: Journal, host: Host, params: Mapping[str, Any], ctx: Context) -> None:
    """Put the GTID state into the staged set, as the file from which the server reads it at its first start.

    The old server is stopped, so its last number is known. Where its binary logs end in a way that does not tell, or do not
    go on from the backup, the new history begins far above everything that is known.
    """
    logs = host.layout.binary_logs
    if logs is None or params["gtid_state"] == "leave" or params["binary_logs"] == "leave":
        return
    target = place_in({member.live: member.staged for member in members_of(journal)}, logs.state)
    if target is None:
        return
    situation = journal["situation"]
    end = _binlog_end(journal, host)
    if params["gtid_state"] == "backup":
        text, last_file = format_state(parse_list(situation["backup_gtid"] or "")), end.last_file
    else:
        # A run that an older version of the collection began has not told them apart: then nothing is proven.
        backups = parse_list(",".join(situation.get("backup_gtids", ())))
        others = parse_list(",".join(situation["gtids"]))
        known = covers([*end.state, *others], backups)
        text = _above(host, [end.state, others, backups], 1 if known and end.complete else BLIND_MARGIN)
        last_file = end.last_file
        if not known:
            last_file = far_above(os.path.basename(logs.base), end.last_file, journal["result"]["binlog_file"])
            end.note = end.note or _unknown(backups)
        if not end.complete or not known:
            ctx.warn(f"{end.note} The new GTID history begins {BLIND_MARGIN} above the last known number.")
    _write(target, text, last_file, ctx)


def place_in(roots: Mapping[str, str], path: str) -> str | None:
    """Return where a file of the live set lies in a set that is not in service (pure).

    Args:
        roots: where each live directory's counterpart is.
        path: the file's path while its set serves.

    Returns:
        None when the file lies in no directory of the set.
    """
    for live in sorted(roots, key=len, reverse=True):
        if path.startswith(live + "/"):
            return os.path.join(roots[live], os.path.relpath(path, live))
    return None


def _unknown(backups: Sequence[Gtid]) -> str:
    """Say why nobody knows which numbers were given out after the backup."""
    if not backups:
        return "The backup names no GTID, so it is not known which ones were given out since."
    named = ",".join(str(gtid) for gtid in backups)
    return f"This host's GTIDs do not reach the backup's ({named}), so it is not known which ones were given out since."


def _above(host: Host, states: Sequence[Sequence[Gtid]], margin: int) -> str:
    """Return the text of the state above ``states`` for this server."""
    return new_history_state(
        [format_state(state) for state in states],
        int(host.options.get("server_id") or 1),
        int(host.options.get("gtid_domain_id") or 0),
        margin,
    )


def _write(target: str, text: str, last_file: str, ctx: Context) -> None:
    """Write the state and, empty, a file with the name of the last binary log of the history that ends.

    The new logs are numbered above it. Numbered from 1 again, they would one day have the file in which a replica without
    GTID stands, and it would go on.
    """
    directory = os.path.dirname(target)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    texts = {target: text} if text else {}
    if last_file:
        texts[os.path.join(directory, last_file)] = ""
    owner = os.stat(directory)
    for path, content in texts.items():
        write_atomic(path, content, 0o660)
        os.chown(path, owner.st_uid, owner.st_gid)
    ctx.log(f"GTID state staged in {target}: {' '.join(text.split())}; binary logs go on after {last_file or 'none'}")
