# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schedule tells Prometheus, as a text for the textfile collector of the node exporter (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

PREFIX = "mariabackup_"
_LONGEST = 200

_HELP = {
    "last_success_timestamp_seconds": "When the last backup of this schedule was proven.",
    "last_run_timestamp_seconds": "When the last run of this schedule ended.",
    "last_run_success": "Whether all steps of the last run ended well.",
    "last_backup_size_bytes": "The sum of the sizes of the last backup's files.",
    "last_backup_stored_bytes": "What the last backup takes on the disk.",
    "last_backup_duration_seconds": "How long taking the last backup took.",
    "last_backup_chain_length": "How many backups a restore of the last one needs, itself included.",
    "last_error_info": "Why the last run failed; absent when it did not.",
}


def file_name(name: str) -> str:
    """Return the file's name for a schedule; the collector reads what ends in ``.prom``."""
    return f"mariabackup-{name}.prom"


def escape(text: str) -> str:
    """Return a label's value as it stands between the quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def metrics_text(outcome: Mapping[str, Any]) -> str:
    """Return the text for what ``repository.outcomes`` holds of a schedule. What is not known has no line."""
    run, backup = outcome.get("last_run") or {}, outcome.get("last_backup") or {}
    labels = {"instance": str(outcome.get("instance", "")), "schedule": str(outcome.get("schedule", ""))}
    failed = run.get("ok") is False
    values: dict[str, int | float | None] = {
        "last_success_timestamp_seconds": _seconds(backup.get("finished")),
        "last_run_timestamp_seconds": _seconds(run.get("ended")),
        "last_run_success": None if run.get("ok") is None else int(run["ok"]),
        "last_backup_size_bytes": backup.get("size_bytes"),
        "last_backup_stored_bytes": backup.get("stored_bytes"),
        "last_backup_duration_seconds": backup.get("duration_seconds"),
        "last_backup_chain_length": backup.get("chain_length"),
        "last_error_info": 1 if failed else None,
    }
    why = {"phase": str(run.get("failed_phase") or ""), "error": _short(str(run.get("error") or ""))}
    lines: list[str] = []
    for name, value in values.items():
        if value is None:
            continue
        shown = {**labels, **why} if name == "last_error_info" else labels
        pairs = ",".join(f'{label}="{escape(text)}"' for label, text in shown.items())
        lines += [
            f"# HELP {PREFIX}{name} {_HELP[name]}",
            f"# TYPE {PREFIX}{name} gauge",
            f"{PREFIX}{name}{{{pairs}}} {value!r}",
        ]
    return "".join(f"{line}\n" for line in lines)


def _seconds(time: object) -> int | None:
    """Return the seconds since 1970 of a time in ISO 8601, UTC."""
    if not isinstance(time, str):
        return None
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp())


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _LONGEST else f"{one_line[: _LONGEST - 3]}..."
