# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own APT sources: which mirrors it uses, and which suites they hold."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from .shell import LabError, execute, output
from .suites import SUITES

_APT_HELPER = "/usr/lib/apt/apt-helper"


def source_lines(suite: str) -> list[str]:
    """The sources of a suite, each found on a mirror this machine already uses.

    :raises LabError: no mirror of this machine has the suite
    """
    mirrors = _mirrors()
    wanted = [suite, f"{suite}-updates"]
    if SUITES[suite].security:
        wanted.append(f"{suite}-security")
    lines = []
    for name in wanted:
        for mirror in mirrors:
            if _holds(mirror, name):
                lines.append(f"deb {mirror} {name} main")
                break
        else:
            if name == suite:
                raise LabError(f"no APT source of this machine has {suite}; looked at {', '.join(mirrors) or 'none'}")
    return lines


def apt_options() -> list[str]:
    """The machine's own settings for reaching its mirrors (proxies, checks of dates), for another APT."""
    wanted = re.compile(r"^Acquire::(\S*Proxy\S*|Check-Valid-Until|Check-Date|Retries|https::\S+) \"[^\"]*\";$")
    return [line for line in output(["apt-config", "dump"]).splitlines() if wanted.match(line)]


def _mirrors() -> list[str]:
    text = output(["apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI) $(COMPONENT)"])
    found: list[str] = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[0] == "Packages" and fields[2] == "main":
            mirror = fields[1].rstrip("/")
            if mirror not in found:
                found.append(mirror)
    return found


def _holds(mirror: str, suite: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "InRelease"
        result = execute(
            [
                _APT_HELPER,
                "-o",
                "Acquire::Retries=0",
                "download-file",
                f"{mirror}/dists/{suite}/InRelease",
                str(target),
            ],
            check=False,
        )
        if result.returncode != 0 or not target.exists():
            return False
        head = target.read_text(encoding="utf-8", errors="replace")[:4000]
    # Other vendors' sources use Debian's suite names too.
    return "\nOrigin: Debian\n" in head and f"\nCodename: {suite}\n" in head
