# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts would have said, for the tests of the report."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=timezone.utc)


def iso(hours_ago: float) -> str:
    return f"{NOW - timedelta(hours=hours_ago):%Y-%m-%dT%H:%M:%SZ}"


class Said:
    """Builds what was gathered of one host."""

    def backup(self, hours_ago: float, size: int = 1000, **changes: Any) -> dict[str, Any]:
        identity = f"{NOW - timedelta(hours=hours_ago):%Y%m%dT%H%M%SZ}-00aa00"
        backup = {"id": identity, "type": "full", "problem": None, "partial": False, "label": None, "encrypted": False}
        return {
            **backup,
            "chain": [identity],
            "created": iso(hours_ago),
            "size_bytes": size,
            "stored_bytes": size // 2,
            **changes,
        }

    def backups(self, *backups: dict[str, Any], **changes: Any) -> dict[str, Any]:
        examined = {name: value for name, value in backups[-1].items() if name != "chain"} if backups else None
        told = {"backups": list(backups), "backup": examined, "verified": "sizes" if backups else None, "problems": []}
        return {**told, "instances": [], "scheduled_runs": [], **changes}

    def run(self, **changes: Any) -> dict[str, Any]:
        run = {
            "schedule": "nightly",
            "started": iso(5),
            "ended": iso(4.9),
            "ok": True,
            "failed_phase": None,
            "error": None,
        }
        return {**run, "log_path": "/jobs/x/log", "retention": {"keep_daily": 7}, **changes}

    def restore(self, outcome: str = "restored", **changes: Any) -> dict[str, Any]:
        phases = [{"name": "stage", "seconds": 6.0}, {"name": "stop", "seconds": 1.0}, {"name": "back", "seconds": 1.0}]
        restore = {"datadir": "/var/lib/mysql", "outcome": outcome, "failed_phase": None, "reason": None, "kept": []}
        return {**restore, "started": iso(30), "source": "/srv/b", "downtime_seconds": 0.5, "phases": phases, **changes}

    def host(self, name: str = "db1", *restores: dict[str, Any], **changes: Any) -> dict[str, Any]:
        host = {"name": name, "max_age": "26h", "size_drift": 50, "backups": self.backups(self.backup(4))}
        return {**host, "restores": {"restores": list(restores)}, **changes}


@pytest.fixture
def said() -> Said:
    return Said()
