# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore: what it refuses, with which reason, and what it says it will do."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.members import PlaceFacts
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.plan import MIB, Plan, make_plan
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.situation import (
    CloneFacts,
    Directory,
    ServerState,
    ServiceFacts,
    Situation,
    Source,
)

DATADIR = Directory(
    place=Place("/var/lib/mysql", ("datadir",)),
    facts=PlaceFacts(True),
    entries=(),
    device=1,
    free_bytes=1000 * MIB,
    free_inodes=100_000,
    used_bytes=200 * MIB,
)
SOURCE = Source(
    path="/srv/backup/monday",
    backup_id="b1",
    problems=(),
    needs_prepare=False,
    tool_problem=None,
    series=(10, 11),
    server_version="10.11.19-MariaDB",
    last_lsn=100,
    size_bytes=300 * MIB,
    files=400,
    special_bytes={},
    isl_files=(),
    schemas=("shop",),
    gtid="0-1-7",
    binlog_file=None,
    binlog_position=None,
    device=2,
    reflink=False,
    has_manifest=True,
    has_checksums=True,
    innodb={},
    encryption_plugin=None,
    file_sizes={},
)
SERVICE = ServiceFacts(
    manager="systemd",
    name="mariadb.service",
    exists=True,
    active=True,
    main_pid=7,
    wakers=("mariadb.socket",),
    outsiders=(),
    user="mysql",
    group="mysql",
    restriction_problem=None,
)
SERVER = ServerState(
    series=(10, 11),
    version="10.11.19-MariaDB",
    logged_in=True,
    topology=(),
    unknown=(),
    option_conflicts=(),
    gtids=(),
)
OPTIONS: dict[str, Any] = {
    "existing_data": "fail",
    "method": "auto",
    "copier": "builtin",
    "bandwidth_limit": None,
    "extra_args": [],
    "binary_logs": "swap",
    "manifest": "if_present",
    "upgrade": "auto",
    "topology": "refuse",
    "start": True,
    "health_check": "normal",
    "gtid_state": "new_history",
    "post_restore_sql": [],
    "verify_queries": [],
    "clone_events": "disable",
    "clone_replication": "drop",
}


def plan(
    *,
    source: dict[str, Any] | None = None,
    service: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
    directories: tuple[Directory, ...] = (DATADIR,),
    differences: tuple[str, ...] = (),
    last_downtime: float | None = None,
    clone: CloneFacts | None = None,
    **options: Any,
) -> Plan:
    situation = Situation(
        source=dataclasses.replace(SOURCE, **(source or {})),
        directories=directories,
        service=dataclasses.replace(SERVICE, **(service or {})),
        server=dataclasses.replace(SERVER, **(server or {})),
        innodb_differences=differences,
        carried=("tls",),
        not_carried=(),
        binary_logs=True,
        binary_logs_inside=True,
        last_downtime=last_downtime,
        clone=clone,
    )
    return make_plan(situation, {**OPTIONS, **options}, "r1")


def full(**changes: Any) -> Directory:
    return dataclasses.replace(DATADIR, entries=("ibdata1", "shop"), **changes)


def test_an_ordinary_restore_is_not_refused() -> None:
    made = plan()
    assert made.refusals == ()
    assert [step["phase"] for step in made.steps] == [
        *("stage", "verify", "verify", "stop", "stop", "swap", "start", "health", "commit")
    ]
    assert made.members[0].mode == "exchange"
    assert made.members[0].staged == "/var/lib/mysql.restore-r1"


