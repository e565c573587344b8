# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the collection as it would be published, installs it offline, and reads its documentation from there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.tools.tree import PLACE, copy_to

# The top of what is published; everything else is for working on it and stays out.
PUBLISHED = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "REUSE.toml",
    "changelogs",
    "docs",
    "examples",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}


def run(*argv: str, cwd: Path, collections: Path) -> str:
    """Run a command against the installed collection alone; raises CalledProcessError when it fails."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ANSIBLE_CONFIG")}
    env["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
    print("$", " ".join(argv), flush=True)
    return subprocess.run(argv, cwd=cwd, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Return 0 when what is published is complete, lean, and readable after an offline installation."""
    with tempfile.TemporaryDirectory(prefix="dba-mariabackup-artifact-") as scratch:
        top, installed = Path(scratch), Path(scratch, "installed")
        source = copy_to(top / "source")
        run("ansible-galaxy", "collection", "build", "--output-path", str(top), cwd=source, collections=installed)
        (archive,) = top.glob("dba-mariabackup-*.tar.gz")
        with tarfile.open(archive) as packed:
            names = {member.name.split("/")[0] for member in packed.getmembers()}
        if not names <= PUBLISHED:
            print(f"published, but should not be: {' '.join(sorted(names - PUBLISHED))}")
            return 1
        run(
            *("ansible-galaxy", "collection", "install", "--offline", "--collections-path", str(installed)),
            str(archive),
            cwd=top,
            collections=installed,
        )
        collection = installed / PLACE
        modules = sorted(path.stem for path in (collection / "plugins" / "modules").glob("*.py"))
        roles = sorted(path.name for path in (collection / "roles").glob("*"))
        playbooks = sorted(path.stem for path in (collection / "playbooks").glob("*.yml"))
        if not modules:
            print("no module is in what is published")
            return 1
        for module in modules:
            shown = run("ansible-doc", f"dba.mariabackup.{module}", cwd=top, collections=installed)
            missing = [part for part in ("EXAMPLES:", "RETURN VALUES:", "OPTIONS") if part not in shown]
            if missing:
                print(f"{module}: its documentation has no {' '.join(missing)}")
                return 1
        for role in roles:
            if role not in run("ansible-doc", "-t", "role", f"dba.mariabackup.{role}", cwd=top, collections=installed):
                print(f"{role}: no argument specification")
                return 1
        for playbook in playbooks:
            run(
                *("ansible-playbook", "-i", "localhost,", "--syntax-check", f"dba.mariabackup.{playbook}"),
                *("-e", "mariabackup_hosts=localhost"),
                cwd=top,
                collections=installed,
            )
        print(f"{archive.name}: {len(modules)} modules, {len(roles)} roles, {len(playbooks)} playbooks")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(error.stdout or "")
        sys.exit(f"failed with {error.returncode}: {' '.join(error.cmd)}")
