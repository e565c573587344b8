# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: the collection's code as one file on the host, for transient units and for the repair at boot.

A module runs from a zip that Ansible deletes when it ends. The same files, written once under the state directory, run
without a controller. The name is the hash of the code, so one version is one file, and a unit written last year
still starts the code it was written for.

Compiling the code takes two thirds of the runner's start, so the file holds it compiled as well. An interpreter of another
version passes that over and takes the source (zipimport looks at the magic number).
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import sys
import zipfile

from ansible_collections.dba.mariabackup.plugins.module_utils.files import fsync_path, make_private_dirs

# The runner's commands.
JOB = "job"
REPAIR = "repair"
SCHEDULED = "scheduled"

# PEP 552: the code's hash is in the file, and nobody has to compare it, because the two lie in one archive.
_UNCHECKED_HASH = (1).to_bytes(4, "little")
_PACKAGE = "ansible_collections/dba/mariabackup/plugins/module_utils"
_MAIN = "import sys\nfrom {package}.job.entry import main\nsys.exit(main(sys.argv[1:]))\n"


def _from_zip(archive: str) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as payload:
        return {
            name: payload.read(name)
            for name in payload.namelist()
            if name.startswith(_PACKAGE + "/") and name.endswith(".py")
        }


def _from_directory(top: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for directory, subdirectories, names in os.walk(top):
        subdirectories[:] = [name for name in subdirectories if name != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(directory, name)
                with open(path, "rb") as stream:
                    files[f"{_PACKAGE}/{os.path.relpath(path, top)}"] = stream.read()
    return files


def _source_files() -> dict[str, bytes]:
    """Return the code of the rooms by name in the archive, from wherever this file was imported."""
    archive = getattr(globals().get("__loader__"), "archive", None)
    if isinstance(archive, str):
        return _from_zip(archive)
    return _from_directory(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _with_packages(files: dict[str, bytes]) -> dict[str, bytes]:
    """Add the ``__init__.py`` of every package: zipimport wants them, collections may leave them out."""
    complete = dict(files)
    for name in files:
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            complete.setdefault("/".join(parts[:depth]) + "/__init__.py", b"")
    complete["__main__.py"] = _MAIN.format(package=_PACKAGE.replace("/", ".")).encode()
    return complete


def _compiled(name: str, source: bytes) -> bytes:
    """Return what the interpreter would keep of a source file in ``__pycache__``."""
    code = compile(source, name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code)


def _runner_path(state_dir: str, files: dict[str, bytes]) -> str:
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER)
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name] + b"\0")
    return os.path.join(state_dir, "runner", digest.hexdigest()[:16] + ".pyz")


def install_runner(state_dir: str) -> str:
    """Write the runner of this version under ``state_dir`` when it is not there yet, and return its path."""
    files = _with_packages(_source_files())
    path = _runner_path(state_dir, files)
    directory = os.path.dirname(path)
    if os.path.exists(path):
        return path
    make_private_dirs(directory)
    temporary = f"{path}.{os.getpid()}"
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name])
            archive.writestr(zipfile.ZipInfo(f"{name}c"), _compiled(name, files[name]))
    os.chmod(temporary, 0o600)
    fsync_path(temporary)
    os.rename(temporary, path)
    fsync_path(directory)
    return path


def runner_command(state_dir: str) -> list[str]:
    """Return the start of a command line that runs this version of the code."""
    return _command(install_runner(state_dir))


def planned_command(state_dir: str) -> list[str]:
    """Return what ``runner_command`` would return, and write nothing (check mode)."""
    return _command(_runner_path(state_dir, _with_packages(_source_files())))


def _command(path: str) -> list[str]:
    return [sys.executable or "/usr/bin/python3", "-I", path]
