# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories in remote storage: S3 on one lab host, SFTP on it too; streams go up while they are made and come down into staging."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.stream.remotes import config_text
from tests.integration.harness.backups import watch_for_secret
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
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.server import STATE_DIR, Server, show, wait_for
from tests.integration.harness.storage import CONFIG, FOLDER, SECRET, Storage
from tests.support.by_hand import pasted

REMOTE = "store:backups"
WHERE = {"repository": REMOTE, "rclone_config": CONFIG}
INTO = {**WHERE, "format": "stream", "compression": "zstd"}
BACK: dict[str, Any] = {**WHERE, "existing_data": "delete"}
IDENTITY = "/root/test-identity"
ODD = "-db 1 'ü\" $x"
KEPT = "/etc/mariabackup/schedules/hourly.rclone.conf"

pytestmark = pytest.mark.suites("trixie")


@pytest.fixture
def storage(server: Server, take: Callable[..., Server]) -> Storage:
    """The storage, on a host of its own, and known to the server."""
    found = Storage(take("bookworm", start=False, data=False))
    found.configure(server)
    return found


def _listed(server: Server, **options: Any) -> list[dict[str, Any]]:
    return list(server.succeed("backup_info", **{**WHERE, **options})["backups"])


def _key(server: Server) -> str:
    server.run(f"rm -f {IDENTITY}; age-keygen -o {IDENTITY} 2>/dev/null; chmod 0600 {IDENTITY}")
    return server.out(["age-keygen", "-y", IDENTITY])


def _nothing_stored_here(server: Server) -> None:
    """No stream has touched the host's disk."""
    assert server.out("find / -xdev -name 'backup.mbstream*' -not -path '/proc/*' 2>/dev/null || true") == ""
    assert int(server.out("du -s --block-size=1M /var/lib/mariabackup | cut -f1")) < 20


def _with_variables(server: Server, storage: Storage) -> dict[str, Any]:
    """Take an increment with remotes from variables, and look where their secrets are while it runs, and after it."""
    described = {"repository": "s3:backups", "rclone_remotes": {"s3": storage.remotes()["store"]}}
    server.fail("backup", "mutually exclusive", **INTO, rclone_remotes=storage.remotes())
    wrong = {"repository": REMOTE, "rclone_remotes": storage.remotes("wrong-secret\n")}
    refused = server.fail("backup_info", "secret_access_key of store", **wrong)
    options = {**INTO, "rclone_config": None, **described, "type": "incremental"}
    with watch_for_secret(server, SECRET) as seen:
        planned = server.succeed("backup", check=True, diff_mode=True, **options)
        running = server.start_module("backup", diff_mode=True, **options)
        with frozen(server, wait_program(server, TOOL)):
            held = server.out(f"find {STATE_DIR} -name rclone.conf -printf '%m %u\\n'")
        taken = running.result()
        listed = server.succeed("backup_info", **described)
    assert seen == []
    assert held == "600 root"
    path = f"s3:backups/{server.out('hostname')}/{taken['id']}"
    assert listed["backups"][-1]["path"] == path, "its type is no secret"
    for result in (refused, planned, taken, listed):
        assert SECRET not in show(result)
        assert SECRET not in str(result["invocation"])
    assert "wrong-secret" not in str(refused)
    assert server.run(f"grep -rlF {SECRET} {STATE_DIR} /tmp /var/tmp /srv /var/log", check=False).stdout == ""
    assert SECRET not in server.out("journalctl --no-pager -o cat")
    odd = {"odd name": {"type": "alias", "a": ' "x`#;= \\n ü', "b": "`", "c": '"', "d": "", "e": 7}}
    server.host.put(config_text(odd), "/root/test-odd.conf", 0o600)
    read = json.loads(server.out("rclone --config=/root/test-odd.conf config dump"))
    assert read == {"odd name": {**odd["odd name"], "e": "7"}}
    return taken