def test_a_plan_names_the_space_and_how_long_the_server_is_away() -> None:
    first = plan().steps
    assert re.search(r"needs \d+ MiB, \d+ MiB are free", first[0]["action"])
    assert "away for a second" in next(step["detail"] for step in first if step["phase"] == "stop")
    again = plan(last_downtime=1.26).steps
    assert "away for about 1.3 s, as the last time" in next(step["detail"] for step in again if step["phase"] == "stop")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": {"problems": ("it was cut.",)}}, "it was cut"),
        ({"copier": "rsync", "method": "move"}, "rsync cannot move"),
        ({"copier": "mariadb-backup", "bandwidth_limit": 1 << 20}, "copies as fast as it can"),
        ({"extra_args": ["--password=x"]}, "holds a secret"),
        ({"binary_logs": "leave"}, "exchanged as a whole"),
        ({"source": {"has_manifest": False}, "manifest": "require"}, "has no manifest"),
        ({"source": {"isl_files": ("a/b.isl",)}}, "a/b.isl"),
        ({"source": {"needs_prepare": True, "tool_problem": "the tool is of 11.8."}}, "the tool is of 11.8"),
        ({"source": {"path": "/var/lib/mysql/backup"}}, "lie in each other"),
        ({"source": {"series": (11, 8)}}, "no way down"),
        ({"source": {"series": (10, 5)}, "upgrade": "never"}, "upgrade is never"),
        ({"differences": ("innodb_page_size differs.",)}, "innodb_page_size"),
        ({"server": {"option_conflicts": ("it runs on /a.",)}}, "it runs on /a"),
        ({"service": {"exists": False}}, "no service mariadb.service"),
        ({"service": {"outsiders": ("mariadbd (pid 9) locks x",)}}, "pid 9"),
        ({"service": {"restriction_problem": "no $MYSQLD_OPTS."}}, "no $MYSQLD_OPTS"),
        ({"service": {"manager": "none"}}, "service manager"),
        ({"directories": (full(),)}, "ibdata1, shop"),
        ({"directories": (dataclasses.replace(DATADIR, free_bytes=MIB),)}, "MiB are free"),
        ({"directories": (dataclasses.replace(DATADIR, free_inodes=10),)}, "inodes"),
        ({"directories": (dataclasses.replace(DATADIR, facts=PlaceFacts(True, writable=False)),)}, "read-only"),
        ({"server": {"topology": ("A replica is connected.",)}}, "replica is connected"),
        ({"server": {"unknown": ("access denied",)}}, "access denied"),
    ],
)
def test_a_refusal_names_the_cause_and_the_way_on(arguments: dict[str, Any], words: str) -> None:
    made = plan(**arguments)
    assert len(made.refusals) == 1
    assert words in made.refusals[0].cause
    assert made.refusals[0].action
    assert made.steps == ()


def test_a_chain_needs_room_for_its_increments_and_for_a_copy_of_the_largest() -> None:
    chain = {
        "path": "/r/db1/3/data",
        "chain": ("/r/db1/1/data", "/r/db1/2/data", "/r/db1/3/data"),
        "size_bytes": 300 * MIB,
        "increment_bytes": 100 * MIB,
        "largest_increment": 70 * MIB,
        "needs_prepare": True,
    }
    room = dataclasses.replace(DATADIR, free_bytes=(300 + 70 + 64) * MIB)
    made = plan(source=chain, directories=(room,))
    assert made.refusals == ()
    stage, prepare = made.steps[:2]
    assert stage["detail"] == "/r/db1/1/data -> /var/lib/mysql.restore-r1"
    assert prepare["action"] == "apply the log, and 2 increments"
    less = dataclasses.replace(room, free_bytes=room.free_bytes - 1)
    assert "Staging needs 434 MiB" in plan(source=chain, directories=(less,)).refusals[0].cause
    # Shared blocks save the full backup alone.
    shared = {**chain, "reflink": True, "device": DATADIR.device}
    room = dataclasses.replace(DATADIR, free_bytes=(100 + 70 + 64) * MIB)
    assert plan(source=shared, directories=(room,)).refusals == ()


def test_all_refusals_come_at_once() -> None:
    made = plan(source={"problems": ("one.", "two.")}, directories=(full(),))
    assert len(made.refusals) == 3


