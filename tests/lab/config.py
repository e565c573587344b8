# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab keeps its things, and what it is called."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .shell import LabError


@dataclass(frozen=True)
class Settings:
    """The names and folders of one lab. Several labs with different ids live beside each other."""

    lab_id: str
    cache: Path
    state: Path

    @classmethod
    def from_environment(cls, lab_id: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read MARIABACKUP_LAB_ID, MARIABACKUP_LAB_CACHE and MARIABACKUP_LAB_STATE; lab_id wins over the first."""
        environ = os.environ if environ is None else environ
        name = lab_id or environ.get("MARIABACKUP_LAB_ID") or "lab"
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError(f"a lab id is made of lower-case letters, digits and dashes, not {name!r}")
        cache = environ.get("MARIABACKUP_LAB_CACHE") or "/var/cache/dba-mariabackup-lab"
        state = environ.get("MARIABACKUP_LAB_STATE") or "/var/lib/dba-mariabackup-lab"
        return cls(name, Path(cache), Path(state))

    @property
    def tag(self) -> str:
        """Eight characters that tell this lab from any other on the machine: interface names are short."""
        return hashlib.sha256(f"{self.state}:{self.lab_id}".encode()).hexdigest()[:8]

    @property
    def directory(self) -> Path:
        return self.state / self.lab_id

    @property
    def hosts(self) -> Path:
        return self.directory / "hosts"

    @property
    def bridge(self) -> str:
        return f"lab-{self.tag}"

    @property
    def key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def cgroup(self) -> str:
        """Name of the lab's control group, below the root of the cgroup2 hierarchy."""
        return f"mariabackup-lab-{self.tag}"
