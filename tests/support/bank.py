# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write load whose result can be checked: money moves between accounts, and none may appear or vanish.

    python3 bank.py setup
    python3 bank.py start --record /root/bank.log      # in the background, until told to stop
    ... take a backup ...
    python3 bank.py stop --record /root/bank.log       # prints what was done, as JSON
    ... restore ...
    python3 bank.py check --record /root/bank.log --gtid 0-1-4711

Every transfer is one transaction: two accounts and a row in the ledger. After its commit one line with its GTID goes to
the record, a file on the host that no restore touches; each start begins a new one. A transfer whose commit got no answer
is recorded as unknown: it may be there or not.

Needs Python 3.9 and PyMySQL, and logs in as root over the socket. While the server is away it tries again ten times
a second, so that it also serves as the client that never stops knocking.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

OPENING = 1000
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")
SETUP = (
    "DROP DATABASE IF EXISTS bank",
    "CREATE DATABASE bank CHARACTER SET utf8mb4",
    "CREATE TABLE bank.accounts (id INT NOT NULL PRIMARY KEY, opening BIGINT NOT NULL, balance BIGINT NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE bank.transfers (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, run CHAR(16) CHARACTER SET ascii NOT NULL, "
    "worker INT NOT NULL, number INT NOT NULL, source INT NOT NULL, target INT NOT NULL, amount BIGINT NOT NULL, "
    "UNIQUE KEY (run, worker, number)) ENGINE=InnoDB",
)


@dataclass(frozen=True)
class Transfer:
    """One transfer, as it is in the ledger or in the record. `gtid` is empty without a binary log, and in the ledger."""

    run: str
    worker: int
    number: int
    source: int
    target: int
    amount: int
    gtid: str = ""
    known: bool = True

    @property
    def key(self) -> tuple[str, int, int]:
        return (self.run, self.worker, self.number)

    def line(self) -> bytes:
        fields = (
            "done" if self.known else "unknown",
            self.run,
            self.worker,
            self.number,
            self.source,
            self.target,
            self.amount,
            self.gtid or "-",
        )
        return (" ".join(str(field) for field in fields) + "\n").encode()


def parse_record(text: str) -> list[Transfer]:
    """The transfers of a record. A last line that a power cut has cut is left out."""
    out = []
    for line in text.split("\n")[:-1]:
        fields = line.split(" ")
        if len(fields) == 8 and fields[0] in ("done", "unknown"):
            gtid = "" if fields[7] == "-" else fields[7]
            worker, number, source, target, amount = (int(field) for field in fields[2:7])
            out.append(Transfer(fields[1], worker, number, source, target, amount, gtid, fields[0] == "done"))
    return out


def positions(gtid: str) -> dict[int, int]:
    """The sequence number of each domain in a GTID list such as `0-1-26,1-2-7`."""
    out: dict[int, int] = {}
    for item in gtid.replace("\n", "").split(","):
        if item.strip():
            domain, _server, sequence = (int(part) for part in item.strip().split("-"))
            out[domain] = max(out.get(domain, 0), sequence)
    return out


def judge(
    accounts: Mapping[int, tuple[int, int]],
    ledger: Iterable[Transfer],
    record: Iterable[Transfer],
    gtid: str | None = None,
) -> list[str]:
    """What is wrong with a bank, in words; an empty list if nothing is.

    accounts: id to (opening balance, balance). ledger: the rows of bank.transfers. record: what the load wrote down.
    gtid: the position of the backup. With it, every recorded transfer up to it has to be in the ledger and none above it.
    Without it, only the books are checked, and that the ledger holds nothing which was never recorded.
    """
    out: list[str] = []
    rows = list(ledger)
    recorded = {transfer.key: transfer for transfer in record}
    runs = {transfer.run for transfer in recorded.values()}

    opening, total = sum(a[0] for a in accounts.values()), sum(a[1] for a in accounts.values())
    if opening != total:
        out.append(f"the total is {total}, it was {opening}")
    expected = {number: pair[0] for number, pair in accounts.items()}
    for row in rows:
        for account, change in ((row.source, -row.amount), (row.target, row.amount)):
            if account in expected:
                expected[account] += change
            else:
                out.append(f"transfer {row.key} names the account {account}, which does not exist")
    out += [
        f"account {number} has {accounts[number][1]}, its ledger says {amount}"
        for number, amount in expected.items()
        if amount != accounts[number][1]
    ]

    present = {row.key: row for row in rows}
    for key, row in present.items():
        known = recorded.get(key)
        if known is None:
            if row.run in runs:
                out.append(f"transfer {key} is in the ledger and was never recorded")
        elif (known.source, known.target, known.amount) != (row.source, row.target, row.amount):
            out.append(
                f"transfer {key} is {row.source} to {row.target}: {row.amount} in the ledger, "
                f"{known.source} to {known.target}: {known.amount} in the record"
            )
    if gtid is None:
        return out

    limits = positions(gtid)
    for key, transfer in recorded.items():
        if not transfer.known:
            continue
        if not transfer.gtid:
            out.append(f"transfer {key} was recorded without a GTID: the binary log was off")
            continue
        domain, _server, sequence = (int(part) for part in transfer.gtid.split("-"))
        within = sequence <= limits.get(domain, 0)
        if within and key not in present:
            out.append(f"transfer {key}, {transfer.gtid}, is within {gtid} and is missing")
        elif not within and key in present:
            out.append(f"transfer {key}, {transfer.gtid}, is after {gtid} and is there")
    return out