@pytest.mark.parametrize("value", ["keep", "delete", "delete_first"])
def test_old_data_may_go_when_the_caller_says_so(value: str) -> None:
    assert plan(directories=(full(),), existing_data=value).refusals == ()


def test_delete_first_counts_the_space_that_it_frees_and_stops_before_staging() -> None:
    tight = full(free_bytes=200 * MIB)
    assert len(plan(directories=(tight,), existing_data="delete").refusals) == 1
    made = plan(directories=(tight,), existing_data="delete_first")
    phases = [step["phase"] for step in made.steps]
    assert phases.index("stop") < phases.index("delete") < phases.index("stage")
    assert any("no way back" in warning for warning in made.warnings)


def test_reflinks_and_moves_need_no_space() -> None:
    tight = dataclasses.replace(DATADIR, free_bytes=100 * MIB)
    assert plan(directories=(tight,), source={"reflink": True, "device": 1}).refusals == ()
    assert plan(directories=(tight,), source={"device": 1}, method="move").refusals == ()
    assert len(plan(directories=(tight,), method="move").refusals) == 1


def test_separate_directories_count_on_their_own_file_system() -> None:
    undo = dataclasses.replace(
        DATADIR, place=Place("/srv/undo", ("undo",), (r"undo\d{3}",)), device=3, free_bytes=70 * MIB
    )
    assert plan(directories=(DATADIR, undo), source={"special_bytes": {"/srv/undo": 5 * MIB}}).refusals == ()
    assert len(plan(directories=(DATADIR, undo), source={"special_bytes": {"/srv/undo": 9 * MIB}}).refusals) == 1


def test_topology_allow_turns_refusals_into_warnings() -> None:
    made = plan(server={"topology": ("A replica is connected.",), "unknown": ("?",)}, topology="allow")
    assert made.refusals == ()
    assert "A replica is connected." in made.warnings


def test_an_older_series_is_upgraded() -> None:
    assert any(step["action"].startswith("upgrade") for step in plan(source={"series": (10, 5)}).steps)


def test_mount_points_go_entry_by_entry_inside_of_themselves() -> None:
    mounted = full(facts=PlaceFacts(True, mount_point=True))
    made = plan(directories=(mounted,), existing_data="keep")
    assert made.members[0].mode == "entries"
    assert made.members[0].staged == "/var/lib/mysql/.mariabackup/restore-r1"
    assert any("ignore_db_dirs" in warning for warning in made.warnings)


CLONE = CloneFacts(server_id=77, configured=False, problem=None, file="/etc/mysql/mariadb.conf.d/zz.cnf")


def test_the_statements_of_a_clone_run_before_anything_is_stopped() -> None:
    steps = plan(
        clone=CLONE, post_restore_sql=["UPDATE a SET b = 1"], verify_queries=[{"query": "x", "expect": "1"}]
    ).steps
    phases = [step["phase"] for step in steps]
    assert phases.index("clone") < phases.index("stop")
    actions = [step["action"] for step in steps if step["phase"] == "clone"]
    assert [action.split()[0] for action in actions] == ["disable", "forget", "run", "hold", "server_id"]
    assert not any("post_restore_sql" in step["action"] for step in steps if step["phase"] == "commit")
    kept = plan(clone=CLONE, clone_events="keep", clone_replication="keep").steps
    assert [step["action"] for step in kept if step["phase"] == "clone"] == ["server_id 77"]


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"problem": "the server of the backup has the server_id 77 as well"}, {}, "cannot have this server id"),
        ({"file": None}, {}, "no directory of option files"),
        ({"connections": ("master.info",)}, {}, "a replica: master.info"),
        ({}, {"method": "move"}, "made on a copy"),
        ({}, {"gtid_state": "backup"}, "history of its own"),
    ],
)
def test_a_clone_that_would_be_none_is_refused(changes: dict[str, Any], options: dict[str, Any], words: str) -> None:
    (refusal,) = plan(clone=dataclasses.replace(CLONE, **changes), **options).refusals
    assert words in refusal.cause
    assert refusal.action
