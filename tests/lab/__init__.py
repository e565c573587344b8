# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Debian hosts with systemd, sshd and MariaDB, booted with systemd-nspawn on this machine."""

from __future__ import annotations

from .config import Settings
from .host import Host
from .lab import Lab
from .shell import LabError
from .spec import Disk, HostSpec
from .suites import SUITES

__all__ = ["SUITES", "Disk", "Host", "HostSpec", "Lab", "LabError", "Settings"]
