# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the data sets of tests/data into a server, through the `mariadb` client, as root on its host.

    python3 dataset.py load everything
    python3 dataset.py load data_directory --directory /srv/dba-data
    python3 dataset.py change        # what a careless day does to the data of `everything`

Needs Python 3.9 and nothing else. The SQL files are looked for in ../data and beside this file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SETS = ("everything", "data_directory", "data_directory_myisam", "encrypted", "backquote")
DIRECTORY_MARK = "@DIRECTORY@"

# Schemas of `everything`, for options such as expect_schemas.
SCHEMAS = (
    "dba_back`quote",
    "dba_code",
    "dba_empty",
    "dba_engines",
    "dba_history",
    "dba_innodb",
    "dba_latin1",
    "dba_odd näme.with quotes 'x' \"y\" \\ ; % $(z) * 表",
    "dba_types",
    "dba_ümläut",
)

# Queries whose answers need more than the rows: the indexes, and code that runs on them. (query, expected first value)
PROBES = (
    ("SELECT COUNT(*) FROM dba_innodb.fulltext_text WHERE MATCH (title) AGAINST ('+restore' IN BOOLEAN MODE)", "300"),
    (
        "SELECT COUNT(*) FROM dba_innodb.spatial_points FORCE INDEX (place) WHERE "
        "MBRContains(ST_GeomFromText('POLYGON((-50 -50, 50 -50, 50 50, -50 50, -50 -50))'), place)",
        "174",
    ),
    ("SELECT COUNT(*) FROM dba_innodb.generated FORCE INDEX (by_full_name) WHERE full_name LIKE 'Zoë-29% %'", "111"),
    (
        "SELECT COUNT(*) FROM dba_history.by_time FOR SYSTEM_TIME AS OF TIMESTAMP'2026-01-15 00:00:00' WHERE id <= 100",
        "100",
    ),
    ("SELECT dba_code.net_price(119, 19)", "100.00"),
    ("SELECT dba_code.item_count()", "490"),
)

# Each line must be noticed by a comparison, and undone by a restore.
CHANGES = """
DELETE FROM dba_innodb.rf_dynamic WHERE id < 100;
UPDATE dba_engines.aria_page SET v = 'changed' WHERE id = 7;
INSERT INTO dba_engines.myisam_fixed (c, n) VALUES ('new', 1);
DROP TABLE dba_innodb.part_sub;
TRUNCATE TABLE dba_engines.csv_table;
ALTER TABLE dba_innodb.no_primary_key ADD COLUMN added INT;
CREATE TABLE dba_empty.not_empty_any_more (a INT) ENGINE=InnoDB;
DROP VIEW dba_code.view_of_view;
DROP TRIGGER dba_code.item_after_insert;
DROP PROCEDURE dba_code.restock;
DROP EVENT dba_code.nightly;
DROP USER 'dba_app'@'%';
REVOKE SELECT ON dba_innodb.* FROM dba_reader;
DROP DATABASE dba_latin1;
CREATE DATABASE dba_new;
CREATE TABLE dba_new.t (a INT) ENGINE=InnoDB;
DELETE HISTORY FROM dba_history.by_time;
SELECT NEXT VALUE FOR dba_innodb.seq_cycle;
"""


class LoadError(Exception):
    """The client is missing, or the server refused a statement."""


def source(name: str, directory: str | None = None) -> str:
    """The SQL text of a set, with the directory for its tables put in."""
    if name not in SETS:
        raise LoadError(f"There is no data set {name!r}; there are {', '.join(SETS)}.")
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "data", here):
        path = folder / f"{name}.sql"
        if path.exists():
            text = path.read_text(encoding="utf-8")
            if DIRECTORY_MARK not in text:
                return text
            if not directory or "'" in directory:
                raise LoadError(f"{name} needs a directory for its tables.")
            return text.replace(DIRECTORY_MARK, directory)
    raise LoadError(f"{name}.sql is neither in {here.parent / 'data'} nor in {here}.")


def client(defaults_file: str | None = None, socket: str | None = None, user: str | None = None) -> list[str]:
    program = shutil.which("mariadb") or shutil.which("mysql")
    if not program:
        raise LoadError("Neither the program mariadb nor mysql was found.")
    options = [f"--defaults-file={defaults_file}"] if defaults_file else []
    options += ["--batch", "--skip-column-names", "--default-character-set=utf8mb4"]
    options += [f"--socket={socket}"] if socket else []
    options += [f"--user={user}"] if user else []
    return [program, *options]


def execute(argv: Sequence[str], sql: str) -> str:
    """Run SQL text through the client. Returns what it printed."""
    done = subprocess.run(list(argv), input=sql.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise LoadError(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


def load(argv: Sequence[str], name: str, directory: str | None = None) -> None:
    """Load a set. A set that is loaded again starts clean. The directory is made like the datadir, if it is missing."""
    text = source(name, directory)
    if directory:
        datadir = execute(argv, "SELECT @@datadir").strip()
        owner = os.stat(datadir)
        os.makedirs(directory, exist_ok=True)
        os.chown(directory, owner.st_uid, owner.st_gid)
        os.chmod(directory, 0o700)
    execute(argv, text)


def probe(argv: Sequence[str]) -> list[str]:
    """The probes that give another answer than expected, in words."""
    out = []
    for query, expected in PROBES:
        answer = execute(argv, query).strip()
        if answer != expected:
            out.append(f"{query}: expected {expected}, got {answer}")
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Load, change or probe the test data of a server.")
    parser.add_argument("command", choices=("load", "change", "probe"))
    parser.add_argument("name", nargs="?", default="everything", choices=SETS)
    parser.add_argument("--directory", help="for the tables with a DATA DIRECTORY")
    parser.add_argument("--defaults-file")
    parser.add_argument("--socket")
    parser.add_argument("--user")
    options = parser.parse_args(arguments)
    try:
        argv = client(options.defaults_file, options.socket, options.user)
        if options.command == "load":
            load(argv, options.name, options.directory)
        elif options.command == "change":
            execute(argv, CHANGES)
        else:
            wrong = probe(argv)
            print("\n".join(wrong) if wrong else "all probes hold")
            return 1 if wrong else 0
    except LoadError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
