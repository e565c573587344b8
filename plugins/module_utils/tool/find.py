# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the programs of the backup tool and of the server, and asks them for their version."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import ServerVersion, parse_version

# The name without the dash is the older one; some packages of 10.x have it alone.
TOOL_NAMES = ("mariadb-backup", "mariabackup")
SERVER_NAMES = ("mariadbd", "mysqld")
_EXTRA_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/libexec")
_VERSION_SECONDS = 20


@dataclass(frozen=True)
class Tool:
    """An executable that was found and asked: its absolute path and its version."""

    path: str
    version: ServerVersion


def which(names: Sequence[str]) -> str | None:
    """Return the first of the programs that exists, also outside of a reduced ``PATH`` such as a service's or sudo's."""
    search = os.pathsep.join([os.environ.get("PATH", ""), *_EXTRA_PATH])
    for name in names:
        found = shutil.which(name, path=search)
        if found:
            return os.path.abspath(found)
    return None


def find_tool(explicit: str | None = None) -> Tool:
    """Find mariadb-backup, new name first, and read its version.

    Args:
        explicit: a path or a name that the user gave; it wins, and nothing else is tried.

    Raises:
        MariabackupError: it is missing, cannot be run, or is another program.
    """
    if explicit:
        path = shutil.which(explicit) or (which([explicit]) if os.sep not in explicit else None)
        if path is None:
            raise MariabackupError(
                f"The executable {explicit} does not exist or cannot be run.",
                "Correct mariadb_backup, or leave it out to search the path for mariadb-backup.",
            )
        path = os.path.abspath(path)
    else:
        found = which(TOOL_NAMES)
        if found is None:
            raise MariabackupError(
                "mariadb-backup is not installed: neither mariadb-backup nor mariabackup is on the path.",
                "Install the package mariadb-backup (Debian, Ubuntu) or MariaDB-backup (rpm packages of MariaDB; "
                "mariadb-backup on RHEL) in the version of the server.",
            )
        path = found
    return Tool(path, _version_of(path))


def find_server_program(explicit: str | None = None) -> Tool | None:
    """Find the server's executable on this machine and its version; None when there is none."""
    path = which([explicit] if explicit else SERVER_NAMES)
    return Tool(path, _version_of(path)) if path else None


def _version_of(path: str) -> ServerVersion:
    """Run ``path --version``: the tool answers on stderr, the server on stdout."""
    try:
        answer = subprocess.run(
            # --no-defaults: a broken option file must not look like a broken program.
            [path, "--no-defaults", "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MariabackupError(
            f"{path} --version could not be run: {error}.", "Check the installation of the program."
        ) from error
    text = answer.stdout.decode("utf-8", "replace").strip()
    lines = [line for line in text.splitlines() if "based on" in line or " Ver " in line] or text.splitlines()
    try:
        version = parse_version(lines[-1] if lines else "")
    except ValueError:
        version = None
    if answer.returncode != 0 or version is None:
        raise MariabackupError(
            f"{path} --version does not tell a version (return code {answer.returncode}).",
            "Check that it is MariaDB's program and that it can be run.",
            cmd=[path, "--no-defaults", "--version"],
            rc=answer.returncode,
            log_tail=text.splitlines()[-5:],
        )
    if not version.is_mariadb:
        raise MariabackupError(
            f"{path} is not MariaDB's: {version.text}.",
            "Install mariadb-backup; Percona XtraBackup and MySQL's tools cannot read MariaDB's files.",
        )
    return version
