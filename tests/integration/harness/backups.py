# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of backups share: the contract's names, accounts, and a watch over the process list."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator

from tests.integration.harness.server import Server, wait_for

SECRET = "s3cret 'quoted\" \\ # ü"
_ESCAPED = SECRET.replace("\\", "\\\\").replace('"', '\\"')
#: an option file for the account of ``backup_account``
CREDENTIALS = f'[client]\nuser = backup\npassword = "{_ESCAPED}"\n'

# "files written": both generations of names.
METADATA = {
    "bullseye": ("xtrabackup_checkpoints", "xtrabackup_info", "backup-my.cnf"),
    "bookworm": ("xtrabackup_checkpoints", "xtrabackup_info", "backup-my.cnf"),
    "trixie": ("mariadb_backup_checkpoints", "mariadb_backup_info", "backup-my.cnf"),
}

BACKUP_KEYS = {
    "id",
    "path",
    "type",
    "base_id",
    "from_lsn",
    "to_lsn",
    "last_lsn",
    "gtid",
    "binlog_file",
    "binlog_position",
    "server_version",
    "tool_version",
    "size_bytes",
    "stored_bytes",
    "files",
    "duration_seconds",
    "compression",
    "encrypted",
    "prepared",
    "log_path",
    "changed",
}

PRIVILEGES = {
    "bullseye": "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR",
    "bookworm": "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR",
    "trixie": "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR",
}


def backup_account(server: Server, privileges: str = "") -> None:
    """Create the account ``backup`` with a password; by default with what a backup needs."""
    password = SECRET.replace("\\", "\\\\").replace("'", "''")
    server.sql(
        f"CREATE USER backup@localhost IDENTIFIED BY '{password}';"
        f"GRANT {privileges or PRIVILEGES[server.suite]} ON *.* TO backup@localhost"
    )


def raw_backup(server: Server, target_dir: str) -> None:
    """Take a backup with the plain tool, as people do by hand."""
    server.run(f"mkdir -p $(dirname {target_dir})")
    server.run(["mariadb-backup", "--user=root", "--backup", f"--target-dir={target_dir}"])


_WATCH = """
import glob, json, signal, sys, time
secret = sys.argv[1].encode()
found, running = set(), True
def stop(number, frame):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
print("watching", flush=True)
rounds = 0
while running:
    rounds += 1
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as stream:
                text = stream.read()
        except OSError:
            continue
        if secret in text and b"watching" not in text:
            found.add(path.rsplit("/", 1)[1] + ": " + text.replace(b"\\0", b" ").decode(errors="replace")[:300])
    time.sleep(0.002)
print(json.dumps([rounds, sorted(found)]))
"""


@contextlib.contextmanager
def watch_for_secret(server: Server, secret: str = SECRET) -> Iterator[list[str]]:
    """Look for ``secret`` in every argument list and environment of the host, all the time; the list is filled at the end."""
    process = server.start(["python3", "-c", _WATCH, secret])
    assert process.stdout is not None
    assert process.stdout.readline() == b"watching\n"
    seen: list[str] = []
    yield seen
    inside = server.out(["pgrep", "-f", "import glob, json, signal"]).split()
    server.run(["kill", f"-{signal.SIGTERM.value}", *inside], check=False)
    rounds, found = json.loads(process.communicate(timeout=30)[0])
    assert rounds > 10
    seen += found


def server_goes_on(server: Server) -> None:
    """Assert that the server takes writes at once: no lock of a backup is left on it."""
    started = time.monotonic()
    server.sql("CREATE TABLE IF NOT EXISTS dba_empty.probe (id INT) ENGINE=Aria; INSERT INTO dba_empty.probe VALUES (1);"
               "DROP TABLE dba_empty.probe")  # fmt: skip
    assert time.monotonic() - started < 5
    wait_for(server.server_runs, f"{server.name}: the server runs")
