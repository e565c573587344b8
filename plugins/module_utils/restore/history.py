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
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import backward
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import fsync_path, write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import members_of
from ansible_collections.dba.mariabackup.plugins.module_utils.server.binlog_end import (
    BinlogEnd,
    far_above,
    last_binlog,
    read_binlog_end,
    read_end,
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
        journal.write(binlog_end=_to_json(read_binlog_end(host.options)))


def _to_json(end: BinlogEnd) -> dict[str, Any]:
    return {**asdict(end), "state": [str(gtid) for gtid in end.state]}


def _from_json(value: Mapping[str, Any]) -> BinlogEnd:
    return BinlogEnd(**{**value, "state": parse_list(",".join(value["state"]))})


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
    deleted = journal.get("binlog_end")
    end = read_binlog_end(host.options) if deleted is None else _from_json(deleted)
    if params["gtid_state"] == "backup":
        _write(target, format_state(parse_list(situation["backup_gtid"] or "")), end.last_file, "", ctx)
        return
    # A run that an older version of the collection began has not told them apart: then nothing is proven.
    backups = parse_list(",".join(situation.get("backup_gtids", ())))
    backup = BinlogEnd(backups, last_file=journal["result"]["binlog_file"] or "")
    others = parse_list(",".join(situation["gtids"]))
    _write(target, *_above(host, end, backup, "the backup", ctx, others), "", ctx)


def stage_put_back(journal: Journal, host: Host, ctx: Context) -> None:
    """Let the kept set go on above every GTID that the one in service has given out, and above its binary logs.

    A replica that has taken some of these would otherwise find its position in the old history one day, and go on. The kept
    binary logs stay, without their index: the server takes a state where its index names no log, and with the old logs
    it would send a replica what follows although its position is not in them.

    The server is stopped, and starts on the other set until the sets change hands, so this may be interrupted anywhere and
    called again.

    Raises:
        MariabackupError: the files cannot be read or written.
    """
    logs = host.layout.binary_logs
    if logs is None:
        return
    reverse = [(member.live, backward(member)) for member in members_of(journal)]
    roots = {live: back.staged for live, back in reverse if back is not None}
    target, *index = (place_in(roots, path) for path in (logs.state, *logs.index_files))
    if target is None:
        return  # the logs were left in place, and so were their numbers
    # Steps that were planned before name files which are replaced here.
    journal.write(back_steps=[])
    try:
        if journal.get("kept_end") is None:
            name = last_binlog(place_in(roots, logs.index) or "", "/")
            kept = os.path.join(os.path.dirname(target), os.path.basename(name)) if name else None
            journal.write(kept_end=_to_json(read_end(target, kept)))
        text, last_file = _above(
            host, read_binlog_end(host.options), _from_json(journal["kept_end"]), "the old data", ctx
        )
        # A set that went aside entry by entry lies in a directory of ours.
        like = next((path for path in index if path and os.path.lexists(path)), os.path.dirname(logs.state))
        _write(target, text, last_file, like, ctx)
        for path in index:
            if path is not None and os.path.lexists(path):
                os.unlink(path)
                fsync_path(os.path.dirname(path))
    except OSError as error:
        raise MariabackupError(
            f"The GTID state of the old data cannot be read or written ({error.filename or target}): {error.strerror}.",
            "The present data stays in service. Mend that, then run the same task again.",
        ) from error


def _above(
    host: Host, end: BinlogEnd, earlier: BinlogEnd, whose: str, ctx: Context, others: Sequence[Gtid] = ()
) -> tuple[str, str]:
    """Return what a history above all that is known begins with: its state, and the name of the last binary log.

    Args:
        host: the server.
        end: where the history ends that was served last.
        earlier: a point that it has passed, if it tells where the numbers end.
        whose: that point is, for the operator.
        ctx: the job.
        others: GTIDs that are known besides.
    """
    known = covers([*end.state, *others], earlier.state)
    margin = 1 if known and end.complete and earlier.complete else BLIND_MARGIN
    if margin > 1:
        note = end.note or earlier.note or _unknown(earlier.state, whose)
        ctx.warn(f"{note} The new GTID history begins {margin} above the last known number.")
    state = new_history_state(
        [format_state(some) for some in (end.state, others, earlier.state)],
        int(host.options.get("server_id") or 1),
        int(host.options.get("gtid_domain_id") or 0),
        margin,
    )
    if known or host.layout.binary_logs is None:
        return state, end.last_file
    return state, far_above(os.path.basename(host.layout.binary_logs.base), end.last_file, earlier.last_file)


def _unknown(earlier: Sequence[Gtid], whose: str) -> str:
    """Say why nobody knows which numbers were given out after an earlier point."""
    if not earlier:
        return f"There is no GTID of {whose}, so it is not known which ones were given out since."
    named = ",".join(str(gtid) for gtid in earlier)
    return f"This host's GTIDs do not reach those of {whose} ({named}), so it is not known which ones were given out since."


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


def _write(target: str, text: str, last_file: str, like: str, ctx: Context) -> None:
    """Write the state and, empty, a file with the name of the last binary log of the history that ends.

    They get the owner of ``like``, or of their directory: a server that may not read its state does not start.

    The new logs are numbered above the empty file. Numbered from 1 again, they would one day have the file in which a replica
    without GTID stands, and it would go on.
    """
    directory = os.path.dirname(target)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    texts = {target: text} if text else {}
    if last_file and not os.path.lexists(os.path.join(directory, last_file)):
        texts[os.path.join(directory, last_file)] = ""
    owner = os.stat(like or directory)
    for path, content in texts.items():
        write_atomic(path, content, 0o660)
        os.chown(path, owner.st_uid, owner.st_gid)
    ctx.log(f"GTID state staged in {target}: {' '.join(text.split())}; binary logs go on after {last_file or 'none'}")
