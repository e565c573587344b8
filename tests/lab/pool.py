# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An APT pool inside a base without MariaDB: hosts have no network, and roles install packages."""

from __future__ import annotations

import shutil
from pathlib import Path

from .mirror import apt_options, source_lines
from .shell import execute
from .suites import MARIADB

POOL = "srv/apt-pool"


def add_pool(suite: str, root: Path) -> None:
    """Download MariaDB's packages with all they need into the root, and make them its only APT source."""
    sources = root / "etc/apt/sources.list"
    resolver = root / "etc/resolv.conf"
    options = [word for line in apt_options() for word in ("-o", line.rstrip(";").replace(' "', "=").rstrip('"'))]
    sources.write_text("".join(f"{line}\n" for line in source_lines(suite)), encoding="utf-8")
    shutil.copyfile("/etc/resolv.conf", resolver)
    hosts = root / "etc/hosts"
    before = hosts.read_bytes() if hosts.exists() else None
    # a machine may name its mirror there
    shutil.copyfile("/etc/hosts", hosts)
    try:
        _apt(root, *options, "update")
        _apt(root, *options, "install", "--download-only", *MARIADB)
    finally:
        resolver.write_text("", encoding="utf-8")
        if before is None:
            hosts.unlink()
        else:
            hosts.write_bytes(before)
    pool = root / POOL
    pool.mkdir(parents=True)
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.rename(pool / package.name)
    index = execute(["apt-ftparchive", "packages", "."], cwd=pool).stdout
    (pool / "Packages").write_bytes(index)
    (pool / "Release").write_bytes(execute(["apt-ftparchive", "release", "."], cwd=pool).stdout)
    sources.write_text(f"deb [trusted=yes] file:/{POOL} ./\n", encoding="utf-8")
    for left in (root / "var/lib/apt/lists").glob("*_*"):
        left.unlink()
    _apt(root, "update")


def _apt(root: Path, *arguments: str) -> None:
    execute(["chroot", str(root), "apt-get", "-q", "-y", "-o", "APT::Install-Recommends=true", *arguments], timeout=900)