# The server ------------------------------------------------------------------------------------------------------


def connect(socket: str | None = None, defaults_file: str | None = None, user: str = "root") -> Any:
    import pymysql  # only what talks to a server needs it

    options: dict[str, Any] = {
        "user": user,
        "charset": "utf8mb4",
        "connect_timeout": 5,
        "read_timeout": 30,
        "autocommit": True,
    }
    if defaults_file:
        options["read_default_file"] = defaults_file
    else:
        options["unix_socket"] = socket or next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])
    return pymysql.connect(**options)


def setup(connection: Any, accounts: int) -> None:
    with connection.cursor() as cursor:
        for statement in SETUP:
            cursor.execute(statement)
        cursor.executemany(
            "INSERT INTO bank.accounts VALUES (%s, %s, %s)",
            [(number, OPENING, OPENING) for number in range(1, accounts + 1)],
        )


def books(connection: Any) -> tuple[dict[int, tuple[int, int]], list[Transfer]]:
    """Accounts and ledger in one consistent read."""
    with connection.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT id, opening, balance FROM bank.accounts")
        accounts = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
        cursor.execute("SELECT run, worker, number, source, target, amount FROM bank.transfers")
        ledger = [Transfer(*row) for row in cursor.fetchall()]
        cursor.execute("ROLLBACK")
    return accounts, ledger


