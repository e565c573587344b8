# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partial backups: exact names, as the tool has to be told them."""

from __future__ import annotations

import re

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import (
    Selection,
    parse_table,
    quote_table,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("shop.orders", ("shop", "orders")),
        ("größe.x y", ("größe", "x y")),
        ("`my.shop`.`or``ders`", ("my.shop", "or`ders")),
        ("`shop`.`*`", ("shop", "*")),
    ],
)
def test_tables_are_written_as_schema_and_table(text: str, table: tuple[str, str]) -> None:
    assert parse_table(text) == table
    assert parse_table(quote_table(table)) == table


@pytest.mark.parametrize("text", ["", "shop", ".orders", "shop.", "a.b.c", "`a`.b", "a`b.c", "shop.*", "`shop`.*"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(MariabackupError, match="tables holds"):
        parse_table(text)


def test_a_whole_schema() -> None:
    assert parse_table("shop.*", wildcard=True) == ("shop", "*")
    assert parse_table("`my.shop`.*", wildcard=True) == ("my.shop", "*")


def test_no_option_is_a_whole_backup() -> None:
    assert Selection.from_params({}) is None
    assert Selection.from_params({"tables": [], "databases": None}) is None
    with pytest.raises(MariabackupError, match="empty name"):
        Selection.from_params({"databases": [""]})


def test_included_names_add_up() -> None:
    found = Selection.from_params({"databases": ["größe", "b"], "tables": ["shop.orders", "b.x", "shop.a b"]})
    assert found is not None
    assert found.names() == {"größe", "b", "shop", "orders", "x", "a b"}
    chosen = found.encode({"größe": "gr@1or@1je", "a b": "a@0020b"})
    assert chosen.arguments() == ["--databases=b gr@1or@1je shop.a@0020b shop.orders"]
    assert chosen.takes("b", "anything")
    assert chosen.takes("shop", "orders#P#p0")
    assert not chosen.takes("shop", "orders2")
    assert not chosen.takes("sho", "orders")
    assert found.as_dict() == {"databases": ["b", "größe"], "tables": ["b.x", "shop.a b", "shop.orders"]}
    with pytest.raises(MariabackupError, match="only the server knows"):
        found.encode({})


def test_excluded_tables_are_anchored() -> None:
    found = Selection.from_params({"databases_exclude": ["tmp"], "tables_exclude": ["shop.log"]})
    assert found is not None
    chosen = found.encode({})
    databases, tables = chosen.arguments()
    assert databases == "--databases-exclude=tmp"
    pattern = re.compile(tables.partition("=")[2])
    assert [
        name for name in ("shop.log", "shop.log#P#p0", "shop.log2", "myshop.log", "shopxlog") if pattern.search(name)
    ] == [
        "shop.log",
        "shop.log#P#p0",
    ]
    assert not chosen.takes("shop", "log#P#p0")
    assert chosen.takes("shop", "log2")
    assert not chosen.takes("tmp", "x")


def test_too_many_names() -> None:
    found = Selection.from_params({"tables": [f"shop.t{number:060d}" for number in range(2000)]})
    assert found is not None
    with pytest.raises(MariabackupError, match="do not fit"):
        found.encode({}).arguments()
