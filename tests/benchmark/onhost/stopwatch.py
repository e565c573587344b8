# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command on the host and prints its wall clock as JSON: python3 stopwatch.py OUTPUT COMMAND...

The clock starts before the fork and stops when the command has ended, so entering the host does not count. ``peak_kib`` is
the largest resident set of the command and of what it waited for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main(output: str, command: list[str]) -> None:
    """Run the command with both outputs in a file."""
    with open(output, "wb") as stream:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, cwd="/")
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    rc = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
    process.returncode = rc
    print(json.dumps({"seconds": seconds, "rc": rc, "peak_kib": usage.ru_maxrss}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