class Load:
    """The transfers of one run, from several connections."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.run = secrets.token_hex(8)
        self.stop = threading.Event()
        self.record = os.open(options.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        self.lock = threading.Lock()
        self.done = 0
        self.unknown = 0
        self.errors: dict[str, int] = {}

    def note(self, transfer: Transfer) -> None:
        os.write(self.record, transfer.line())  # one write with O_APPEND: lines of two workers never mix
        with self.lock:
            self.done += transfer.known
            self.unknown += not transfer.known

    def refused(self, error: BaseException) -> None:
        code = error.args[0] if error.args else type(error).__name__
        with self.lock:
            self.errors[str(code)] = self.errors.get(str(code), 0) + 1

    def work(self, worker: int) -> None:
        import pymysql

        chance = random.Random(f"{self.run}{worker}")
        connection, ids, number = None, [], 0
        while not self.stop.is_set():
            try:
                if connection is None:
                    connection = connect(self.options.socket, self.options.defaults_file, self.options.user)
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT id FROM bank.accounts")
                        ids = [row[0] for row in cursor.fetchall()]
                source, target = chance.sample(ids, 2)
                number += 1
                self.transfer(connection, Transfer(self.run, worker, number, source, target, chance.randint(1, 50)))
                self.stop.wait(self.options.pause)
            except (pymysql.err.Error, OSError, ValueError) as error:
                self.refused(error)
                if connection is not None:
                    connection._force_close()
                connection = None
                self.stop.wait(0.1)
        if connection is not None:
            connection.close()

    def transfer(self, connection: Any, transfer: Transfer) -> None:
        with connection.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            # Always in the order of the ids, so that no two workers wait for each other.
            for account in sorted((transfer.source, transfer.target)):
                change = transfer.amount if account == transfer.target else -transfer.amount
                cursor.execute("UPDATE bank.accounts SET balance = balance + %s WHERE id = %s", (change, account))
            cursor.execute(
                "INSERT INTO bank.transfers (run, worker, number, source, target, amount) VALUES (%s, %s, %s, %s, %s, %s)",
                (*transfer.key, transfer.source, transfer.target, transfer.amount),
            )
            try:
                cursor.execute("COMMIT")
                cursor.execute("SELECT @@last_gtid")
                gtid = cursor.fetchone()[0] or ""
            except BaseException:
                self.note(replace(transfer, known=False))
                raise
        self.note(replace(transfer, gtid=gtid))

    def go(self) -> dict[str, Any]:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self.stop.set())
        started = time.monotonic()
        threads = [threading.Thread(target=self.work, args=(worker,)) for worker in range(self.options.connections)]
        for thread in threads:
            thread.start()
        self.stop.wait(self.options.seconds or None)
        self.stop.set()
        for thread in threads:
            thread.join()
        os.fsync(self.record)
        return {
            "run": self.run,
            "transfers": self.done,
            "unknown": self.unknown,
            "errors": self.errors,
            "seconds": round(time.monotonic() - started, 1),
        }


# Commands --------------------------------------------------------------------------------------------------------


def _start(options: argparse.Namespace) -> int:
    """Run the load in a session of its own; return when its first transfer is recorded."""
    arguments = [
        sys.executable,
        os.path.abspath(__file__),
        "run",
        "--record",
        options.record,
        "--connections",
        str(options.connections),
        "--pause",
        str(options.pause),
        "--seconds",
        str(options.seconds),
        "--user",
        options.user,
    ]
    arguments += ["--socket", options.socket] if options.socket else []
    arguments += ["--defaults-file", options.defaults_file] if options.defaults_file else []
    if _alive(options.record):
        print(f"A load with the record {options.record} is running already.", file=sys.stderr)
        return 2
    _forget(options.record)
    _forget(options.record + ".result")
    with open(options.record + ".stderr", "wb") as errors:
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
    with open(options.record + ".pid", "w", encoding="ascii") as file:
        file.write(str(process.pid))
    for _attempt in range(200):
        if os.path.exists(options.record) and os.path.getsize(options.record) > 0:
            return 0
        if process.poll() is not None:
            break
        time.sleep(0.05)
    if not options.wait:
        return 0
    process.terminate()
    with open(options.record + ".stderr", encoding="utf-8", errors="replace") as file:
        print("The load made no transfer within 10 s.", file.read(), file=sys.stderr)
    return 2


def _alive(record: str) -> bool:
    try:
        with open(record + ".pid", encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.path.basename(__file__).encode() in file.read()
    except (OSError, ValueError):
        return False


def _stop(options: argparse.Namespace) -> int:
    with open(options.record + ".pid", encoding="ascii") as file:
        pid = int(file.read())
    result = options.record + ".result"
    for attempt in range(600):
        if os.path.exists(result):
            with open(result, encoding="utf-8") as file:
                print(file.read())
            return 0
        try:
            os.kill(pid, signal.SIGTERM if attempt == 0 else 0)
        except ProcessLookupError:
            if not os.path.exists(result):
                print("The load is gone and left no result.", file=sys.stderr)
                return 2
        time.sleep(0.1)
    return 2


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Move money between accounts, and check that none is lost.")
    parser.add_argument("command", choices=("setup", "start", "run", "stop", "check"))
    parser.add_argument("--record", default="/root/bank.log", help="where committed transfers are written down")
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.002, help="seconds between two transfers of a connection")
    parser.add_argument("--seconds", type=float, default=0, help="stop by itself after this time; 0: when told")
    parser.add_argument("--no-wait", dest="wait", action="store_false", help="start: do not insist on a first transfer")
    parser.add_argument(
        "--gtid", help="check: the position of the backup, such as 0-1-4711; without it only the books are checked"
    )
    parser.add_argument("--socket")
    parser.add_argument("--defaults-file")
    parser.add_argument("--user", default="root")
    options = parser.parse_args(arguments)
    if options.command == "start":
        return _start(options)
    if options.command == "stop":
        return _stop(options)
    if options.command == "run":
        result = Load(options).go()
        with open(options.record + ".result.new", "w", encoding="utf-8") as file:
            json.dump(result, file)
        os.replace(options.record + ".result.new", options.record + ".result")
        return 0
    connection = connect(options.socket, options.defaults_file, options.user)
    if options.command == "setup":
        setup(connection, options.accounts)
        return 0
    with open(options.record, encoding="ascii") as file:
        record = parse_record(file.read())
    accounts, ledger = books(connection)
    wrong = judge(accounts, ledger, record, options.gtid)
    print(
        "\n".join(wrong)
        if wrong
        else f"the books balance: {len(accounts)} accounts, {len(ledger)} transfers, {len(record)} recorded"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
