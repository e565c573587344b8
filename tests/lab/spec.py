# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is made of, and what is kept on the machine about it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class HostSpec:
    """What a host is made of.

    :param suite: bullseye, bookworm or trixie
    :param flavour: ``mariadb``, or ``plain``: no MariaDB, and an APT pool in the host to install it from
    :param redirect_dir: False to make renaming a directory of the base fail with EXDEV, as in many containers
    :param disk: size such as ``8G``: the host writes to an ext4 disk of its own, and a power cut then really loses
        what was not synced. Without it a host writes to a folder of the machine and loses nothing.
    """

    suite: str
    flavour: str = "mariadb"
    redirect_dir: bool = True
    disk: str | None = None


@dataclass(frozen=True)
class Disk:
    """A loop file system of a host."""

    image: str
    fstype: str
    mountpoint: str
    options: str = ""


@dataclass
class Record:
    """What is kept on the machine about a host."""

    spec: HostSpec
    address: str
    disks: list[Disk] = field(default_factory=list)

    def save(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        os.replace(new, path)

    @classmethod
    def load(cls, path: Path) -> Record:
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(HostSpec(**data["spec"]), data["address"], [Disk(**disk) for disk in data["disks"]])
