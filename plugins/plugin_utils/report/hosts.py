# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of one host, from what its modules returned (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.repository.measures import drift_of, parse_span
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report import words

_RULES = {
    "keep_last": "the last {}",
    "keep_within": "all of {}",
    "keep_daily": "{} daily",
    "keep_weekly": "{} weekly",
    "keep_monthly": "{} monthly",
    "keep_yearly": "{} yearly",
}
_PREFIX = "Task failed: "


@dataclass
class Host:
    """One host.

    Attributes:
        name: in the inventory.
        limit: how old its last good backup may be.
        reached: whether its modules ran.
        error: why its backups could not be read.
        restores_error: why its restores could not be read.
        backups: all of its repository, or the one of a directory, oldest first.
        examined: the newest one as it was found on the disk; None where only its manifest was read.
        proof: how far its proof went.
        problems: what speaks against it.
        instances: whose backups its repository holds.
        runs: the last run of each schedule.
        restores: the last one of each datadir.
        allowed_drift: by how many percent a full backup may differ from those before it; 0 for any.
    """

    name: str
    limit: timedelta
    allowed_drift: int = 0
    reached: bool = True
    error: str = ""
    restores_error: str = ""
    backups: list[Mapping[str, Any]] = field(default_factory=list)
    examined: Mapping[str, Any] | None = None
    proof: str | None = None
    problems: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    runs: list[Mapping[str, Any]] = field(default_factory=list)
    restores: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether anything is known of its backups."""
        return self.reached and not self.error

    @property
    def whole(self) -> list[Mapping[str, Any]]:
        """Its backups but for partial ones, which save no server."""
        return [each for each in self.backups if not each.get("partial")]

    @property
    def good(self) -> list[Mapping[str, Any]]:
        """Those of them that can be restored, as far as is known."""
        return [each for each in self.whole if not self.problem_of(each)]

    def problem_of(self, backup: Mapping[str, Any]) -> str:
        """Tell why a backup cannot be restored: by its manifest, or by what was found on the disk."""
        if backup.get("problem"):
            return str(backup["problem"])
        if self.examined and self.examined.get("id") == backup.get("id") and self.problems:
            return " ".join(self.problems)
        return ""

    @property
    def last_good(self) -> Mapping[str, Any] | None:
        """Its newest backup that can be restored."""
        return self.good[-1] if self.good else None

    @property
    def drift(self) -> float | None:
        """By how many percent the newest full backup differs from the usual size; None without others to compare with."""
        sizes = [
            each["size_bytes"]
            for each in self.good
            if each.get("type") == "full" and isinstance(each.get("size_bytes"), int)
        ]
        return drift_of(sizes)

    @property
    def stored_bytes(self) -> int:
        """What its backups take."""
        return sum(each["stored_bytes"] for each in self.backups if isinstance(each.get("stored_bytes"), int))


def age_of(backup: Mapping[str, Any] | None, now: datetime) -> timedelta | None:
    """Return the age of a backup; None without one, or without a time."""
    created = words.parse_time(backup.get("created")) if backup else None
    return now - created if created else None


def host_of(gathered: Mapping[str, Any]) -> Host:
    """Read what was gathered of one host.

    Args:
        gathered: ``name``, ``max_age``, ``size_drift``, and the results of the modules ``backup_info`` (``backups``) and
            ``restore_info`` (``restores``); either is empty where the module did not run.

    Raises:
        MariabackupError: its ``max_age`` is no span of time.
    """
    told, restores = gathered.get("backups") or {}, gathered.get("restores") or {}
    host = Host(
        name=str(gathered["name"]),
        limit=parse_span("mariabackup_report_max_age", str(gathered.get("max_age", "0h"))),
        allowed_drift=int(gathered.get("size_drift") or 0),
    )
    if not told or told.get("unreachable") or restores.get("unreachable"):
        host.reached = False
        host.error = _said(told if not told or told.get("unreachable") else restores)
        return host
    if "backups" not in told:
        host.error = _said(told)
    else:
        host.backups = list(told["backups"])
        host.examined = told.get("backup")
        host.proof = told.get("verified")
        host.problems = [str(each) for each in told.get("problems") or ()] if host.examined or not host.backups else []
        host.instances = [str(each) for each in told.get("instances") or ()]
        host.runs = list(told.get("scheduled_runs") or ())
        if host.examined and not host.backups:
            # Of a directory: the one backup that is in it.
            host.backups = [{**host.examined, "chain": [host.examined.get("id")]}]
    if "restores" not in restores:
        host.restores_error = _said(restores)
    else:
        host.restores = _current(restores["restores"])
        host.restores_error = " ".join(restores.get("problems") or ())
    return host


def _current(restores: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first restore of each datadir, which is the one that counts."""
    first: dict[str, Mapping[str, Any]] = {}
    for each in restores:
        first.setdefault(str(each.get("datadir")), each)
    return list(first.values())


def _said(result: Mapping[str, Any]) -> str:
    said = str(result.get("msg") or "It was not asked, because an earlier task failed on it.").strip()
    # Newer versions of Ansible say it of everything.
    return said[len(_PREFIX) :] if said.startswith(_PREFIX) else said


def rules_in_words(rules: Mapping[str, Any] | None) -> str:
    """Return the rules of retention as a reader takes them in."""
    found = [text.format(rules[name]) for name, text in _RULES.items() if rules and rules.get(name)]
    return ", ".join(found) if found else "everything"


def chain_in_words(backup: Mapping[str, Any] | None) -> str:
    """Return what a restore of a backup needs."""
    chain = (backup or {}).get("chain") or []
    if len(chain) < 2:
        return "full" if backup and backup.get("type") == "full" else "-"
    return f"full + {words.count(len(chain) - 1, 'increment')}"
