# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server holds, as JSON, and the differences between two such snapshots in words.

Needs only Python 3.9 and the `mariadb` client, so that the file can be copied to any host and run there as root:

    python3 compare.py snapshot [--defaults-file FILE] [--socket PATH] [--check] > before.json
    python3 compare.py diff before.json after.json      # exit status 1 and one line per difference

It reads and never writes, so it works on a read-only server too.

How each kind of table gets a fingerprint of its data:

* every base table: CHECKSUM TABLE ... EXTENDED and COUNT(*). The checksum reads the stored columns of all rows, also the
  history rows of system-versioned tables;
* tables with virtual columns (also the hidden ones of a long UNIQUE key): instead, a hash over all columns of all rows.
  CHECKSUM TABLE must not be used for them: it adds whatever an earlier statement left in the record buffer for the virtual
  columns, so that FLUSH TABLES alone changes the number (seen on 10.11.19 with a virtual VARCHAR and a virtual DECIMAL);
* tables with system versioning: also that hash, FOR SYSTEM_TIME ALL, with ROW_START and ROW_END;
* sequences: their row, which holds the next number that is not cached;
* MEMORY tables: nothing, because their rows end with the server process. Their definition is compared;
* views: nothing of their own; their definition is compared.

AUTO_INCREMENT is taken out of SHOW CREATE TABLE and compared apart. InnoDB reserves numbers in memory and persists only
the last used one, so that after any start the counter may be lower than before without any loss. What must hold
is that the counter is above the highest number in the table; other engines keep it in a file header, where it
must be equal.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

Row = list[str]
Snapshot = dict[str, Any]

SYSTEM_SCHEMAS = ("information_schema", "performance_schema", "mysql", "sys")
_SYSTEM = ", ".join(f"'{name}'" for name in SYSTEM_SCHEMAS)
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_COUNTER = re.compile(r"^(\) ENGINE=\w+) AUTO_INCREMENT=(\d+)", re.MULTILINE)
_ERROR = re.compile(r"^ERROR \d+ .*? at line (\d+)", re.MULTILINE)


class SnapshotError(Exception):
    """The server cannot be read: the client is missing, the login fails, or a listing fails."""


def quoted(name: str) -> str:
    """An identifier in backquotes."""
    return "`" + name.replace("`", "``") + "`"


class Client:
    """Runs SQL through the `mariadb` client."""

    def __init__(
        self,
        defaults_file: str | None = None,
        socket: str | None = None,
        user: str | None = None,
        program: str | None = None,
    ) -> None:
        found = program or shutil.which("mariadb") or shutil.which("mysql")
        if not found:
            raise SnapshotError("Neither the program mariadb nor mysql was found. Install the MariaDB client.")
        self.argv = [found]
        if defaults_file:
            self.argv.append(f"--defaults-file={defaults_file}")
        self.argv += ["--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--no-auto-rehash"]
        if socket:
            self.argv.append(f"--socket={socket}")
        if user:
            self.argv.append(f"--user={user}")

    def run(self, sql: str, force: bool = False) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv + (["--force"] if force else []),
            input=sql.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )

    def rows(self, sql: str) -> list[Row]:
        """The rows of one statement."""
        done = self.run(_SESSION + sql)
        if done.returncode:
            raise SnapshotError(f"{' '.join(self.argv)} failed ({done.returncode}): {_text(done.stderr).strip()}")
        return [parse_row(line) for line in _lines(done.stdout)]

    def many(self, statements: Mapping[str, str]) -> tuple[dict[str, list[Row]], dict[str, str]]:
        """Run every statement. Returns the rows by key, and the error text of those that failed."""
        mark = "mark-" + secrets.token_hex(12)
        script, lines, number = [_SESSION], {}, _SESSION.count("\n")
        keys = list(statements)
        for index, key in enumerate(keys):
            text = f"SELECT '{mark}', {index};\n{statements[key]};\n"
            number += text.count("\n")
            lines[number] = key
            script.append(text)
        done = self.run("".join(script), force=True)
        rows: dict[str, list[Row]] = {key: [] for key in keys}
        current: list[Row] | None = None
        for line in _lines(done.stdout):
            fields = parse_row(line)
            if fields[0] == mark:
                current = rows[keys[int(fields[1])]]
            elif current is not None:
                current.append(fields)
        if done.returncode and not any(rows.values()):
            raise SnapshotError(f"{' '.join(self.argv)} failed ({done.returncode}): {_text(done.stderr).strip()}")
        errors: dict[str, str] = {}
        for line in _text(done.stderr).splitlines():
            found = _ERROR.match(line)
            if found:
                key = next((k for last, k in lines.items() if int(found.group(1)) <= last), "?")
                errors[key] = re.sub(r" at line \d+", "", line)
        return rows, errors


