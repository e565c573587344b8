# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories in a directory, on real servers: taken, listed, restored by id and by time, pruned, followed by hand."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.integration.harness.backups import BACKUP_KEYS
from tests.integration.harness.faults import (
    TOOL,
    clear_breakpoints,
    frozen,
    kill_program,
    kill_runner,
    proceed,
    set_breakpoint,
    wait_program,
    wait_stopped,
)
from tests.integration.harness.server import Server, show
from tests.support.by_hand import pasted

REPOSITORY = "/srv/repository"
ODD = "-db 1 'ü\" $x"
# Makes the manifest say that a list of files which was changed is the right one.
RIGHT = (
    'sed -i "s/\\"file_list_sha256\\": \\"[0-9a-f]*/'
    '\\"file_list_sha256\\": \\"$(sha256sum < {0}/files.json | cut -c1-64)/" {0}/manifest.json'
)


def _take(server: Server, **options: Any) -> dict[str, Any]:
    return server.succeed("backup", repository=REPOSITORY, **options)


def _names(server: Server, instance: str = "") -> list[str]:
    return server.out(["ls", "-A", f"{REPOSITORY}/{instance or server.out('hostname')}"]).split("\n")


def _listed(server: Server, **options: Any) -> list[dict[str, Any]]:
    return list(server.succeed("backup_info", repository=REPOSITORY, **options)["backups"])


def test_take_list_and_restore(server: Server) -> None:
    """A backup goes into the repository under an id, is listed, and restored as the newest, by its id and by its time."""
    planned = server.succeed("backup", check=True, repository=REPOSITORY)
    assert planned["changed"]
    assert not server.exists(REPOSITORY)
    first = _take(server, label="the first")
    assert set(first) >= BACKUP_KEYS
    assert first["path"] == f"{REPOSITORY}/{server.out('hostname')}/{first['id']}/data"
    assert server.out(f"cd {first['path']}/.. && stat -c '%a %n' . *").splitlines() == [
        "700 .", "600 RESTORE.txt", "600 configuration.json", "700 data", "600 files.json", "600 manifest.json"
    ]  # fmt: skip
    server.dataset("change")
    changed = server.snapshot()
    second = _take(server, checksum="none", prepare=True)
    assert _take(server, skip_if_newer_than=3600)["id"] == second["id"]
    assert _names(server) == [first["id"], second["id"]]
    found = _listed(server)
    assert [(entry["id"], entry["label"], entry["prepared"]) for entry in found] == [
        (first["id"], "the first", False),
        (second["id"], None, True),
    ]
    assert found[0]["chain"] == [first["id"]]
    assert [(entry["stored_bytes"], entry["compression"], entry["encrypted"]) for entry in found] == [
        (entry["size_bytes"], "none", False) for entry in found
    ]
    for wanted, ids in (
        ({"type": "full"}, [first["id"], second["id"]]),
        ({"type": "incremental"}, []),
        ({"label": "the first"}, [first["id"]]),
        ({"after": found[1]["created"], "type": "full"}, [second["id"]]),
        ({"after": found[0]["created"], "before": found[0]["created"]}, [first["id"]]),
    ):
        assert [entry["id"] for entry in _listed(server, **wanted)] == ids, wanted
    server.fail("backup_info", "after is 'soon'", repository=REPOSITORY, after="soon")
    verified = server.succeed("backup_info", repository=REPOSITORY, backup_id=first["id"], verify=True)
    assert (verified["valid"], verified["verified"]) == (True, "sha256")
    # By its time, by its id, the newest: each time the same data as the server then had.
    before = server.checksums(f"{REPOSITORY}/{server.out('hostname')}")
    options = {"repository": REPOSITORY, "existing_data": "delete"}
    planned = server.run_module("restore", check=True, before=found[0]["created"], **options)
    assert planned["backup_id"] == first["id"], show(planned)
    assert server.succeed("restore", before=found[0]["created"], **options)["backup_id"] == first["id"]
    server.assert_seeded()
    assert server.succeed("restore", **options)["backup_id"] == second["id"]
    assert server.snapshot()["tables"] == changed["tables"]
    server.succeed("restore", backup_id=first["id"], **options)
    server.assert_seeded()
    assert server.checksums(f"{REPOSITORY}/{server.out('hostname')}") == before, "a restore changed the repository"


