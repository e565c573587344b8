# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit record: who put which data into service where, when, and how it ended; one JSON line for each restore and decision."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import address_of
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.files import make_private_dirs
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal


def path_of(state_dir: str) -> str:
    """Return the file of the record."""
    return os.path.join(state_dir, "audit.log")


def record(
    ctx: Context,
    params: Mapping[str, Any],
    datadir: str,
    operation: str,
    journal: Journal | None,
    outcome: str,
    reason: str,
) -> None:
    """Append one line to ``<state_dir>/audit.log`` and put it on the disk; where that fails, the user is warned.

    Args:
        operation: ``restore`` or ``previous_datadir``.
        journal: the run; None when it was refused before there was one.
        outcome: ``restored``, ``accepted``, ``absent``, ``failed``.
        reason: why it failed.
    """
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "who": params.get("_actor"),
        "host": os.uname().nodename,
        "operation": operation,
        "run": journal["id"] if journal else None,
        "source": address_of(journal["source"]["path"])
        if journal
        else params.get("target_dir") or params.get("repository"),
        "backup_id": journal["source"]["backup_id"] if journal else params.get("backup_id"),
        "datadir": datadir,
        "outcome": outcome,
        "reason": reason,
    }
    path = path_of(ctx.state_dir)
    try:
        make_private_dirs(ctx.state_dir)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, (json.dumps(line, sort_keys=True) + "\n").encode())
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        # What was done stands, and what failed has a cause of its own that the user has to see.
        ctx.warn(f"{path} could not be written: {error.strerror}.")
