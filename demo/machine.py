# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the demo: its packages, its one directory, its one server, and that nothing of them is left."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.dba.mariabackup.plugins.module_utils.server.process import ProcessService

HERE = Path(__file__).resolve().parent
# One fixed place: a later run finds what a killed one left, and the path of the socket stays short.
PLACE = Path("/var/lib/mariabackup-demo")
CONFIG = PLACE / "server.cnf"
DATADIR = PLACE / "data"
STATE = PLACE / "state"
# Every process of a demo inherits it, whoever starts it; that is how a killed run's processes are known.
MARK = "MARIABACKUP_DEMO"
SERVER_USER = "nobody"
# Programs only: none of these packages starts a service.
PACKAGES = {
    "mariadbd": "mariadb-server-core",
    "mariadb": "mariadb-client-core",
    "mariadb-backup": "mariadb-backup",
}


class DemoError(Exception):
    """The demo cannot go on; the text says why, and what to do."""


def packages() -> list[str]:
    """Install the programs that are missing and return the names of their packages."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *missing]):
            try:
                done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                raise DemoError(f"There is no apt-get here. Install {', '.join(PACKAGES)} of one version.") from None
            if done.returncode:
                raise DemoError(f"apt-get {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return missing


def lock() -> int:
    """Keep other demos away until this process ends, and return the lock's descriptor."""
    if os.getuid() != 0:
        raise DemoError("The demo starts a server as another user and changes owners: run it as root.")
    # /run belongs to root alone, and is there without systemd too.
    descriptor = os.open("/run/dba-mariabackup-demo.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoError("Another demo is running on this machine. Wait until it has ended.") from None
    return descriptor


def ours() -> Iterator[int]:
    """Yield the processes of any demo but this very process.

    Under systemd a job does not inherit our mark, but is started with a file in our directory; so is the server.
    """
    mark = f"{MARK}={PLACE}".encode()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                environment = Path("/proc", name, "environ").read_bytes().split(b"\0")
                words = Path("/proc", name, "cmdline").read_text(errors="replace").split("\0")
            except OSError:
                continue  # it has ended
            program = os.path.basename(words[0])
            if mark in environment or (program.startswith(("mariadb", "python")) and f"{PLACE}/" in " ".join(words)):
                yield int(name)


def remove() -> bool:
    """End the processes of earlier demos and remove their directory. Return whether there was anything.

    The data is worth nothing, so nobody is asked twice.
    """
    found = False
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 10
        told: set[int] = set()
        while time.monotonic() < deadline:
            left = set(ours())
            if not left:
                break
            found = True
            for pid in left - told:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            told |= left
            time.sleep(0.05)
    if PLACE.exists():
        found = True
        shutil.rmtree(PLACE)
    return found


def make() -> ProcessService:
    """Make the directory with an empty server in it, start the server and return it."""
    os.environ[MARK] = str(PLACE)
    owner = pwd.getpwnam(SERVER_USER)
    PLACE.mkdir(mode=0o755)
    PLACE.chmod(0o755)  # whatever the umask says, the server's user has to get through
    for directory in (DATADIR, PLACE / "run"):
        directory.mkdir(mode=0o755)
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    (PLACE / "run").chmod(0o755)
    shutil.copy(HERE / "server.cnf", CONFIG)
    CONFIG.chmod(0o644)
    done = subprocess.run(
        [
            "mariadb-install-db",
            f"--defaults-file={CONFIG}",
            f"--user={SERVER_USER}",
            "--auth-root-authentication-method=socket",
            "--auth-root-socket-user=root",
            "--skip-test-db",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")
    # The same class starts the server in the restore, which therefore takes this server for its own.
    server = ProcessService("mariadb", state_dir=str(STATE), key="demo", config_file=str(CONFIG), user=None)
    server.launch(60)
    return server


def load(file: Path) -> None:
    """Run a file of SQL statements as root."""
    with open(file, "rb") as statements:
        done = subprocess.run(
            ["mariadb", f"--defaults-file={CONFIG}", "--default-character-set=utf8mb4"],
            stdin=statements,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise DemoError(f"{file.name} failed:\n{done.stderr}")


def size(directory: Path) -> int:
    """Return the bytes of the files below a directory."""
    return sum(
        os.lstat(os.path.join(top, name)).st_size for top, unused_names, names in os.walk(directory) for name in names
    )


if __name__ == "__main__":
    sys.exit("run demo/run")
