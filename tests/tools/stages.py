# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named commands that all run, whatever the others say, and one table of what became of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A stage that is told to stop gets this long to clean up (lab hosts, mounts) before it is ended.
GRACE_SECONDS = 60


@dataclass
class Stage:
    """One command of a run.

    Args:
        name: how it is called in the output.
        argv: the command; a missing program counts as a failure.
        cwd: where it runs.
        env: additions to the environment.
        allowance: seconds after which it is stopped and has failed.
        shown: how many of its last lines are printed when all is well.
        dropped: regular expression of lines that are never printed (of those that are not printed live).
    """

    name: str
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    allowance: int = 3600
    shown: int = 0
    dropped: str = ""
    ok: bool = False
    seconds: float = 0.0
    output: str = ""

    def run(self, *, live: bool) -> bool:
        """Run the command; its output goes straight to ours, or into ``output`` when ``live`` is false."""
        begun = time.monotonic()
        if live:
            print(f"\n=== {self.name}: {' '.join(self.argv)}", flush=True)
        try:
            self._run(live)
        except FileNotFoundError as error:
            self.output = f"not found: {error.filename}\n"
        except PermissionError as error:
            self.output = f"not executable: {error.filename}\n"
        self.seconds = time.monotonic() - begun
        if live and self.output:
            print(self.output, end="", flush=True)
        return self.ok

    def _run(self, live: bool) -> None:
        # A session of its own, so that what the command started can be stopped with it.
        with subprocess.Popen(
            list(self.argv),
            cwd=self.cwd,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=None if live else subprocess.PIPE,
            stderr=None if live else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                said, _nothing = process.communicate(timeout=self.allowance)
                self.ok = process.returncode == 0
            except subprocess.TimeoutExpired:
                said = self._stop(process) + f"\nstopped after {self.allowance} s\n"
            except BaseException:
                self._stop(process)
                raise
            self.output = said or ""

    @staticmethod
    def _stop(process: subprocess.Popen[str]) -> str:
        os.killpg(process.pid, signal.SIGINT)
        try:
            return process.communicate(timeout=GRACE_SECONDS)[0] or ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0] or ""


def run_beside(queues: Sequence[Sequence[Stage]]) -> None:
    """Run each queue in its own thread, its stages one after another; print every stage as it ends."""
    printing = threading.Lock()

    def work(queue: Sequence[Stage]) -> None:
        for stage in queue:
            stage.run(live=False)
            lines = [line for line in stage.output.splitlines() if not re.match(stage.dropped or "(?!)", line)]
            with printing:
                verdict = "ok" if stage.ok else "FAILED"
                print(f"{verdict:6} {stage.seconds:6.1f} s  {stage.name}: {' '.join(stage.argv)}", flush=True)
                for line in lines[len(lines) - min(stage.shown, len(lines)) :] if stage.ok else lines:
                    print(f"       | {line}", flush=True)

    threads = [threading.Thread(target=work, args=(queue,), daemon=True) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def report(title: str, stages: Sequence[Stage]) -> int:
    """Print the closing table; return 1 when any stage failed."""
    print(f"\n{title}")
    for stage in stages:
        print(f"  {'ok' if stage.ok else 'FAILED':6} {stage.seconds:7.1f} s  {stage.name}")
    sys.stdout.flush()
    return 0 if all(stage.ok for stage in stages) else 1
