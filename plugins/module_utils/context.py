# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation knows about the job it runs in: its directory, its log, its phases."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import foreseen

_EVERY = 1.0  # seconds between two notes of a job's progress


class Context:
    """The surroundings of one operation.

    Args:
        job_dir: a private directory (0700) of this job, for its log and short-lived files.
        state_dir: the state directory of the collection.
        check_mode: nothing may be written when true.
    """

    def __init__(self, job_dir: str, state_dir: str, check_mode: bool = False) -> None:
        self.job_dir = job_dir
        self.state_dir = state_dir
        self.check_mode = check_mode
        self.log_path = os.path.join(job_dir, "log")
        self.phases: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self._phase = ""
        # Of the bytes that a phase counts: when the last line was told, when the counting began, from what, and how far it is.
        self._told = self._began = 0.0
        self._base = self._done = 0

    def log(self, line: str) -> None:
        """Add one line with the time to the job's log; in check mode there is none.

        A full disk costs lines of the log, not the work: least of all a way back.
        """
        if self.check_mode:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError):
            fd = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(fd, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(f"{stamp} {line}\n")

    def warn(self, text: str) -> None:
        """Tell the user something that does not stop the work."""
        self.warnings.append(text)
        self.log(f"warning: {text}")

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, and name it in every error that leaves it; a phase inside of another is a part of that."""
        if self._phase:
            self.log(f"{self._phase}: {name}")
            yield
            return
        started = time.monotonic()
        self._phase = name
        self.log(f"phase {name}")
        self._began, self._base, self._done = started, 0, 0
        self._tell(started, 0, 0)
        try:
            yield
        except BaseException as raised:
            error = foreseen(raised)
            if error is not None:
                error.phase = error.phase or name
                if not self.check_mode:
                    error.log_path = error.log_path or self.log_path
            raise
        finally:
            self._phase = ""
            self._add_time(name, time.monotonic() - started)

    def _add_time(self, name: str, seconds: float) -> None:
        """Note a phase's time; a phase that is entered twice in a row is one phase."""
        if self.phases and self.phases[-1]["name"] == name:
            seconds += float(self.phases.pop()["seconds"])
        self.phases.append({"name": name, "seconds": round(seconds, 3)})

    def progress(self, done: int, total: int) -> None:
        """Tell how many of how many bytes of this phase are done, once a second at most.

        Args:
            done: bytes; far less than before means that something else has begun within the phase. A little less means
                nothing: several threads count.
            total: bytes, or 0 when nobody knows.
        """
        now = time.monotonic()
        if done < self._done // 2:
            self._began, self._base = now, done
        self._done = done
        if now - self._told < _EVERY:
            return
        self._tell(now, done, total)

    def _tell(self, now: float, done: int, total: int) -> None:
        """Write ``status.json``, which a controller polls; a full disk costs a line of progress, not the work."""
        if self.check_mode:
            return
        self._told = now
        elapsed = now - self._began
        status = {
            "phase": self._phase,
            "done": done,
            "total": total,
            "rate": int((done - self._base) / elapsed) if elapsed > 0 else 0,
        }
        temporary = os.path.join(self.job_dir, "status.json.tmp")
        with contextlib.suppress(OSError):
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump(status, stream)
            os.replace(temporary, os.path.join(self.job_dir, "status.json"))

    def point(self, name: str) -> None:
        """Stop here when somebody wants to look, or to kill the process, exactly here.

        A file ``<state_dir>/breakpoints/<name>`` stops the process with SIGSTOP; SIGCONT lets it go on. The
        directory belongs to root alone. The fault tests use it to kill and to power off at an exact step.
        """
        if not self.check_mode and os.path.exists(os.path.join(self.state_dir, "breakpoints", name)):
            self.log(f"stopped at breakpoint {name}")
            os.kill(os.getpid(), signal.SIGSTOP)
