# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module that was run says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import Any, Union

from tests.integration.harness.launches import Launched

Result = dict[str, Any]


def read_result(out: str, err: str, name: str) -> Result:
    """Return the JSON object that a module printed; fail with all it said when there is none."""
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            result = json.loads(line)
            assert isinstance(result, dict)
            return result
    raise AssertionError(f"{name} ended without a result\n{out[-3000:]}\n{err[-3000:]}")


Started = Union[subprocess.Popen[bytes], Launched]


class Running:
    """A module that runs."""

    def __init__(self, process: Started, name: str) -> None:
        self.process = process
        self.name = name
        self._result: Result | None = None

    def done(self) -> bool:
        """Tell whether the module has ended."""
        return self.process.poll() is not None

    def result(self, timeout: float = 300) -> Result:
        """Wait for the end and return what the module said."""
        if self._result is None:
            out, err = self.process.communicate(timeout=timeout)
            self._result = read_result(out.decode(errors="replace"), err.decode(errors="replace"), self.name)
        return self._result

    def disconnect(self) -> None:
        """Kill the module alone, as a lost connection does; its job is another process."""
        end(self.process)


def end(process: Started) -> None:
    """Kill a command that was started in a host."""
    if isinstance(process, Launched):
        process.end()
        return
    # It is a child of what entered the host's namespaces.
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
