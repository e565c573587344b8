# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of a host: one private directory each, which tells what runs, and keeps what came of it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import signal
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.files import (
    delete_tree,
    keep_spare,
    make_private_dirs,
    read_json,
    write_json,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.job.secrets import PASSWORDS
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import remotes

# Secrets, and what does not change what the operation does: neither belongs to a job's identity.
_NOT_IDENTITY = frozenset({*PASSWORDS, remotes.OPTION, "wait", "progress", "reconnect_timeout"})
_KEPT_JOBS = 100
# Seconds after its end in which a job's result is what the same task gets whose first run lost its connection. Long enough to start
# a playbook again; so short that no task of tomorrow takes the backup of today for its own.
_WAITS_FOR_ITS_ASKER = 900.0
#: the file that says that a job's result has reached somebody
HEARD = "heard"
_WITH_SECRETS = ("params.json", remotes.FILE)


def fingerprint(operation: str, params: Mapping[str, Any]) -> str:
    """Return what makes two tasks the same task: the operation and every option that is not a secret."""
    plain = {name: value for name, value in params.items() if name not in _NOT_IDENTITY and not name.startswith("_")}
    return hashlib.sha256(json.dumps([operation, plain], sort_keys=True).encode()).hexdigest()


def likeness(operation: str, params: Mapping[str, Any]) -> str:
    """Return what two tasks have in common that differ in the backup alone: one names it, the other wants the newest."""
    return fingerprint(operation, {**params, "backup_id": None, "before": None})


def jobs_dir(state_dir: str) -> str:
    """Return the directory that holds the jobs' directories."""
    return os.path.join(state_dir, "jobs")


def create_job(state_dir: str, operation: str, params: Mapping[str, Any]) -> str:
    """Create the directory of a new job and return it; ``params.json`` in it is 0600 and goes when the job ends."""
    job_id = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(3)
    directory = os.path.join(jobs_dir(state_dir), job_id)
    make_private_dirs(directory)
    description = {
        "id": job_id,
        "operation": operation,
        "fingerprint": fingerprint(operation, params),
        "likeness": likeness(operation, params),
        "created": time.time(),
    }
    keep_spare(directory)  # for its result
    write_json(os.path.join(directory, "params.json"), dict(params))
    write_json(os.path.join(directory, "job.json"), description)
    _forget_old_jobs(state_dir)
    return directory


def alive(directory: str) -> bool:
    """Tell whether the job's process lives: it holds a lock which only its death or its end frees."""
    try:
        fd = os.open(os.path.join(directory, "alive"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def wait_until_dead(directory: str) -> None:
    """Wait until the job's process, which lives, frees its lock; the kernel tells it at once."""
    fd = os.open(os.path.join(directory, "alive"), os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def claim(directory: str) -> int:
    """Take the job's lock for this process and return its descriptor, which has to stay open."""
    path = os.path.join(directory, "alive")
    fd = os.open(f"{path}.new", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.write(fd, str(os.getpid()).encode())
    # Under its name it is locked from the first moment on, or its process has died.
    os.rename(f"{path}.new", path)
    return fd


def claimed(directory: str) -> bool:
    """Tell whether the job's process has ever taken its lock."""
    return os.path.exists(os.path.join(directory, "alive"))


def ask_to_stop(directory: str) -> bool:
    """Send SIGTERM to the job's process, and to nothing else in its control group; return False when it lives no more.

    What its programs do then is up to the job: it ends them, or finishes with them.
    """
    try:
        with open(os.path.join(directory, "alive"), encoding="ascii") as stream:
            number = int(stream.read())
    except (FileNotFoundError, ValueError):
        return False
    # While the lock is held the number is the job's own.
    if not alive(directory):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGTERM)
        return True
    return False


def result_of(directory: str) -> dict[str, Any] | None:
    """Return what a finished job left, or None while it has none."""
    result = read_json(os.path.join(directory, "result.json"))
    return result if isinstance(result, dict) else None


def find_running(state_dir: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """Return the directory of a living job that does exactly this, newest first."""
    return _living_with(state_dir, "fingerprint", fingerprint(operation, params))


def find_alike(state_dir: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """Return the directory of a living job that does this with a backup that it was given by its id, newest first.

    Whether it is the backup that the task means is for others to say.
    """
    found = _living_with(state_dir, "likeness", likeness(operation, params))
    return found if found and params_of(found).get("backup_id") else None


def _living_with(state_dir: str, key: str, wanted: str) -> str | None:
    for directory in _all_jobs(state_dir):
        if description_of(directory).get(key) == wanted and alive(directory):
            return directory
    return None


def find_unheard(state_dir: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """Return the newest job that did exactly this, with success and a short while ago, and whose result nobody has got.

    Whoever started it has lost the connection, and now asks again.
    """
    wanted = fingerprint(operation, params)
    done = next((path for path in _all_jobs(state_dir) if description_of(path).get("fingerprint") == wanted), None)
    result = result_of(done) if done else None
    if done is None or result is None or not result["ok"] or os.path.exists(os.path.join(done, HEARD)):
        return None
    age = time.time() - os.stat(os.path.join(done, "result.json")).st_mtime
    return done if age < _WAITS_FOR_ITS_ASKER else None


def mark_heard(directory: str) -> None:
    """Note that somebody has the job's result, or never wanted it: no later task gets it in the place of work of its own."""
    with contextlib.suppress(OSError):
        os.close(os.open(os.path.join(directory, HEARD), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def description_of(directory: str) -> dict[str, Any]:
    """Return what a job is: ``id``, ``operation``, ``fingerprint``, ``created``."""
    description = read_json(os.path.join(directory, "job.json"))
    return description if isinstance(description, dict) else {}


def params_of(directory: str) -> dict[str, Any]:
    """Return the parameters of a job that runs; empty for one that has ended."""
    params = read_json(os.path.join(directory, "params.json"))
    return params if isinstance(params, dict) else {}


def find(state_dir: str, job_id: str | None) -> str | None:
    """Return the directory of a job by its id, or of the newest that has begun; None where there is none."""
    for directory in _all_jobs(state_dir):
        wanted = claimed(directory) if job_id is None else job_id == os.path.basename(directory)
        if wanted and description_of(directory):
            return directory
    return None


def living(state_dir: str) -> list[str]:
    """Return the ids of the jobs that run, newest first."""
    return [os.path.basename(directory) for directory in _all_jobs(state_dir) if alive(directory)]


def _all_jobs(state_dir: str) -> list[str]:
    top = jobs_dir(state_dir)
    try:
        return [os.path.join(top, name) for name in sorted(os.listdir(top), reverse=True)]
    except FileNotFoundError:
        return []


def _forget_old_jobs(state_dir: str) -> None:
    directories = _all_jobs(state_dir)
    for directory in directories[_KEPT_JOBS:]:
        if not alive(directory):
            delete_tree(directory, ignore_errors=True)
    for directory in directories[:_KEPT_JOBS]:
        # Only a job that was killed has left any. One that has not begun yet needs them.
        secret = [path for path in (os.path.join(directory, name) for name in _WITH_SECRETS) if os.path.exists(path)]
        if secret and claimed(directory) and not alive(directory):
            for path in secret:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