# A session that prints times and text the same way on every server.
_SESSION = (
    "SET NAMES utf8mb4; SET SESSION time_zone = '+00:00', sql_mode = '', group_concat_max_len = 16777216, "
    "sql_quote_show_create = 1;\n"
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _lines(data: bytes) -> list[str]:
    # Not splitlines(): a value may hold U+2028 and the like.
    return _text(data).split("\n")[:-1]


def parse_row(line: str) -> Row:
    return [re.sub(r"\\([nt0\\])", lambda m: _ESCAPES[m.group(1)], field) for field in line.split("\t")]


def _account(user: str, host: str) -> str:
    return f"{quoted(user)}@{quoted(host)}"


def _data_hash(schema: str, table: str, columns: Sequence[Row], versioned: bool) -> str:
    """A SELECT of one value that depends on every column of every row, in any order of the rows."""
    names = [
        quoted(column[2]) if column[3] != "float" else f"CAST({quoted(column[2])} AS DOUBLE)" for column in columns
    ]
    if versioned and not any(column[5].upper() in ("ROW START", "ROW END") for column in columns):
        names += ["ROW_START", "ROW_END"]
    row = "CONCAT_WS(X'001F', " + ", ".join(f"COALESCE(CAST({name} AS BINARY), X'001E')" for name in names) + ")"
    period = " FOR SYSTEM_TIME ALL" if versioned else ""
    return (
        f"SELECT CONCAT_WS(':', COUNT(*), COALESCE(BIT_XOR(CRC32({row})), 0), COALESCE(SUM(CRC32({row})), 0)) "
        f"FROM {quoted(schema)}.{quoted(table)}{period}"
    )


def _listings(client: Client) -> dict[str, list[Row]]:
    statements = {
        "server": "SELECT @@version, @@hostname, @@datadir, @@read_only, @@log_bin, @@gtid_binlog_pos, @@gtid_binlog_state, "
        "@@gtid_slave_pos, @@gtid_current_pos",
        "schemas": f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({_SYSTEM})",
        "tables": "SELECT table_schema, table_name, table_type, COALESCE(engine, '') FROM information_schema.tables "
        f"WHERE table_schema NOT IN ({_SYSTEM})",
        "columns": "SELECT table_schema, table_name, column_name, data_type, LOWER(extra), COALESCE(generation_expression, '') "
        f"FROM information_schema.columns WHERE table_schema NOT IN ({_SYSTEM}) "
        "ORDER BY table_schema, table_name, ordinal_position",
        "hashed_keys": "SELECT DISTINCT table_schema, table_name FROM information_schema.statistics "
        f"WHERE index_type = 'HASH' AND table_schema NOT IN ({_SYSTEM})",
        "triggers": f"SELECT trigger_schema, trigger_name FROM information_schema.triggers WHERE trigger_schema NOT IN ({_SYSTEM})",
        "routines": f"SELECT db, name, type FROM mysql.proc WHERE db NOT IN ({_SYSTEM})",
        "events": f"SELECT event_schema, event_name FROM information_schema.events WHERE event_schema NOT IN ({_SYSTEM})",
        "accounts": "SELECT user, host, is_role FROM mysql.user",
        "plugins": "SELECT name, dl FROM mysql.plugin",
        "servers": "SELECT server_name, host, db, username, port, socket, wrapper, owner FROM mysql.servers",
    }
    rows, errors = client.many(statements)
    if errors:
        raise SnapshotError("Cannot list what the server holds: " + "; ".join(f"{k}: {v}" for k, v in errors.items()))
    return rows


def _statements(found: Mapping[str, list[Row]], check: bool) -> dict[str, str]:
    """One statement for everything that has a text or a fingerprint. Keys are JSON lists, so that no name confuses them."""
    columns: dict[tuple[str, str], list[Row]] = {}
    for column in found["columns"]:
        columns.setdefault((column[0], column[1]), []).append(column)
    out: dict[str, str] = {}

    def add(sql: str, *key: str) -> None:
        out[json.dumps(key)] = sql

    for (schema,) in found["schemas"]:
        add(f"SHOW CREATE DATABASE {quoted(schema)}", "schema", schema)
    for schema, table, kind, engine in found["tables"]:
        name = f"{quoted(schema)}.{quoted(table)}"
        if kind == "VIEW":
            add(f"SHOW CREATE VIEW {name}", "view", schema, table)
        elif kind == "SEQUENCE":
            add(f"SHOW CREATE SEQUENCE {name}", "sequence", schema, table)
            add(f"SELECT * FROM {name}", "state", schema, table)
        else:
            add(f"SHOW CREATE TABLE {name}", "table", schema, table)
            if engine != "MEMORY":
                own = columns.get((schema, table), [])
                versioned = kind == "SYSTEM VERSIONED"
                virtual = [schema, table] in found["hashed_keys"] or any("virtual" in column[4] for column in own)
                add(f"SELECT COUNT(*) FROM {name}", "rows", schema, table)
                if not virtual:
                    add(f"CHECKSUM TABLE {name} EXTENDED", "checksum", schema, table)
                if virtual or versioned:
                    add(_data_hash(schema, table, own, versioned), "hash", schema, table)
                for column in own:
                    if "auto_increment" in column[4]:
                        add(f"SELECT COALESCE(MAX({quoted(column[2])}), 0) FROM {name}", "highest", schema, table)
        if check:
            add(f"CHECK TABLE {name} EXTENDED", "check", schema, table)
    for schema, trigger in found["triggers"]:
        add(f"SHOW CREATE TRIGGER {quoted(schema)}.{quoted(trigger)}", "trigger", schema, trigger)
    for schema, routine, kind in found["routines"]:
        add(f"SHOW CREATE {kind} {quoted(schema)}.{quoted(routine)}", kind.lower(), schema, routine)
    for schema, event in found["events"]:
        add(f"SHOW CREATE EVENT {quoted(schema)}.{quoted(event)}", "event", schema, event)
    for user, host, is_role in found["accounts"]:
        role = is_role == "Y"
        add(f"SHOW GRANTS FOR {quoted(user) if role else _account(user, host)}", "grants", user, host)
        if not role:
            add(f"SHOW CREATE USER {_account(user, host)}", "user", user, host)
    return out


def sorted_columns(grant: str) -> str:
    """Columns of a privilege come in the order of a hash table, which a restart changes."""
    head, on, tail = grant.partition(" ON ")
    head = re.sub(r"\(([^()]*)\)", lambda m: "(" + ", ".join(sorted(m.group(1).split(", "))) + ")", head)
    return head + on + tail


def snapshot(client: Client, check: bool = False) -> Snapshot:
    """Everything that a restore has to bring back, in a form that `json.dumps` takes.

    `check` also runs CHECK TABLE ... EXTENDED everywhere and lists what is not OK under `problems`.
    Raises SnapshotError when the server cannot be read.
    """
    found = _listings(client)
    rows, errors = client.many(_statements(found, check))
    server = found["server"][0]
    out: Snapshot = {
        "server": dict(
            zip(
                (
                    "version",
                    "hostname",
                    "datadir",
                    "read_only",
                    "log_bin",
                    "gtid_binlog_pos",
                    "gtid_binlog_state",
                    "gtid_slave_pos",
                    "gtid_current_pos",
                ),
                server,
            )
        ),
        "schemas": {},
        "tables": {},
        "views": {},
        "sequences": {},
        "triggers": {},
        "routines": {},
        "events": {},
        "accounts": {},
        "plugins": sorted(" ".join(row) for row in found["plugins"]),
        "servers": sorted(" ".join(row) for row in found["servers"]),
        "errors": {key: errors[key] for key in sorted(errors)},
        "problems": [],
    }
    tables, accounts = out["tables"], out["accounts"]
    for schema, table, kind, engine in found["tables"]:
        if kind not in ("VIEW", "SEQUENCE"):
            tables[f"{quoted(schema)}.{quoted(table)}"] = {"engine": engine}
    for key, result in rows.items():
        what, first, *rest = json.loads(key)
        second = rest[0] if rest else ""
        name = f"{quoted(first)}.{quoted(second)}" if rest else quoted(first)
        if what == "check":
            out["problems"] += [
                f"{name}: {row[2]}: {row[3]}"
                for row in result
                if row[3] != "OK" and not (row[2] == "note" and "doesn't support check" in row[3])
            ]
        elif what in ("grants", "user"):
            account = accounts.setdefault(_account(first, second), {})
            account[what] = sorted(sorted_columns(row[0]) for row in result)
        elif not result:
            continue
        elif what == "schema":
            out["schemas"][name] = result[0][1]
        elif what == "table":
            text = _COUNTER.sub(r"\1", result[0][1], count=1)
            counter = _COUNTER.search(result[0][1])
            tables[name].update(create=text, counter=int(counter.group(2)) if counter else None)
        elif what in ("checksum", "rows", "hash", "highest"):
            tables[name][what] = result[0][-1]
        elif what == "view":
            out["views"][name] = result[0][1:]
        elif what == "sequence":
            out["sequences"].setdefault(name, {})["create"] = result[0][1]
        elif what == "state":
            out["sequences"].setdefault(name, {})["state"] = result[0]
        elif what in ("trigger", "event"):
            out[what + "s"][name] = result[0][1:]
        else:
            out["routines"][f"{what} {name}"] = result[0][1:]
    return out


def _first_difference(before: Any, after: Any) -> str:
    """The first line in which two texts (or lists of texts) differ."""

    def lines(value: Any) -> list[str]:
        return "\n".join(value if isinstance(value, list) else [str(value)]).split("\n")

    one, two = lines(before), lines(after)
    for index in range(max(len(one), len(two))):
        left = one[index] if index < len(one) else "(nothing)"
        right = two[index] if index < len(two) else "(nothing)"
        if left != right:
            return f"{left.strip()!r} became {right.strip()!r}"
    return "no difference"


def _table(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    if before.get("create") != after.get("create"):
        yield f"table {name}: definition: {_first_difference(before.get('create'), after.get('create'))}"
    data = [key for key in ("rows", "checksum", "hash") if before.get(key) != after.get(key)]
    if data:
        yield f"table {name}: data: " + ", ".join(f"{key} {before.get(key)} became {after.get(key)}" for key in data)
    counter, highest = after.get("counter"), int(after.get("highest") or 0)
    if after.get("engine") == "InnoDB":
        if counter is not None and counter <= highest:
            yield f"table {name}: AUTO_INCREMENT {counter} is not above the highest number in it, {highest}"
    elif after.get("engine") != "MEMORY" and before.get("counter") != counter:
        yield f"table {name}: AUTO_INCREMENT {before.get('counter')} became {counter}"


def diff(
    before: Snapshot, after: Snapshot, ignore_accounts: Collection[str] = (), ignore_schemas: Collection[str] = ()
) -> list[str]:
    """The differences between two snapshots in words; an empty list means that all is the same.

    `ignore_accounts` holds user names (without the host), `ignore_schemas` schema names. What is under `server` is not
    compared. Errors and problems of the second snapshot are differences, unless the first one had them too.
    """
    out: list[str] = []
    skipped = tuple(quoted(schema) for schema in ignore_schemas)

    def ignored(name: str) -> bool:
        plain = name.split(" ", 1)[1] if not name.startswith("`") else name
        return any(plain == schema or plain.startswith(schema + ".") for schema in skipped)

    for section, word in (
        ("schemas", "schema"),
        ("tables", "table"),
        ("views", "view"),
        ("sequences", "sequence"),
        ("triggers", "trigger"),
        ("routines", ""),
        ("events", "event"),
        ("accounts", "account"),
    ):
        one, two = before[section], after[section]
        for name in sorted({*one, *two}):
            if section == "accounts":
                if any(name.startswith(quoted(user) + "@") for user in ignore_accounts):
                    continue
            elif ignored(name):
                continue
            label = f"{word} {name}".strip()
            if name not in two:
                out.append(f"{label} is missing")
            elif name not in one:
                out.append(f"{label} is new")
            elif section == "tables":
                out += _table(name, one[name], two[name])
            elif one[name] != two[name]:
                keys = [""] if not isinstance(one[name], dict) else sorted({*one[name], *two[name]})
                for key in keys:
                    left, right = (one[name].get(key), two[name].get(key)) if key else (one[name], two[name])
                    if left != right:
                        out.append(f"{label}: {key + ': ' if key else ''}{_first_difference(left, right)}")
    for section in ("plugins", "servers", "problems"):
        out += [
            f"{section}: {item} is missing"
            for item in before[section]
            if item not in after[section] and section != "problems"
        ]
        out += [f"{section}: {item} is new" for item in after[section] if item not in before[section]]
    out += [f"cannot read {key}: {text}" for key, text in after["errors"].items() if key not in before["errors"]]
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Take a snapshot of a MariaDB server, or compare two snapshots.")
    commands = parser.add_subparsers(dest="command", required=True)
    take = commands.add_parser("snapshot", help="print a snapshot as JSON")
    take.add_argument("--defaults-file")
    take.add_argument("--socket")
    take.add_argument("--user")
    take.add_argument("--check", action="store_true", help="also run CHECK TABLE ... EXTENDED on everything")
    compare = commands.add_parser("diff", help="list the differences of two snapshots")
    compare.add_argument("before")
    compare.add_argument("after")
    compare.add_argument("--ignore-account", action="append", default=[])
    compare.add_argument("--ignore-schema", action="append", default=[])
    options = parser.parse_args(arguments)
    if options.command == "snapshot":
        try:
            taken = snapshot(Client(options.defaults_file, options.socket, options.user), check=options.check)
        except SnapshotError as error:
            print(error, file=sys.stderr)
            return 2
        json.dump(taken, sys.stdout, ensure_ascii=True, sort_keys=True, indent=1)
        print()
        return 0
    with open(options.before, encoding="utf-8") as one, open(options.after, encoding="utf-8") as two:
        found = diff(json.load(one), json.load(two), options.ignore_account, options.ignore_schema)
    print("\n".join(found) if found else "no differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