def test_by_hand_to_the_letter(server: Server) -> None:
    """RESTORE.txt: its commands, put into one shell as they stand, restore the server; the old data is kept."""
    taken = _take(server)
    server.dataset("change")
    text = server.host.get(f"{taken['path']}/../RESTORE.txt")
    script = pasted(text)
    done = server.run(["bash", "-c", script], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    server.assert_seeded()
    assert server.exists("/var/lib/mysql.old/ibdata1")
    server.run(
        f"printf x | dd of={taken['path']}/ibdata1 bs=1 seek=5000 conv=notrunc status=none && rm -rf /var/lib/mysql.old"
    )
    pid = server.server_pid()
    done = server.run(["bash", "-c", script], check=False)
    assert done.returncode != 0, "a damaged file went unnoticed"
    assert "ibdata1: FAILED" in done.stdout
    assert server.server_pid() == pid, "the server was stopped"


@pytest.mark.suites("trixie")
def test_configuration_lies_beside_it(server: Server) -> None:
    """With the server's variables and option files a lost server can be built anew; no secret is in them."""
    server.host.put(
        "[client]\npassword = geheim-1\n[mysqld]\nreport_password = geheim-2\n", "/etc/mysql/conf.d/secret.cnf"
    )
    server.restart_server()
    taken = _take(server)
    text = server.host.get(f"{taken['path']}/../configuration.json")
    found = json.loads(text)
    assert found["variables"]["datadir"] == "/var/lib/mysql/"
    assert "[mariadbd]" in found["option_files"]["/etc/mysql/mariadb.conf.d/50-server.cnf"]
    assert "geheim" not in text
    server.run("rm /etc/mysql/conf.d/secret.cnf")


@pytest.mark.suites("trixie")
def test_thresholds(server: Server) -> None:
    """Age and size of the newest backup are judged: failed or warned, as asked."""
    options = {"repository": REPOSITORY, "max_age": "1h"}
    server.fail("backup_info", "There is no backup", **options)
    _take(server)
    assert server.succeed("backup_info", size_drift=10, **options)["violations"] == []
    result = server.fail("backup_info", "hours old", repository=REPOSITORY, max_age="0h")
    assert len(result["violations"]) == 1
    server.sql(
        "CREATE DATABASE big; USE big; CREATE TABLE t ENGINE=MyISAM SELECT REPEAT(seq, 4000) v FROM seq_1_to_5000"
    )
    _take(server)
    warned = server.succeed("backup_info", size_drift=10, violation="warn", **options)
    assert "% are allowed" in warned["violations"][0]
    server.fail("backup_info", "% are allowed", size_drift=10, **options)


@pytest.mark.suites("trixie")
def test_an_instance_with_an_odd_name(server: Server) -> None:
    """Spaces, quotes, unicode, a leading dash: a name of an instance is a name of a directory, and nothing more."""
    taken = _take(server, instance=ODD)
    assert taken["path"].startswith(f"{REPOSITORY}/{ODD}/")
    assert server.succeed("backup_info", repository=REPOSITORY)["instances"] == [ODD]
    server.dataset("change")
    server.fail("restore", ODD, repository=REPOSITORY, existing_data="delete")
    server.succeed("restore", repository=REPOSITORY, instance=ODD, existing_data="delete")
    server.assert_seeded()
    text = server.host.get(f"{taken['path']}/../RESTORE.txt")
    assert f"BACKUP={shlex.quote(taken['path'][: -len('/data')])}\n" in text
    server.fail("backup", "cannot be the name of a directory", repository=REPOSITORY, instance="../elsewhere")
    assert server.succeed("prune", repository=REPOSITORY, instance=ODD, keep_last=1)["removed"] == []


@pytest.mark.suites("trixie")
def test_conflicting_options(server: Server) -> None:
    """One source, and a backup that stays as it was taken."""
    _take(server)
    both = {"repository": REPOSITORY, "target_dir": "/srv/x"}
    for module in ("backup", "restore", "backup_info"):
        assert "mutually exclusive" in server.run_module(module, **both)["msg"]
        assert "one of the following is required" in server.run_module(module)["msg"]
    server.fail("restore", "keeps its backups", repository=REPOSITORY, method="move", existing_data="delete")
    server.fail("prepare", "stays as it was taken", repository=REPOSITORY, in_place=True)
    # The same backup by its path.
    path = _listed(server)[0]["path"] + "/data"
    server.fail("restore", "keeps its backups", target_dir=path, method="move", existing_data="delete")
    server.fail("prepare", "stays as it was taken", target_dir=path, in_place=True)
    result = server.succeed("prepare", repository=REPOSITORY, dest="/srv/ready")
    assert result["prepared"]
    server.succeed("restore", target_dir="/srv/ready", existing_data="delete")
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_prune(server: Server) -> None:
    """What no rule keeps goes, with a reason for each; check mode decides the same and removes nothing; again: nothing."""
    ids = [_take(server)["id"] for _number in range(3)]
    options = {"repository": REPOSITORY, "keep_last": 2}
    planned = server.succeed("prune", check=True, diff_mode=True, **options)
    assert _names(server) == ids
    assert planned["diff"]["before"] == "".join(f"{name}\n" for name in ids)
    done = server.succeed("prune", **options)
    assert done["removed"] == planned["removed"] == ids[:1]
    assert done["freed_bytes"] > 10_000_000
    assert [decision["keep"] for decision in done["decisions"]] == [False, True, True]
    assert _names(server) == ids[1:]
    assert server.succeed("prune", **options)["changed"] is False
    server.fail("prune", "No rule says what to keep", repository=REPOSITORY)
    server.fail("prune", "keep_within is 'soon'", repository=REPOSITORY, keep_within="soon")


@pytest.mark.suites("trixie")
def test_prune_keeps_what_a_restore_reads(server: Server) -> None:
    """A restore and a prune at once: the backup that is being restored stays, although no rule keeps it."""
    old, new = _take(server)["id"], _take(server)["id"]
    set_breakpoint(server, "stage-before")
    running = server.start_module("restore", repository=REPOSITORY, backup_id=old, existing_data="delete")
    wait_stopped(server, running)
    clear_breakpoints(server)
    kept = server.succeed("prune", repository=REPOSITORY, keep_last=1)
    assert kept["removed"] == []
    assert kept["decisions"][0]["reasons"] == ["in use"]
    proceed(server)
    assert not running.result().get("failed"), show(running.result())
    server.assert_seeded()
    assert server.succeed("prune", repository=REPOSITORY, keep_last=1)["removed"] == [old]
    assert _names(server) == [new]


@pytest.mark.suites("trixie")
@pytest.mark.parametrize("victim", ["runner", "tool"])
def test_killed_backup_leaves_no_backup(server: Server, victim: str) -> None:
    """kill -9 of a backup into the repository, of our process or of the tool: it does not exist, and the next one cleans up."""
    good = _take(server)["id"]
    running = server.start_module("backup", repository=REPOSITORY)
    if victim == "tool":
        kill_program(server)
    else:
        with frozen(server, wait_program(server, TOOL)):
            kill_runner(server)
    assert running.result().get("failed")
    assert [entry["id"] for entry in _listed(server)] == [good]
    assert server.succeed("prune", repository=REPOSITORY, keep_last=5)["changed"] is False
    assert server.succeed("restore", repository=REPOSITORY, existing_data="delete")["backup_id"] == good
    server.assert_seeded()
    again = _take(server)["id"]
    assert again > good
    assert _names(server) == [good, again]


@pytest.mark.suites("trixie")
def test_killed_prune_leaves_whole_backups(server: Server) -> None:
    """kill -9 between two removals: every backup that is left is whole, and the same task again finishes."""
    ids = [_take(server)["id"] for _number in range(3)]
    options = {"repository": REPOSITORY, "keep_last": 1}
    set_breakpoint(server, "prune-remove")
    running = server.start_module("prune", **options)
    wait_stopped(server, running)
    proceed(server)
    wait_stopped(server, running)
    clear_breakpoints(server)
    kill_runner(server)
    assert running.result().get("failed")
    for entry in _listed(server):
        verified = server.succeed("backup_info", repository=REPOSITORY, backup_id=entry["id"], verify=True)
        assert verified["valid"], show(verified)
    server.succeed("prune", **options)
    assert _names(server) == ids[-1:]


@pytest.mark.suites("trixie")
def test_two_backups_at_once(server: Server) -> None:
    """The second backup of an instance is refused and names the first; the first goes through."""
    running = server.start_module("backup", repository=REPOSITORY)
    with frozen(server, wait_program(server, TOOL)):
        server.fail("backup", "a backup (process", repository=REPOSITORY, label="another")
    assert not running.result().get("failed"), show(running.result())
    assert len(_listed(server)) == 1


@pytest.mark.suites("trixie")
def test_the_newest_is_pinned(server: Server) -> None:
    """A restore of the newest backup that was killed goes on with that backup, also when there is a newer one by then."""
    pinned = _take(server)["id"]
    server.dataset("change")
    top = f"{REPOSITORY}/{server.out('hostname')}"
    set_breakpoint(server, "stop-after")
    running = server.start_module("restore", repository=REPOSITORY, existing_data="delete")
    wait_stopped(server, running)
    clear_breakpoints(server)
    kill_runner(server)
    assert running.result().get("failed")
    newer = "29991231T235959Z-aaaaaa"
    server.run(f"cp -a {top}/{pinned} {top}/{newer} && sed -i 's/{pinned}/{newer}/' {top}/{newer}/manifest.json")
    assert server.succeed("restore", repository=REPOSITORY, existing_data="delete")["backup_id"] == pinned
    server.assert_seeded()
    assert server.succeed("restore", repository=REPOSITORY, existing_data="delete")["backup_id"] == newer
    # The clock is behind the newest id by now: ids sort all the same.
    assert _take(server)["id"] > newer


@pytest.mark.suites("trixie")
def test_a_pruned_backup_is_replaced(server: Server) -> None:
    """Killed after the old data was deleted, and its backup removed since: the same task takes the newest that is there."""
    older = _take(server)["id"]
    newest = _take(server)["id"]
    server.dataset("change")
    options = {"repository": REPOSITORY, "existing_data": "delete_first"}
    set_breakpoint(server, "stage-before")
    running = server.start_module("restore", **options)
    wait_stopped(server, running)
    clear_breakpoints(server)
    kill_runner(server)
    assert running.result().get("failed")
    server.run(f"rm -r {REPOSITORY}/{server.out('hostname')}/{newest}")
    assert server.succeed("restore", **options)["backup_id"] == older
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_full_disk(server: Server) -> None:
    """The disk of the repository is full: found in the plan, nothing is left, and the backups in it stay as they are."""
    server.mount("ext4", "400M", REPOSITORY, owner=None)
    good = _take(server)["id"]
    server.run(f"fallocate -l 230M {REPOSITORY}/ballast")
    result = server.fail("backup", "not enough room", repository=REPOSITORY)
    assert result["failed_phase"] == "plan"
    assert _names(server) == [good]
    server.run(f"rm {REPOSITORY}/ballast")
    assert _take(server)["id"] > good


@pytest.mark.suites("trixie")
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("echo '{{' > {0}/manifest.json", "cannot be used"),
        ('sed -i \'s/"schema_version": 1/"schema_version": 9/\' {0}/manifest.json', "schema_version is 9"),
        ("sed -i 's/ibdata1/x/' {0}/files.json", "was changed"),
        (f"sed -i 's|ibdata1|../../x|' {{0}}/files.json && {RIGHT}", "has the path '../../x'"),
        ('sed -i \'s|"base_id": null|"base_id": "../other/x"|\' {0}/manifest.json', "base_id is '../other/x'"),
        ("mv {0}/manifest.json /srv/aside && ln -s /srv/aside {0}/manifest.json", "is not a regular file"),
        ("mv {0}/data /srv/aside && ln -s /srv/aside {0}/data", "is a symbolic link"),
        ("rm {0}/files.json", "files.json"),
        ("rm {0}/manifest.json", "There is no backup"),
        ("mv {0} /srv/aside && ln -s /srv/aside {0}", "There is no backup"),
        ("rm {0}/data/ibdata1", "ibdata1 is missing"),
        ("truncate -s -1 {0}/data/ibdata1", "ibdata1 has"),
    ],
    ids=[
        "malformed",
        "newer",
        "list",
        "paths",
        "base",
        "linked-manifest",
        "linked-data",
        "no-list",
        "no-manifest",
        "link",
        "no-file",
        "cut",
    ],
)
def test_damaged_backups_are_refused(server: Server, damage: str, text: str) -> None:
    """A manifest that is malformed, of a newer schema, or leads elsewhere; files that are missing or cut: refused, nothing lost."""
    good, taken = _take(server)["id"], _take(server)
    server.run(damage.format(taken["path"][: -len("/data")]))
    pid = server.server_pid()
    server.fail("restore", text, repository=REPOSITORY, backup_id=taken["id"], existing_data="delete")
    assert server.server_pid() == pid
    assert good in [entry["id"] for entry in _listed(server)]
    # It takes no place of the good one before it, and is left for a person.
    planned = server.succeed("prune", check=True, repository=REPOSITORY, keep_last=1)
    done = server.succeed("prune", repository=REPOSITORY, keep_last=1)
    assert planned["decisions"] == done["decisions"]
    assert "the newest restorable backup" in done["decisions"][0]["reasons"], show(done)
    assert done["removed"] == []
    assert set(_names(server)) == {good, taken["id"]}
