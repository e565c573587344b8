# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a table can be imported as a file, and which tables and files lie in a backup."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.server.scratch import option_text
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.contents import (
    Stored,
    match,
    needed,
    partition_names,
    prepared_names,
    problem_of,
    stored_tables,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.definition import (
    ForeignKey,
    differences,
    fulltext_name,
    logical_lines,
    parse,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.journal import (
    SWAP,
    Child,
    Entry,
    Journal,
    journal_path,
    read_journal,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.task import _previous_name

ORDERS = """CREATE TABLE `orders` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `customer` int(11) DEFAULT NULL COMMENT 'it''s, a \\'FOREIGN KEY\\'',
  `text` text DEFAULT 'a`b',
  PRIMARY KEY (`id`),
  KEY `customer` (`customer`),
  FULLTEXT KEY `te``xt` (`text`),
  CONSTRAINT `fk` FOREIGN KEY (`customer`) REFERENCES `customers` (`id`) ON DELETE CASCADE,
  CONSTRAINT `other` FOREIGN KEY (`id`, `customer`) REFERENCES `my``shop`.`cust,omers` (`a`, `b`),
  CONSTRAINT `positive` CHECK (`id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=') ENGINE=x AUTO_INCREMENT=9'"""
PARTITIONED = """CREATE TABLE `two
lines` (
  `a
b` int(11) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
 PARTITION BY RANGE (`a
b`)
(PARTITION `p0` VALUES LESS THAN (1) ENGINE = InnoDB)"""


def test_a_definition_is_taken_apart() -> None:
    found = parse(ORDERS)
    assert found.counter == 42
    assert found.fulltext == ("FULLTEXT KEY `te``xt` (`text`)",)
    assert fulltext_name(found.fulltext[0]) == "te`xt"
    assert found.foreign_keys == (
        ForeignKey("fk", ("customer",), None, "customers", ("id",), " ON DELETE CASCADE"),
        ForeignKey("other", ("id", "customer"), "my`shop", "cust,omers", ("a", "b"), ""),
    )
    assert [line.strip().split(" ")[0] for line in found.body] == [
        "`id`", "`customer`", "`text`", "PRIMARY", "KEY", "CONSTRAINT"
    ]  # fmt: skip
    assert not found.partitioned
    assert not found.elsewhere
    bare = found.create("im`port", "t0", " ROW_FORMAT=COMPACT")
    assert bare.startswith("CREATE TABLE `im``port`.`t0` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n")
    assert "FULLTEXT" not in bare
    assert "REFERENCES" not in bare
    assert bare.endswith("COMMENT=') ENGINE=x AUTO_INCREMENT=9' ROW_FORMAT=COMPACT")
    assert " AUTO_INCREMENT=42" not in bare
    assert parse(bare.replace("`im``port`.", "")).bare().body == found.body


def test_foreign_keys_are_written_again() -> None:
    first, second = parse(ORDERS).foreign_keys
    assert first.clause("shop") == (
        "CONSTRAINT `fk` FOREIGN KEY (`customer`) REFERENCES `shop`.`customers` (`id`) ON DELETE CASCADE"
    )
    assert second.clause("shop", "probe", ("import", "t1")) == (
        "CONSTRAINT `probe` FOREIGN KEY (`id`, `customer`) REFERENCES `import`.`t1` (`a`, `b`)"
    )


def test_names_over_lines_and_partitions() -> None:
    found = parse(PARTITIONED)
    assert found.partitioned
    assert found.body == ("  `a\nb` int(11) NOT NULL",)
    assert found.create("s", "t").endswith("(PARTITION `p0` VALUES LESS THAN (1) ENGINE = InnoDB)")
    assert logical_lines("a 'x\ny'\n`b\n`c") == ["a 'x\ny'", "`b\n`c"]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE ALGORITHM=UNDEFINED VIEW `v` AS select 1",
        "CREATE TABLE `t` (\n  `a` int(11)",
        "CREATE TABLE `t` (\n  CONSTRAINT `x` FOREIGN KEY a REFERENCES b (c)\n) ENGINE=InnoDB",
        "",
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"definition of a table|cannot be read"):
        parse(text)


def test_differences() -> None:
    same = parse(ORDERS.replace("AUTO_INCREMENT=42", "AUTO_INCREMENT=7"))
    assert differences(same, parse(ORDERS)) == []
    other = parse(ORDERS.replace("`customer` int(11) DEFAULT NULL", "`customer` bigint(20) DEFAULT NULL"))
    found = differences(other, parse(ORDERS))
    assert [line.split(" ")[0] for line in found] == ["server:", "backup:"]
    assert "bigint(20)" in found[0]
    assert differences(parse(ORDERS.replace("ON DELETE CASCADE", "")), parse(ORDERS))


FILES = {
    "ibdata1": 1, "undo001": 1, "ib_logfile0": 1, "aria_log_control": 1, "aria_log.00000001": 1, "backup-my.cnf": 1,
    "xtrabackup_info": 1, "shop/db.opt": 1, "shop/orders.frm": 1, "shop/orders.ibd": 10, "shop/orders.cfg": 1,
    "shop/orders.TRG": 1, "shop/p#P#p0.ibd": 20, "shop/p#P#p@0020x#SP#s0.ibd": 30, "shop/p.frm": 1, "shop/p.par": 1,
    "shop/FTS_0000000000000042_CONFIG.ibd": 5, "shop/m.frm": 1, "shop/m.MYD": 1, "shop/m.MYI": 1, "shop/v.frm": 1,
    "shop/vec.frm": 1, "shop/vec.ibd": 1, "shop/vec#i#01.ibd": 1, "shop/far.frm": 1, "shop/far.isl": 1, "shop/far.ibd": 1,
    "shop/new.frm": 1, "o@0020dd/t.frm": 1, "o@0020dd/t.ibd": 1, "mysql/user.frm": 1, "mysql/user.MAD": 1,
}  # fmt: skip
SHOWN = {"shop": "shop", "o@0020dd": "o dd", "mysql": "mysql"} | {
    name: name for name in ("orders", "p", "m", "v", "vec", "far", "t", "user", "new")
}


def test_tables_of_a_backup() -> None:
    stored = stored_tables(FILES)
    assert stored["shop", "p"].spaces == ["shop/p#P#p0.ibd", "shop/p#P#p@0020x#SP#s0.ibd"]
    assert stored["shop", "p"].bytes == 50
    assert partition_names("p#P#p0") == ("p0", "")
    assert partition_names("p#p#p@0020x#sp#s0") == ("p@0020x", "s0")
    assert partition_names("orders") == ("", "")
    found, missing = match(
        [("shop", "orders"), ("o dd", "*"), ("shop", "gone"), ("none", "*")], stored, SHOWN, lambda entry: False
    )
    assert list(found) == [("shop", "orders"), ("o dd", "t")]
    assert missing == ["It does not hold the table shop.gone.", "It holds no InnoDB table of the schema none."]
    whole, _missing = match([("shop", "*")], stored, SHOWN, lambda entry: entry.stem == "v")
    assert set(whole) == {("shop", name) for name in ("orders", "p", "vec", "far", "v")}
    wanted = needed(FILES, [stored["shop", "orders"]])
    assert wanted == {
        "ibdata1", "undo001", "ib_logfile0", "aria_log_control", "aria_log.00000001", "backup-my.cnf", "xtrabackup_info",
        "shop/db.opt", "shop/orders.frm", "shop/orders.ibd",
    }  # fmt: skip


def test_names_in_an_increment() -> None:
    """Deltas and new tables are found by the names that they get; what is no InnoDB file keeps its own."""
    found = prepared_names(
        {
            "ibdata1.delta": 1,
            "shop/a.frm": 2,
            "shop/a.ibd.delta": 3,
            "shop/a.ibd.meta": 4,
            "shop/b#P#p0.new": 5,
            "shop/c.new.delta": 6,
            "shop/c.new.meta": 7,
            "shop/d.ibd": 8,
            "shop/e.MYD": 9,
        }
    )
    assert found == {
        "ibdata1.delta": 1,
        "shop/a.frm": 2,
        "shop/a.ibd": 3,
        "shop/b#P#p0.ibd": 5,
        "shop/c.ibd": 6,
        "shop/d.ibd": 8,
        "shop/e.MYD": 9,
    }


def test_what_cannot_be_imported_is_named(tmp_path: Path) -> None:
    stored = stored_tables(FILES)
    for key in stored:
        folder = tmp_path / key[0]
        folder.mkdir(exist_ok=True)
        engine = {"m": 9, "p": 20, "v": None}.get(key[1], 12)
        head = b"TYPE=VIEW\n" if engine is None else b"\xfe\x01\x0a" + bytes([engine]) + bytes(60)
        (folder / f"{key[1]}.frm").write_bytes(head)

    def problem(schema: str, table: str, prepared: bool = True) -> str | None:
        entry: Stored = stored[schema, table]
        return problem_of((schema, table), entry, str(tmp_path), prepared)

    assert problem("shop", "orders") is None
    assert problem("shop", "p") is None
    assert "is a view" in str(problem("shop", "v"))
    assert "engine MyISAM" in str(problem("shop", "m"))
    assert "VECTOR index" in str(problem("shop", "vec"))
    assert "DATA DIRECTORY" in str(problem("shop", "far"))
    # A table that is so new that only the log knows its pages.
    assert "no file of its own" in str(problem("shop", "new"))
    assert problem("shop", "new", prepared=False) is None
    assert "belongs to the server" in str(problem("mysql", "user"))


def test_a_scratch_server_uses_no_directory_of_the_real_one() -> None:
    options = {
        "innodb_page_size": "4096",
        "innodb_data_file_path": "ibdata1:12M:autoextend",
        "innodb_undo_directory": "/srv/undo",
        "innodb_undo_tablespaces": "3",
        "plugin_load": "file_key_management=file_key_management",
        "file_key_management_filename": "/etc/keys",
    }
    text = option_text("/d", "/j/s", "/j/log", options, "0", 1 << 30, "/d/tmp")
    assert "/srv/undo" not in text
    lines = text.splitlines()
    for line in ("innodb_page_size = 4096", "innodb_undo_directory = /d", "datadir = /d", "skip_networking",
                 "skip_grant_tables", "skip_log_bin", "plugin_load = file_key_management=file_key_management",
                 "loose_file_key_management_filename = /etc/keys", "loose_innodb_undo_tablespaces = 3"):  # fmt: skip
        assert line in lines


def test_the_journal_comes_back_as_it_was(tmp_path: Path) -> None:
    key = parse(ORDERS).foreign_keys[1]
    path = journal_path(str(tmp_path), "/var/lib/mysql")
    journal = Journal(path, "id", {"tables": [["a", "b"]]}, "/b", "bid", "/d", "s", True)
    journal.entries = [Entry("shop", "orders", "t0", "old", [key], 5, "7")]
    journal.children = [Child(("a", "b"), ("shop", "orders"), key)]
    assert read_journal(path) is None
    journal.write(SWAP)
    assert read_journal(path) == journal
    journal.remove()
    journal.remove()
    assert read_journal(path) is None


def test_names_of_old_tables() -> None:
    assert _previous_name("orders", "20261122T101500Z-1f2e3d", 0) == "orders_previous_20261122T101500Z"
    long = _previous_name("x" * 64, "20261122T101500Z-1f2e3d", 3)
    assert len(long) == 64
    assert long.endswith("_previous_20261122T101500Z_3")
