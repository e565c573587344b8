# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An S3 server for a lab host of bookworm: moto, from PyPI. Debian's rclone is built without ``serve s3``, sid's too."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from pathlib import Path

from .config import Settings
from .shell import execute, locked

VERSION = "5.2.5"
# The interpreter of bookworm, on which it runs; the one that installs it may be another.
_PYTHON = "3.11"


def s3_server(settings: Settings) -> Path:
    """Return the folder with moto and all that it needs, for ``PYTHONPATH``; it is kept in the cache.

    :raises LabError: it cannot be had from PyPI
    """
    target = settings.cache / f"moto-{VERSION}-{_PYTHON}"
    with locked(settings.cache / f"{target.name}.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=settings.cache) as name:
                work = Path(name) / "site"
                execute(
                    [
                        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:"),
                        *("--python-version", _PYTHON, "--platform", f"manylinux2014_{platform.machine()}"),
                        *("--target", str(work), f"moto[server]=={VERSION}"),
                    ],
                    timeout=600,
                )
                # The descriptions of every other service of the cloud are nine tenths of it.
                for folder in (work / "botocore" / "data").iterdir():
                    if folder.is_dir() and folder.name not in ("s3", "sts", "iam"):
                        shutil.rmtree(folder)
                work.rename(target)
    return target
