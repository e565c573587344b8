# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make lint``: every static check, each by its name; all of them run, and one fault in any of them fails the whole.

python -m tests.tools.lint            all of them
python -m tests.tools.lint ruff mypy  some of them
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.tools.stages import Stage, report, run_beside
from tests.tools.tree import PLACE, ROOT, copy_to, files

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dba-mariabackup"

# The Pythons of managed hosts. ansible-test compiles the collection and imports its modules with each of them.
TARGET_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")

# ansible-test makes its own virtual environments and fetches this script to put pip into them. A machine without that
# site in reach needs none of it: the interpreter brings a pip along. The number belongs to ansible-core 2.19.
GET_PIP = Path.home() / ".ansible" / "test" / "cache" / "get_pip_24_2.py"


# What pip says while ansible-test makes its virtual environments; it would bury what the tests say.
PIP_TALK = r"WARNING: Location |Looking in |Collecting |  Downl|  +━|Processing /|Using cached |Install|Successfully "


def target_pythons() -> dict[str, Path]:
    """Find the interpreters; those behind pyenv's shims by their real place, as ansible-test clears the environment."""
    places = [Path(place) for place in os.environ["PATH"].split(os.pathsep) if Path(place).name != "shims"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = {}
    for version in TARGET_PYTHONS:
        for place in [*places, *sorted(pyenv.glob(f"{version}.*/bin"))]:
            if (place / f"python{version}").exists():
                found[version] = place
                break
    return found


def shell_scripts(tree: Path) -> list[str]:
    """Return the shell scripts, which are known by their first line: ansible-test looks at names ending in .sh only."""
    found = []
    for name in files():
        with open(tree / name, "rb") as script:
            first = script.readline(64)
        if first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh")):
            found.append(name)
    return found


def all_stages(top: Path) -> list[list[Stage]]:
    """Return the checks as two queues that run beside each other, each on a copy of its own below ``top``.

    The sanity tests leave compiled files behind, in which the other checks would look for a licence.
    """
    tree = copy_to(top / "others")
    pythons = target_pythons()
    for version in TARGET_PYTHONS:
        if version not in pythons:
            print(f"!!!!!! NOT RUN: ansible-test sanity on Python {version}: no python{version} on this machine")
    path = os.pathsep.join(
        dict.fromkeys(
            [os.environ["VIRTUAL_ENV"] + "/bin"]
            + [str(place) for place in pythons.values()]
            + [place for place in os.environ["PATH"].split(os.pathsep) if Path(place).name != "shims"]
        )
    )
    # No PYTHONPATH: ansible-test and the linters must find the copy alone.
    env = {
        "PATH": path,
        "PYTHONPATH": "",
        "ANSIBLE_COLLECTIONS_PATH": str(top / "others"),
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }

    mypy = ("mypy", "--config-file", str(tree / "pyproject.toml"), "--cache-dir", str(CACHE / "mypy"))

    def stage(name: str, *argv: str, cwd: Path = tree, dropped: str = "", **more: str) -> Stage:
        return Stage(name, argv, cwd, {**env, **more}, allowance=600, dropped=dropped)

    return [
        [
            # pslint is for PowerShell, of which there is none, and needs pwsh to say so.
            stage(
                *("sanity", "ansible-test", "sanity", "--color", "no", "--skip-test", "pslint"),
                cwd=copy_to(top / "sanity"),
                dropped=PIP_TALK,
            ),
        ],
        [
            stage(
                "ruff",
                "ruff",
                "check",
                "--quiet",
                "--output-format",
                "concise",
                "--cache-dir",
                str(CACHE / "ruff"),
                ".",
            ),
            stage(
                "format",
                "ruff",
                "format",
                "--check",
                "--output-format",
                "concise",
                "--cache-dir",
                str(CACHE / "ruff"),
                ".",
            ),
            stage("mypy", *mypy, str(PLACE / "plugins"), cwd=top / "others", MYPYPATH=str(top / "others")),
            stage("mypy-tests", *mypy, *(f"tests/{room}" for room in ("lab", "support", "tools"))),
            stage("yamllint", "yamllint", "--strict", "."),
            stage("ansible-lint", "ansible-lint", "--offline", "--profile", "production", "--strict"),
            stage(
                "docs",
                "antsibull-docs",
                "lint-collection-docs",
                "--plugin-docs",
                "--validate-collection-refs=self",
                ".",
            ),
            stage("changelog", "antsibull-changelog", "lint"),
            stage("reuse", "reuse", "lint", "--lines"),
            stage("shellcheck", "shellcheck", *shell_scripts(tree)),
        ],
    ]


def main(wanted: list[str]) -> int:
    """Run the checks that are wanted (all when none is named)."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not GET_PIP.exists():
        GET_PIP.parent.mkdir(parents=True, exist_ok=True)
        GET_PIP.write_text("import ensurepip; ensurepip.bootstrap(upgrade=True, default_pip=True)\n")
    top = Path(tempfile.mkdtemp(prefix="dba-mariabackup-lint-"))
    try:
        # Two runs at once would make the virtual environments of ansible-test at the same time.
        with open(CACHE / "lint.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            queues = [[stage for stage in queue if not wanted or stage.name in wanted] for queue in all_stages(top)]
            run_beside(queues)
    finally:
        shutil.rmtree(top)
    stages = [stage for queue in queues for stage in queue]
    if not stages:
        print(f"no such check: {' '.join(wanted)}")
        return 2
    return report(f"lint of {ROOT}", stages)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
