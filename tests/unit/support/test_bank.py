# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checker of the bank: it accepts a consistent cut, and names every way to miss one."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.bank import Transfer, judge, parse_record, positions

RUN = "00000000000000aa"
RECORD = [
    Transfer(RUN, 0, 1, 1, 2, 10, "0-1-101"),
    Transfer(RUN, 1, 1, 2, 3, 20, "0-1-102"),
    Transfer(RUN, 0, 2, 3, 1, 5, "0-1-103"),
]


def bank(*transfers: Transfer) -> tuple[dict[int, tuple[int, int]], list[Transfer]]:
    """Accounts and ledger after the transfers."""
    balance = {1: 1000, 2: 1000, 3: 1000}
    for transfer in transfers:
        balance[transfer.source] -= transfer.amount
        balance[transfer.target] += transfer.amount
    ledger = [dataclasses.replace(transfer, gtid="") for transfer in transfers]
    return {number: (1000, amount) for number, amount in balance.items()}, ledger


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_consistent_cut_at_its_position(count: int) -> None:
    assert judge(*bank(*RECORD[:count]), RECORD, f"0-1-{100 + count}") == []


def test_without_a_binary_log_any_consistent_cut_is_right() -> None:
    record = [dataclasses.replace(transfer, gtid="") for transfer in RECORD]
    assert judge(*bank(*RECORD[:2]), record) == []
    assert judge(*bank(*RECORD[:2]), record[:1], "0-1-102") != []


def test_a_transfer_too_few_or_too_many() -> None:
    assert judge(*bank(*RECORD[:2]), RECORD, "0-1-103") == [
        f"transfer ('{RUN}', 0, 2), 0-1-103, is within 0-1-103 and is missing"
    ]
    assert judge(*bank(*RECORD[:2]), RECORD, "0-1-101") == [
        f"transfer ('{RUN}', 1, 1), 0-1-102, is after 0-1-101 and is there"
    ]


def test_a_hole_in_the_middle() -> None:
    assert judge(*bank(RECORD[0], RECORD[2]), RECORD, "0-1-103") == [
        f"transfer ('{RUN}', 1, 1), 0-1-102, is within 0-1-103 and is missing"
    ]


def test_half_a_transfer() -> None:
    accounts, ledger = bank(*RECORD)
    accounts[1] = (1000, accounts[1][1] - 10)
    assert judge(accounts, ledger, RECORD, "0-1-103") == [
        "the total is 2990, it was 3000",
        "account 1 has 985, its ledger says 995",
    ]


def test_a_ledger_row_without_its_accounts() -> None:
    accounts, _ledger = bank(*RECORD[:1])
    assert judge(accounts, bank(*RECORD[:2])[1], RECORD, "0-1-102") == [
        "account 2 has 1010, its ledger says 990",
        "account 3 has 1000, its ledger says 1020",
    ]


def test_an_unknown_outcome_may_be_there_or_not() -> None:
    record = [*RECORD[:2], dataclasses.replace(RECORD[2], gtid="", known=False)]
    assert judge(*bank(*RECORD), record, "0-1-102") == []
    assert judge(*bank(*RECORD[:2]), record, "0-1-102") == []


def test_a_row_that_was_never_recorded() -> None:
    assert judge(*bank(*RECORD), RECORD[:2]) == [f"transfer ('{RUN}', 0, 2) is in the ledger and was never recorded"]


def test_rows_of_another_run_count_in_the_books_only() -> None:
    other = Transfer("00000000000000bb", 0, 1, 1, 3, 7)
    assert judge(*bank(*RECORD, other), RECORD, "0-1-103") == []


def test_a_changed_row() -> None:
    changed = dataclasses.replace(RECORD[1], amount=21)
    assert judge(*bank(RECORD[0], changed), RECORD[:2], "0-1-102") == [
        f"transfer ('{RUN}', 1, 1) is 2 to 3: 21 in the ledger, 2 to 3: 20 in the record"
    ]


def test_records_round_trip() -> None:
    record = [*RECORD, Transfer(RUN, 3, 9, 1, 2, 3, known=False)]
    text = b"".join(transfer.line() for transfer in record).decode()
    assert parse_record(text) == record
    assert parse_record(text[:-5]) == RECORD


def test_positions() -> None:
    assert positions("0-1-26,1-2-7,\n0-3-20") == {0: 26, 1: 7}
    assert positions("") == {}
