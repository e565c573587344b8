# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a shop is backed up, broken and restored with the playbooks that the collection ships."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo import machine
from tests.support.compare import Client, Snapshot, diff, snapshot

INVENTORY = "demo/inventory.yml"
SHOP = machine.HERE / "shop"
BACKUP = machine.PLACE / "backups" / "monday"
MIB = 1 << 20


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is done now, and then how long it took."""
    print(f"* {text} ...", end="", flush=True)
    begun = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f" {time.monotonic() - begun:.1f} s", flush=True)


def playbook(name: str, **variables: str) -> None:
    """Run a playbook of the collection the way anybody would; what it says goes to a file unless it fails."""
    argv = ["ansible-playbook", "-i", INVENTORY, f"dba.mariabackup.{name}", "-e", "mariabackup_hosts=shop"]
    for key, value in variables.items():
        argv += ["-e", f"{key}={value}"]
    with step(f"{shlex.join(argv[:6])} \\\n    {shlex.join(argv[6:])}" if argv[6:] else shlex.join(argv)):
        done = subprocess.run(
            argv, cwd=machine.HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    if done.returncode:
        raise machine.DemoError(f"{done.stdout}\n{shlex.join(argv)} failed.")


def result(operation: str) -> dict[str, Any]:
    """Return what the module's last job of this kind left in the state directory: the keys of the module's result."""
    for directory in sorted((machine.STATE / "jobs").iterdir(), reverse=True):
        if json.loads((directory / "job.json").read_text())["operation"] == operation:
            found: dict[str, Any] = json.loads((directory / "result.json").read_text())["result"]
            return found
    raise machine.DemoError(f"No job {operation} is in {machine.STATE}.")


def look(client: Client, check: bool = False) -> Snapshot:
    """Read everything that a restore has to bring back, with the checksums of all tables, and see to it that none is faulty."""
    found = snapshot(client, check)
    faults = [*found["problems"], *found["errors"].values()]
    if faults:
        raise machine.DemoError("The server has faulty tables:\n" + "\n".join(faults))
    return found


def report(backup: dict[str, Any], restored: dict[str, Any], damage: int, tables: int, differences: list[str]) -> None:
    """Print the closing table."""
    rows = [
        ("MariaDB", str(restored["server_version"])),
        (
            "backup",
            f"{backup['size_bytes'] / MIB:.0f} MiB in {backup['files']} files, {backup['duration_seconds']:.1f} s",
        ),
        (
            "restore",
            f"{restored['bytes'] / MIB:.0f} MiB, {restored['duration_seconds']:.1f} s, by {restored['method']}",
        ),
        *((f"  {phase['name']}", f"{phase['seconds']:.2f} s") for phase in restored["phases"]),
        ("downtime", f"{restored['downtime_seconds']:.2f} s"),
        ("damage", f"{damage} differences before the restore, {len(differences)} after it"),
        ("checksums equal", f"NO ({tables} tables)" if differences else f"yes ({tables} tables)"),
    ]
    print()
    for name, value in rows:
        print(f"  {name:16} {value}")
    print()


def demo() -> bool:
    """Do it all and return whether the restored data is the data that was backed up."""
    with step(f"a MariaDB server of its own in {machine.PLACE}"):
        machine.make()
    client = Client(defaults_file=str(machine.CONFIG))
    with step("the database of a shop"):
        for name in ("schema.sql", "fill.sql", "code.sql"):
            machine.load(SHOP / name)
    playbook("install")
    with step("the checksums of every table"):
        before = look(client)
    playbook("backup", mariabackup_target_dir=str(BACKUP))
    with step("a bad day: prices times ten; tables, a schema and a user dropped (demo/shop/damage.sql)"):
        machine.load(SHOP / "damage.sql")
        damage = diff(before, snapshot(client))
    playbook("restore", mariabackup_target_dir=str(BACKUP), mariabackup_existing_data="keep")
    with step("the checksums of every table, and CHECK TABLE"):
        after = look(client, check=True)
    differences = diff(before, after)
    report(result("backup"), result("restore"), len(damage), len(after["tables"]), differences)
    if not damage:
        raise machine.DemoError("The damage did no damage, so the comparison proves nothing.")
    for line in differences:
        print(f"  {line}")
    return not differences


def _stop(*_unused: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; whatever happens, nothing is left but what was asked for."""
    parser = argparse.ArgumentParser(prog="demo/run", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the restored server running")
    parser.add_argument("--clean", action="store_true", help="only remove what --keep or a killed run left")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        machine.lock()
        return run(options.keep, options.clean)
    except machine.DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def run(keep: bool, clean: bool) -> int:
    """Run the demo, from nothing to nothing, and return the program's exit code."""
    begun = time.monotonic()
    left = False
    if machine.remove():
        print("* removed what an earlier demo left")
    if clean:
        return 0
    try:
        installed = machine.packages()
        if installed:
            print(f"* installed {' '.join(installed)}")
        same = demo()
        left = keep
    finally:
        if not left:
            machine.remove()
    if left:
        print(f"Log in with: mariadb --defaults-file={machine.CONFIG} shop\nRemove it with: demo/run --clean")
    print(f"demo: {time.monotonic() - begun:.0f} s")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