@pytest.mark.suites("trixie", "bullseye")
def test_s3(server: Server, storage: Storage) -> None:
    """Up and down, encrypted: listed, verified, restored by its time and as the newest, pruned; only small files are on the host."""
    instance = server.out("hostname")
    planned = server.succeed("backup", check=True, **INTO)
    assert planned["changed"]
    assert storage.names(server, REMOTE) == []
    first = server.succeed("backup", **INTO, encryption_recipients=[_key(server)], label="first")
    names = storage.names(server, f"{REMOTE}/{instance}/{first['id']}")
    assert [name for name in names if "/" not in name] == [
        "RESTORE.txt", "backup.mbstream.zst.age", "configuration.json", "files.json", "manifest.json"
    ]  # fmt: skip
    assert first["stored_bytes"] > 5 << 20, "the upload had one part only"
    assert first["path"] == f"{REMOTE}/{instance}/{first['id']}"
    _nothing_stored_here(server)
    server.dataset("change")
    changed = server.snapshot()
    second = _with_variables(server, storage)
    assert second["base_id"] == first["id"]
    assert second["stored_bytes"] < first["stored_bytes"]
    listed = _listed(server)
    assert [(entry["label"], entry["path"], entry["stored_bytes"]) for entry in listed] == [
        (label, f"{REMOTE}/{instance}/{taken['id']}", taken["stored_bytes"])
        for label, taken in (("first", first), (None, second))
    ]
    assert [(entry["compression"], entry["encrypted"]) for entry in listed] == [("zstd", True), ("zstd", False)]
    assert [entry["id"] for entry in _listed(server, type="incremental")] == [second["id"]]
    server.fail("restore", "is encrypted", backup_id=first["id"], **BACK)
    found = server.succeed("backup_info", backup_id=first["id"], verify=True, identity_file=IDENTITY, **WHERE)
    assert (found["valid"], found["verified"]) == (True, "stream"), show(found)
    options = {"before": found["backup"]["created"], "identity_file": IDENTITY}
    planned = server.succeed("restore", check=True, **options, **BACK)
    assert planned["backup_id"] == first["id"]
    result = server.succeed("restore", **options, **BACK)
    assert (result["backup_id"], result["method"]) == (first["id"], "stream")
    server.assert_seeded()
    assert server.succeed("restore", identity_file=IDENTITY, **BACK)["backup_id"] == second["id"]
    assert server.snapshot()["tables"] == changed["tables"]
    _nothing_stored_here(server)
    assert server.succeed("prune", check=True, keep_last=1, **WHERE)["removed"] == []
    third = server.succeed("backup", type="auto", **INTO)
    assert third["type"] == "full", "the server was restored since"
    decided = server.succeed("prune", check=True, keep_last=1, **WHERE)
    assert sorted(decided["removed"]) == [first["id"], second["id"]]
    assert len(_listed(server)) == 3
    assert sorted(server.succeed("prune", keep_last=1, **WHERE)["removed"]) == [first["id"], second["id"]]
    assert {name.split("/")[1] for name in storage.names(server, REMOTE)} == {third["id"]}
    assert [entry["id"] for entry in _listed(server)] == [third["id"]]


def test_more_than_small_parts_hold(server: Server, storage: Storage) -> None:
    """Storage that takes ten parts: rclone alone fails there; our parts grow, and those of an increment with it."""
    storage.stop()
    storage.start(parts=10)
    storage.configure(server, parts=10)
    limit = 10 * 5 << 20
    server.sql(
        "CREATE DATABASE wide; USE wide; CREATE TABLE wide.t (id INT PRIMARY KEY, v CHAR(255) NOT NULL) CHARACTER SET latin1;"
        "INSERT INTO wide.t SELECT seq, REPEAT('a', 255) FROM seq_1_to_170000;"
    )
    plain = f"head -c {limit + 1} /dev/zero | rclone --config={CONFIG} rcat {REMOTE}/plain"
    refused = server.run(["bash", "-c", f"set -o pipefail; {plain}"], check=False)
    assert refused.returncode != 0
    assert "Part number must be" in refused.stderr
    options = {**WHERE, "format": "stream", "compression": "none"}
    full = server.succeed("backup", **options)
    assert full["stored_bytes"] > limit
    server.sql("UPDATE wide.t SET v = REPEAT('b', 255)")
    changed = server.snapshot()
    increment = server.succeed("backup", type="incremental", **options)
    assert increment["base_id"] == full["id"]
    assert increment["stored_bytes"] > limit
    server.sql("DROP DATABASE wide")
    assert server.succeed("restore", **BACK)["backup_id"] == increment["id"]
    assert server.snapshot()["tables"] == changed["tables"]


