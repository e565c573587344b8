# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs attention, and how badly (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.dba.mariabackup.plugins.plugin_utils.report import words
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report.hosts import Host, age_of

CRITICAL, WARNING, NOTE = "critical", "warning", "note"
SEVERITIES = (CRITICAL, WARNING, NOTE)

# What a finding is about, the worst first.
KINDS = {
    "no_backup": CRITICAL,
    "undecided": CRITICAL,
    "interrupted": CRITICAL,
    "too_old": CRITICAL,
    "unreadable": CRITICAL,
    "unreachable": CRITICAL,
    "broken": WARNING,
    "future": WARNING,
    "run_failed": WARNING,
    "run_hangs": WARNING,
    "rolled_back": WARNING,
    "size_drift": WARNING,
    "unverified": WARNING,
    "restores_unreadable": WARNING,
    "restore_failed": NOTE,
    "restoring": NOTE,
    "unverified_login": NOTE,
    "kept": NOTE,
}
_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}
# A run without an end still works, or was killed. After so long somebody should look.
_LONG_RUN = timedelta(hours=12)
_CLOCK_SKEW = timedelta(minutes=5)
# How a proof is called that has compared at least the sizes with a manifest.
_PROVEN = ("sizes", "sha256", "stream")


@dataclass(frozen=True)
class Finding:
    """One thing about one host.

    Attributes:
        kind: one of KINDS.
        what: a sentence.
        detail: what was found, word for word; may be empty.
        action: what to do next; may be empty.
        command: how, as it is typed; may be empty.
    """

    host: str
    kind: str
    what: str
    detail: str = ""
    action: str = ""
    command: str = ""

    @property
    def severity(self) -> str:
        """How bad it is."""
        return KINDS[self.kind]


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, the worst first; the same of several hosts by their names."""
    return sorted(findings, key=lambda finding: (_RANKS[finding.kind], finding.host, finding.what))


def findings_of(host: Host, now: datetime) -> list[Finding]:
    """Return everything about a host that somebody should know."""
    if not host.reached:
        return [
            Finding(host.name, "unreachable", "It could not be asked, so nothing is known of its backups.", host.error)
        ]
    found: list[Finding] = []
    if host.error:
        found.append(Finding(host.name, "unreadable", "Its backups could not be read.", host.error))
    else:
        found += _about_backups(host, now)
    for run in host.runs:
        found += _about_run(host.name, run, now)
    if host.restores_error:
        found.append(
            Finding(
                host.name, "restores_unreadable", "What became of its restores could not be read.", host.restores_error
            )
        )
    for restore in host.restores:
        found += _about_restore(host.name, restore)
    return found


def _about_backups(host: Host, now: datetime) -> Iterator[Finding]:
    last = host.last_good
    take = f"ansible-playbook dba.mariabackup.backup -e mariabackup_hosts={host.name}"
    if last is None:
        what = "There is no backup that can be restored." if host.backups else "There is no backup."
        detail = " ".join(host.problem_of(each) for each in host.whole[-1:]) or " ".join(host.problems)
        if not host.backups and host.instances:
            detail = f"The repository holds backups of {', '.join(host.instances[:10])}."
        yield Finding(host.name, "no_backup", what, detail, command=take)
        return
    age = age_of(last, now)
    if age is not None and age > host.limit:
        what = f"The last good backup is {words.span(age)} old; {words.span(host.limit)} are allowed."
        yield Finding(host.name, "too_old", what, command=take)
    if age is not None and age < -_CLOCK_SKEW:
        what = f"The last good backup is {words.span(abs(age))} from the future: a clock is or was wrong."
        yield Finding(host.name, "future", what)
    broken = [each for each in host.backups if host.problem_of(each)]
    if broken:
        what = f"{words.count(len(broken), 'backup')} cannot be restored; the newest of them is {broken[-1].get('id')}."
        yield Finding(host.name, "broken", what, host.problem_of(broken[-1]))
    if host.allowed_drift and host.drift is not None and abs(host.drift) > host.allowed_drift:
        what = (
            f"The size of the last full backup differs by {host.drift:+.0f} % from those before it;"
            f" {host.allowed_drift} % are allowed."
        )
        yield Finding(host.name, "size_drift", what, "", "Find out what has grown, or is missing.")
    if host.proof not in _PROVEN:
        what = "The last backup has no manifest, so it was proven by its structure alone."
        yield Finding(host.name, "unverified", what, "", "The module backup_info gives it one with adopt: true.")


def _about_run(name: str, run: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    schedule, started = run.get("schedule"), words.parse_time(run.get("started"))
    if run.get("ok") is False:
        phase = f" in its phase {run['failed_phase']}" if run.get("failed_phase") else ""
        log = f"less {run['log_path']}" if run.get("log_path") else ""
        what = f"The last run of the schedule {schedule} failed{phase}."
        yield Finding(name, "run_failed", what, str(run.get("error") or ""), command=log)
    elif run.get("ended") is None and started is not None and now - started > _LONG_RUN:
        what = f"A run of the schedule {schedule} began {words.span(now - started)} ago and has no end."
        yield Finding(name, "run_hangs", what, command=f"systemctl status mariabackup-{schedule}.service")


def _about_restore(name: str, restore: Mapping[str, Any]) -> Iterator[Finding]:
    outcome, datadir = restore.get("outcome"), restore.get("datadir")
    reason, phase = str(restore.get("reason") or ""), restore.get("failed_phase")
    if outcome == "undecided":
        what = f"A restore into {datadir} waits for a decision between the old and the new data."
        action = "The module previous_datadir decides: state accepted keeps the new data, restored puts the old back."
        yield Finding(name, "undecided", what, reason, action)
    elif outcome == "interrupted":
        what = f"A restore into {datadir} was interrupted in its phase {phase}."
        action = "Run the same restore again: it finishes, or says what to decide."
        yield Finding(name, "interrupted", what, reason, action)
    elif outcome == "rolled_back":
        what = f"The last restore into {datadir} was rolled back in its phase {phase}; the old data serves."
        yield Finding(name, "rolled_back", what, reason)
    elif outcome == "failed":
        what = f"The last restore into {datadir} failed in its phase {phase}, before the old data was touched."
        yield Finding(name, "restore_failed", what, reason)
    elif outcome == "running":
        yield Finding(name, "restoring", f"A restore into {datadir} is under way.")
    if outcome == "restored" and restore.get("health") == "unverified_login":
        yield Finding(name, "unverified_login", f"Nobody could log in to check the restore into {datadir}.")
    kept = [str(path) for path in restore.get("kept") or ()]
    if kept and outcome not in ("running", "undecided", "interrupted"):
        what = f"The restore into {datadir} has kept data aside, which takes room."
        action = "The module previous_datadir deletes it with state absent, once you are sure."
        yield Finding(name, "kept", what, " ".join(kept), action)
