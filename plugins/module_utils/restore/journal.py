# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of one restore: what it was about to do, synced before it does it."""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.apply import COPY_SUFFIX
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.sets import DYING_SUFFIX
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import (
    delete_tree,
    fsync_path,
    give_up_spare,
    keep_spare,
    make_private_dirs,
    path_key,
    read_json,
    write_json_for_sure,
)

VERSION = 1
KEPT_RUNS = 50  # records of finished runs on one datadir that are kept whatever they say

# States of a run. Only RUNNING and UNDECIDED are unfinished.
RUNNING = "running"  # in the phase that the journal names, towards the new set or back to the old one
UNDECIDED = "undecided"  # the server was opened on the new set before the commit: a person decides
COMMITTED = "committed"  # the new set serves
RETURNED = "returned"  # the old set serves again, or nothing was changed
ACCEPTED = "accepted"  # a person kept the new set of an undecided run

FORWARD = "forward"
BACK = "back"


def boot_id() -> str:
    """Return the kernel's name for this boot; another value later means that the machine went down in between."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip()


def new_run_id() -> str:
    """Return an id that sorts by time and that no other run has."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(3)


class Journal:
    """One run's record, a dictionary that is on the disk before ``write`` returns.

    Keys: ``version``, ``id``, ``run_id`` (the caller's name for the run, or None), ``state``, ``phase``,
    ``direction``, ``boot_id``, ``datadir``, ``options`` (of the service, for later runs and the repair), ``source``,
    ``situation`` (what later phases need of the plan), ``members``, ``steps``, ``back_steps``, ``lock_files``, ``survey``
    (how the service was found), ``had_data``, ``deleted`` (first), ``binlog_end`` (of the deleted
    history), ``stopped_at``, ``result``, ``timeline`` (of the new set, since the commit), ``timing`` (of the job that ended it). Of a
    run that a person puts back: ``put_back``, ``opened`` (the new set was open for writing), ``new_history`` (so the old one goes on
    above its GTIDs), ``kept_end`` (where the old one ended).
    """

    def __init__(self, path: str, data: dict[str, Any]) -> None:
        self.path = path
        self.data = data

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a key's value, or ``default``."""
        return self.data.get(key, default)

    @property
    def directory(self) -> str:
        """The run's own directory."""
        return os.path.dirname(self.path)

    @property
    def unfinished(self) -> bool:
        """Whether the run still has to be continued, undone or decided."""
        return self.data["state"] in (RUNNING, UNDECIDED)

    @property
    def rebooted(self) -> bool:
        """Whether the machine went down since the journal was last written."""
        return bool(self.data["boot_id"] != boot_id())

    def write(self, **changes: Any) -> None:
        """Change keys and put the whole record on the disk; it is there when this returns."""
        self.data.update(changes, boot_id=boot_id())
        write_json_for_sure(self.path, self.data)
        if not self.unfinished:
            give_up_spare(self.directory)


def runs_directory(state_dir: str, datadir: str) -> str:
    """Return where the runs on one datadir (its real path) are kept."""
    return os.path.join(state_dir, "restores", path_key(datadir))


def create(state_dir: str, datadir: str, identity: str, **data: Any) -> Journal:
    """Begin the run ``identity`` on ``datadir`` and make it the current one."""
    _forget_old(state_dir, datadir)
    _end_abandoned(state_dir, datadir)
    directory = os.path.join(runs_directory(state_dir, datadir), identity)
    make_private_dirs(directory)
    keep_spare(directory)
    journal = Journal(os.path.join(directory, "journal.json"), {"version": VERSION, "id": identity})
    journal.write(state=RUNNING, direction=FORWARD, datadir=datadir, **data)
    make_current(journal)
    return journal


def make_current(journal: Journal) -> None:
    """Make a run the one that a later task goes on with."""
    top, identity = os.path.split(journal.directory)
    link = os.path.join(top, "current")
    temporary = f"{link}.{identity}"
    os.symlink(identity, temporary)
    os.rename(temporary, link)
    fsync_path(top)


def failed_path(staged: str) -> str:
    """Return where a new set is kept that did not come up."""
    directory, name = os.path.split(staged)
    head, _separator, run = name.rpartition("restore-")
    return os.path.join(directory, f"{head}failed-{run}")


def kept_paths(run: Journal) -> list[str]:
    """Return the directories outside of service that a run left: staged, previous and failed sets."""
    paths: list[str] = []
    for member in run["members"]:
        paths += [member["staged"], member["previous"], failed_path(member["staged"])]
        paths.append(member["staged"] + COPY_SUFFIX)
    # A removal that was interrupted has left the set under another name.
    return [found for path in paths for found in (path, path + DYING_SUFFIX) if os.path.lexists(found)]


def _forget_old(state_dir: str, datadir: str) -> None:
    """Remove the records of old runs that are finished and keep nothing aside; the audit log has their outcome."""
    for run in all_runs(state_dir, datadir)[:-KEPT_RUNS]:
        if not run.unfinished and not kept_paths(run):
            delete_tree(run.directory)


def _end_abandoned(state_dir: str, datadir: str) -> None:
    """End the runs that were killed before they became the current one, which have changed nothing, or after their heir had.

    An heir has all that a run which deleted the old data first leaves to it. Any other unfinished run has changed something.
    """
    now = current(state_dir, datadir)
    for run in all_runs(state_dir, datadir):
        if (
            run.unfinished
            and (now is None or run["id"] != now["id"])
            and (run["phase"] == "plan" or run.get("deleted"))
        ):
            run.write(state=RETURNED)


def load(path: str) -> Journal:
    """Read a journal.

    Raises:
        MariabackupError: it is damaged or of another version; nothing may be guessed then.
    """
    try:
        data = read_json(path)
    except ValueError as error:
        raise MariabackupError(
            f"The journal {path} cannot be read ({error}).",
            "Look at the directories it should name (<datadir>.restore-*, <datadir>.previous-*), then move it away.",
        ) from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise MariabackupError(
            f"The journal {path} is missing or of another version of the collection.",
            "Finish this run with the version of the collection that began it.",
        )
    return Journal(path, data)


def current(state_dir: str, datadir: str) -> Journal | None:
    """Return the run on ``datadir`` that a task goes on with, or went on with last; finished or not."""
    path = os.path.join(runs_directory(state_dir, datadir), "current", "journal.json")
    return load(path) if os.path.exists(path) else None


def all_runs(state_dir: str, datadir: str) -> list[Journal]:
    """Return every run on ``datadir``, oldest first."""
    top = runs_directory(state_dir, datadir)
    try:
        names = sorted(name for name in os.listdir(top) if os.path.isdir(os.path.join(top, name)) and name != "current")
    except FileNotFoundError:
        return []
    paths = [os.path.join(top, name, "journal.json") for name in names]
    return [load(path) for path in paths if os.path.exists(path)]