def test_sftp_and_another_host(server: Server, storage: Storage, take: Callable[..., Server]) -> None:
    """A restore on a host that never saw the backup: from SFTP by its instance, and from S3 by hand with RESTORE.txt."""
    where = {"repository": f"shell:{FOLDER}", "rclone_config": CONFIG}
    taken = server.succeed("backup", **where, format="stream", compression="lz4")
    other = take("trixie", start=True)
    assert other.name != server.name
    storage.configure(other)
    other.dataset("change")
    other.fail("restore", "There is no backup of", server.out("hostname"), existing_data="delete", **where)
    instance = server.out("hostname")
    assert other.succeed("restore", existing_data="delete", instance=instance, **where)["backup_id"] == taken["id"]
    other.assert_seeded()
    # By hand: an increment in S3, encrypted, of an instance with a name that a shell would take apart.
    into = {**INTO, "instance": ODD, "encryption_recipients": [_key(other)]}
    full = server.succeed("backup", **into)["id"]
    server.dataset("change")
    changed = server.snapshot()
    increment = server.succeed("backup", type="incremental", **into)
    assert increment["base_id"] == full
    text = other.out(["rclone", f"--config={CONFIG}", "cat", f"{REMOTE}/{ODD}/{increment['id']}/RESTORE.txt"])
    done = other.run(["bash", "-c", pasted(text).replace("/root/identity.txt", IDENTITY)], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert other.snapshot()["tables"] == changed["tables"]


def _schedule(
    books: Playbooks, server: Server, schedule: dict[str, Any], place: dict[str, Any], *arguments: str
) -> dict[str, Any]:
    play = books.succeed(
        "dba.mariabackup.schedule", *arguments, mariabackup_hosts=server.name, mariabackup_schedules=[schedule], **place
    )
    assert SECRET not in play.output
    (found,) = play.result("schedule")["results"]
    return dict(found)


def test_five_minutes(
    server: Server, storage: Storage, take: Callable[..., Server], playbooks: Callable[[], Playbooks]
) -> None:
    """What the README promises: a schedule of encrypted full backups and increments in a bucket, restored onto another host."""
    other = take("trixie")
    books = playbooks()
    # The secret key is on the host that restores, and nowhere else.
    options = {"type": "auto", "full_every": "23h", "format": "stream", "compression": "zstd",
               "encryption_recipients": [_key(other)]}  # fmt: skip
    schedule = {"name": "hourly", "on_calendar": "hourly", "backup_options": options,
                "retention": {"keep_within": "2d", "keep_daily": 14},
                "copy_to": f"shell:{FOLDER}", "copy_retention": {"keep_last": 1}}  # fmt: skip
    place = {"mariabackup_repository": REMOTE, "mariabackup_rclone_remotes": storage.remotes()}
    more = ("-vvvv", "--diff")
    books.succeed("dba.mariabackup.install", mariabackup_hosts=server.name)
    planned = _schedule(books, server, schedule, place, "--check", *more)
    assert planned["changed"]
    assert not server.exists("/etc/mariabackup")
    assert _schedule(books, server, schedule, place, *more)["changed"]
    assert not _schedule(books, server, schedule, place)["changed"]
    found = server.run(f"grep -rlF {SECRET} /etc {STATE_DIR} /var/log /tmp /run/systemd", check=False).stdout
    assert found == f"{KEPT}\n"
    assert server.out(f"stat -c '%a %U' {KEPT}") == "600 root"
    with watch_for_secret(server, SECRET) as seen:
        server.run("systemctl start mariabackup-hourly.service")
    assert seen == []
    server.dataset("change")
    changed = server.snapshot()
    server.run("systemctl start mariabackup-hourly.service")
    listed = server.succeed("backup_info", max_age="2h", **WHERE)
    assert [entry["type"] for entry in listed["backups"]] == ["full", "incremental"]
    (run,) = listed["scheduled_runs"]
    assert (run["ok"], run["backup_id"]) == (True, listed["backups"][1]["id"]), show(run)
    copies = server.succeed("backup_info", repository=f"shell:{FOLDER}", rclone_config=CONFIG)["backups"]
    assert [entry["id"] for entry in copies] == [entry["id"] for entry in listed["backups"]]
    assert not server.exists(IDENTITY)
    _nothing_stored_here(server)
    restored = books.succeed(
        "dba.mariabackup.restore", *more, mariabackup_hosts=other.name, mariabackup_instance=server.out("hostname"),
        mariabackup_identity_file=IDENTITY, mariabackup_existing_data="keep", **place,
    )  # fmt: skip
    assert restored.result("restore")["backup_id"] == listed["backups"][1]["id"]
    assert SECRET not in restored.output
    assert other.snapshot()["tables"] == changed["tables"]
    # A file of the host instead, and then no schedule: what was kept goes.
    assert _schedule(
        books, server, schedule, {**place, "mariabackup_rclone_remotes": {}, "mariabackup_rclone_config": CONFIG}
    )
    assert not server.exists(KEPT)
    assert _schedule(books, server, schedule, place)["actions"] == [f"write {KEPT}", f"write {KEPT[:-12]}.json"]
    _schedule(books, server, {"name": "hourly", "state": "absent"}, {})
    assert not server.exists("/etc/mariabackup")


def test_storage_that_fails(server: Server, storage: Storage) -> None:
    """Not reachable, wrong key, no such remote, an open configuration, a connection that is lost: named, and nothing is left."""
    server.fail("backup", "holds streams only", "format", **WHERE)
    server.run(f"chmod 0644 {CONFIG}")
    server.fail("backup", "open to others", **INTO)
    server.run(f"chmod 0600 {CONFIG}")
    server.fail("backup", "rclone", "Correct repository", **{**INTO, "repository": "nowhere:backups"})
    server.run(
        "mv /root/test-sftp /root/test-right && ssh-keygen -q -t ed25519 -N '' -f /root/test-sftp <<< y >/dev/null"
    )
    server.fail("backup", "rclone failed", "credentials", **{**INTO, "repository": f"shell:{FOLDER}"})
    server.run("mv /root/test-right /root/test-sftp")
    running = server.start_module("backup", throttle=1, **INTO)
    with frozen(server, wait_program(server, TOOL)):
        storage.stop()
    result = running.result()
    assert result.get("failed"), show(result)
    assert "rclone" in result["msg"], show(result)
    server.fail("backup_info", "rclone failed", "answers from this host", **WHERE)
    storage.start()
    server.succeed("backup", **INTO)
    pid = server.server_pid()
    storage.stop()
    server.fail("restore", "rclone failed", **BACK)
    assert server.server_pid() == pid
    server.assert_seeded()


def test_a_connection_that_is_lost(server: Server, storage: Storage) -> None:
    """In the middle of an upload: an earlier backup survives. In the middle of a restore: the old data serves on. Both: once more."""
    where = {"repository": f"shell:{FOLDER}", "rclone_config": CONFIG}
    # Longer than what rclone reads ahead.
    into = {**where, "format": "stream", "compression": "none"}
    first = server.succeed("backup", **into)["id"]
    running = server.start_module("backup", throttle=1, **into)
    stored = f"find {FOLDER} -name backup.mbstream -size +0 -not -path '*{first}*'"
    wait_for(lambda: storage.host.out(stored), "an upload has begun", pause=0.1)
    with storage.disconnected():
        result = running.result()
        server.fail("backup_info", "rclone failed", "answers from this host", **where)
    assert "rclone rcat failed" in result["msg"], show(result)
    assert "answers from this host" in result["msg"], show(result)
    half = storage.host.out(stored)
    assert half, "the upload was through"
    assert not storage.host.exists(f"{half.rpartition('/')[0]}/manifest.json")
    found = server.succeed("backup_info", verify=True, **where)
    assert ([entry["id"] for entry in found["backups"]], found["valid"]) == ([first], True), show(found)
    server.dataset("change")
    changed, pid = server.snapshot(), server.server_pid()
    options = {**where, "existing_data": "delete", "bandwidth_limit": "24M"}
    running = server.start_module("restore", **options)
    with contextlib.ExitStack() as cut:
        # Seen from here, because the way into a busy host takes longer than the extraction.
        wait_for(lambda: list(server.path("/var/lib").glob("mysql.restore-*/*")), "some of it is there", pause=0.002)
        with frozen(server, wait_program(server, ["mbstream"])):
            cut.enter_context(storage.disconnected())
        result = running.result()
    assert "rclone cat failed" in result.get("msg", ""), show(result)
    assert server.server_pid() == pid
    assert server.snapshot() == changed
    assert server.succeed("restore", **options)["backup_id"] == first
    server.assert_seeded()
    second = server.succeed("backup", **into)["id"]
    assert [entry["id"] for entry in _listed(server, **where)] == [first, second]


def test_an_account_that_may_remove_nothing(server: Server, storage: Storage) -> None:
    """Backups, after an upload that failed too, and restores; another account prunes."""
    storage.forbid_removing(server)
    instance, old = server.out("hostname"), "20200101T000000Z-aaaaaa"
    where = {"repository": f"keep:{FOLDER}", "rclone_config": CONFIG}
    into = {**where, "format": "stream", "compression": "zstd"}
    storage.host.run(f"mkdir -p {FOLDER}/{instance}/{old} && echo x > {FOLDER}/{instance}/{old}/backup.mbstream")
    first = server.succeed("backup", **into)
    assert f"{old}, an upload that died, cannot be removed" in str(first["warnings"])
    assert server.run(f"rclone --config={CONFIG} purge {where['repository']}/{instance}/{old}", check=False).returncode
    running = server.start_module("backup", throttle=1, **into)
    stored = f"find {FOLDER} -name backup.mbstream.zst -size +0 -not -path '*{first['id']}*'"
    wait_for(lambda: storage.host.out(stored), "an upload has begun", pause=0.1)
    kill_program(server, ["rclone"])
    assert "rclone rcat was ended by SIGKILL" in running.result()["msg"]
    half = storage.host.out(stored)
    assert half, "somebody has removed what was uploaded"
    server.dataset("change")
    changed = server.snapshot()
    second = server.succeed("backup", type="incremental", **into)
    assert second["base_id"] == first["id"]
    assert storage.host.out(f"ls {FOLDER}/{instance}").split() == [old, first["id"], half.split("/")[4], second["id"]]
    server.sql("DROP DATABASE dba_empty")
    assert server.succeed("restore", existing_data="delete", **where)["backup_id"] == second["id"]
    assert server.snapshot()["tables"] == changed["tables"]
    third = server.succeed("backup", **into)
    server.fail("prune", "rclone failed", "what they are allowed", keep_last=1, **where)
    found = server.succeed("backup_info", verify=True, **where)
    assert [entry["id"] for entry in found["backups"]] == [first["id"], second["id"], third["id"]]
    assert found["valid"]
    elsewhere = {**where, "repository": f"shell:{FOLDER}"}
    assert sorted(server.succeed("prune", keep_last=1, **elsewhere)["removed"]) == [first["id"], second["id"]]
    assert storage.host.out(f"ls {FOLDER}/{instance}").split() == [half.split("/")[4], third["id"]]
    fourth = server.succeed("backup", type="incremental", **into)
    assert [entry["id"] for entry in _listed(server, **where)] == [third["id"], fourth["id"]]


def test_unfinished_uploads_are_cleaned_up(server: Server, storage: Storage) -> None:
    """kill -9 of rclone leaves the parts of an upload in S3, which no list of files shows; the next backup ends it.

    The S3 server of the tests says of every upload that it began in 2010.
    """
    unfinished = ["rclone", f"--config={CONFIG}", "backend", "list-multipart-uploads", REMOTE]
    running = server.start_module("backup", throttle=1, **WHERE, format="stream")
    wait_for(lambda: "UploadId" in server.out(unfinished), "an upload of many parts", pause=0.2)
    kill_program(server, ["rclone"])
    assert running.result().get("failed")
    assert "UploadId" in server.out(unfinished)
    assert _listed(server) == []
    server.succeed("backup", **INTO)
    assert "UploadId" not in server.out(unfinished)
    assert len(_listed(server)) == 1


def test_storage_that_is_full(server: Server, storage: Storage) -> None:
    """No room in the storage: said so, nothing is left there, and an earlier backup stays whole."""
    storage.host.mount("ext4", "40M", "/mnt/small", owner=None)
    where = {"repository": "shell:/mnt/small", "rclone_config": CONFIG}
    taken = server.succeed("backup", format="stream", compression="zstd", **where)["id"]
    before = storage.host.listing("/mnt/small")
    server.fail("backup", "rclone rcat failed", "has room", format="stream", **where)
    assert [name for name in storage.names(server, "shell:/mnt/small") if taken not in name] == []
    assert len(storage.host.listing("/mnt/small")) == len(before)
    assert server.succeed("backup_info", backup_id=taken, verify=True, **where)["valid"]
    server.assert_seeded()


def test_kills_and_damage(server: Server, storage: Storage) -> None:
    """kill -9 in the middle of an upload: no backup, and the next one works; what lies in the storage damaged is refused."""
    instance = server.out("hostname")
    where = {"repository": f"shell:{FOLDER}", "rclone_config": CONFIG}
    into = {**where, "format": "stream", "compression": "zstd"}
    for names in (("rclone",), TOOL):
        running = server.start_module("backup", throttle=1, **into)
        wait_program(server, TOOL)
        if names == TOOL:
            with frozen(server, wait_program(server, TOOL)):
                server.fail("backup", "a backup (process", check=True, **into)
                kill_runner(server)
        else:
            kill_program(server, names)
        assert running.result().get("failed")
        assert _listed(server, **where) == []
    # What nobody could remove, from a run that died long ago.
    old = "20200101T000000Z-aaaaaa"
    storage.host.run(f"mkdir -p {FOLDER}/{instance}/{old} && echo x > {FOLDER}/{instance}/{old}/backup.mbstream")
    taken = server.succeed("backup", **into)
    assert [entry["id"] for entry in _listed(server, **where)] == [taken["id"]]
    assert not storage.host.exists(f"{FOLDER}/{instance}/{old}")
    unit = f"{FOLDER}/{instance}/{taken['id']}"
    server.dataset("change")
    changed = server.snapshot()
    for damage, text, seen in (
        (f"printf x | dd of={unit}/backup.mbstream.zst bs=1 seek=100000 conv=notrunc status=none", "altered", False),
        (f"truncate -s -1 {unit}/backup.mbstream.zst", "in the manifest", True),
        (f"rm {unit}/backup.mbstream.zst", "is missing", True),
    ):
        storage.host.run(damage)
        server.fail("restore", text, **where, existing_data="delete")
        found = server.succeed("backup_info", backup_id=taken["id"], verify=True, **where)
        (problem,) = found["problems"]
        assert "backup.mbstream.zst" in problem, show(found)
        assert text in problem, show(found)
        assert server.snapshot() == changed
        planned = server.succeed("backup", check=True, type="auto", **into)
        assert planned["type"] == ("full" if seen else "incremental"), show(planned)
    # Nothing is built on it, and it takes no place of a good one.
    server.fail("backup", taken["id"], "is missing", type="incremental", **into)
    assert "backup.mbstream.zst is missing" in server.succeed("backup", type="auto", **into)["type_reason"]
    decided = server.succeed("prune", check=True, keep_last=1, **where)
    assert "backup.mbstream.zst is missing" in decided["decisions"][0]["reasons"][0]
    # Check mode sees what a restore on this host reads.
    set_breakpoint(server, "stage-before")
    running = server.start_module("restore", **where, existing_data="delete")
    wait_stopped(server, running)
    clear_breakpoints(server)
    decided = server.succeed("prune", check=True, keep_last=1, **where)
    assert "in use" in decided["decisions"][1]["reasons"], show(decided)
    proceed(server)
    assert not running.result().get("failed"), show(running.result())
    storage.host.run(f"rm {FOLDER}/{instance}/*/manifest.json")
    server.fail("restore", "There is no backup", **where, existing_data="delete")
    assert _listed(server, **where) == []
