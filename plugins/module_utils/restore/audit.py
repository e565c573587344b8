# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit record: who restored what onto what, when, and how it ended; one JSON line for each restore."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.files import make_private_dirs
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal


def record(ctx: Context, params: Mapping[str, Any], journal: Journal | None, outcome: str, reason: str) -> None:
    """Append one line to ``<state_dir>/audit.log`` and put it on the disk."""
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "who": params.get("_actor"),
        "host": os.uname().nodename,
        "operation": "restore",
        "run": journal["id"] if journal else None,
        "source": params["target_dir"],
        "backup_id": journal["source"]["backup_id"] if journal else None,
        "datadir": journal["datadir"] if journal else None,
        "outcome": outcome,
        "reason": reason,
    }
    make_private_dirs(ctx.state_dir)
    fd = os.open(os.path.join(ctx.state_dir, "audit.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, (json.dumps(line, sort_keys=True) + "\n").encode())
        os.fsync(fd)
    finally:
        os.close(fd)
