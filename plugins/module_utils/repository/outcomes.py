# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of the runs of a schedule: one small file for each, for ``backup_info`` and for the metrics.

``<state_dir>/schedules/<name>.json`` holds the last run, whatever its end, and the last backup that was proven. A run that has no
end in it still runs, or was killed.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.files import make_private_dirs, read_json, write_json
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import repository_name


def now() -> str:
    """Return the time as it is written down: UTC, ISO 8601."""
    return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def path_of(state_dir: str, name: str) -> str:
    """Return the file of a schedule."""
    return os.path.join(state_dir, "schedules", f"{name}.json")


def read(state_dir: str, name: str) -> dict[str, Any]:
    """Return what is known of a schedule; empty before its first run, and when the file is damaged."""
    return _read(path_of(state_dir, name))


def write(state_dir: str, name: str, outcome: dict[str, Any]) -> None:
    """Write it down.

    Raises:
        OSError: the disk refuses.
    """
    path = path_of(state_dir, name)
    make_private_dirs(os.path.dirname(path))
    write_json(path, outcome)


def runs_of(state_dir: str, repository: str, instance: str) -> list[dict[str, Any]]:
    """Return the last run of every schedule of this host that backs up ``instance`` into ``repository``, by name."""
    top = os.path.join(state_dir, "schedules")
    try:
        names = sorted(name for name in os.listdir(top) if name.endswith(".json"))
    except OSError:
        return []
    found = []
    for name in names:
        outcome = _read(os.path.join(top, name))
        run = outcome.get("last_run")
        same = outcome.get("instance") == instance and outcome.get("repository") == repository_name(repository)
        if same and isinstance(run, dict):
            last = outcome.get("last_backup")
            found.append(
                {
                    "schedule": outcome.get("schedule"),
                    **{key: run.get(key) for key in ("started", "ended", "ok", "failed_phase", "error", "log_path")},
                    "backup_id": run.get("backup_id"),
                    "retention": outcome.get("retention"),
                    "last_backup_id": last.get("id") if isinstance(last, dict) else None,
                }
            )
    return found


def _read(path: str) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
