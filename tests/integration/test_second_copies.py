# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups in another repository, and backups made by hand that are adopted: proven, killed, damaged on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.integration.harness.backups import raw_backup
from tests.integration.harness.faults import (
    clear_breakpoints,
    kill_runner,
    proceed,
    set_breakpoint,
    wait_stopped,
)
from tests.integration.harness.modules import Running
from tests.integration.harness.server import Server, show
from tests.integration.harness.storage import CONFIG, FOLDER, Storage

FIRST = "/srv/repository"
SECOND = "/mnt/second/repository"
HAND = "/srv/by-hand"
IDENTITY = "/root/test-identity"
FLIP = "printf x | dd of={} bs=1 seek=5000 conv=notrunc status=none"


def _copy(server: Server, **options: Any) -> dict[str, Any]:
    return server.succeed("copy_backup", repository=FIRST, to=SECOND, **options)


def _top(server: Server, repository: str = SECOND) -> str:
    return f"{repository}/{server.out('hostname')}"


def _stopped(server: Server, point: str, module: str, **options: Any) -> Running:
    """Start a module and wait until its job stands at a point."""
    set_breakpoint(server, point)
    running = server.start_module(module, **options)
    wait_stopped(server, running)
    clear_breakpoints(server)
    return running


@pytest.mark.suites("bookworm")
def test_copy_and_restore_from_the_copy(server: Server) -> None:
    """The copy is the backup, byte for byte, is found by every module, pruned by itself, and restores the server."""
    taken = server.succeed("backup", repository=FIRST, label="the first")["id"]
    server.dataset("change")
    changed = server.snapshot()
    newest = server.succeed("backup", repository=FIRST, checksum="none")["id"]
    planned = _copy(server, check=True, diff_mode=True, backup_id=taken)
    assert not server.exists(SECOND)
    done = _copy(server, backup_id=taken, diff_mode=True)
    for name in ("id", "path", "chain", "copied", "size_bytes", "files", "changed", "diff"):
        assert done[name] == planned[name], name
    assert done["path"] == f"{_top(server)}/{taken}"
    assert (done["copied"], done["chain"]) == ([taken], [taken])
    original, arrived = server.checksums(f"{_top(server, FIRST)}/{taken}"), server.checksums(done["path"])
    assert original.pop("RESTORE.txt") != arrived.pop("RESTORE.txt")
    assert original == arrived
    assert server.out(f"cd {done['path']} && stat -c '%a %n' . *").splitlines() == [
        "700 .", "600 RESTORE.txt", "600 configuration.json", "700 data", "600 files.json", "600 manifest.json"
    ]  # fmt: skip
    text = server.host.get(f"{done['path']}/RESTORE.txt")
    assert f"BACKUP={done['path']}\n" in text
    assert FIRST + "/" not in text.replace(SECOND, "")
    again = _copy(server, backup_id=taken)
    assert (again["changed"], again["copied"]) == (False, [])
    assert _copy(server, before="2036-01-01")["id"] == newest
    verified = server.succeed("backup_info", repository=SECOND, backup_id=taken, verify=True)
    assert (verified["valid"], verified["verified"]) == (True, "sha256")
    # What the first repository loses, the second has.
    server.succeed("prune", repository=FIRST, keep_last=1)
    server.run(["rm", "-rf", FIRST])
    options = {"repository": SECOND, "existing_data": "delete"}
    server.succeed("restore", backup_id=taken, **options)
    server.assert_seeded()
    server.succeed("restore", **options)
    assert server.snapshot()["tables"] == changed["tables"]
    assert server.succeed("prune", repository=SECOND, keep_last=1)["removed"] == [taken]


@pytest.mark.suites("trixie")
def test_copies_that_are_refused(server: Server) -> None:
    """A damaged source, damage on the way, another backup with the id, a copy that lost a file, one repository twice."""
    taken = server.succeed("backup", repository=FIRST)["id"]
    source, target = f"{_top(server, FIRST)}/{taken}", f"{_top(server)}/{taken}"
    both = {"repository": FIRST, "to": SECOND}
    server.fail("copy_backup", "lie inside of each other", repository=FIRST, to=f"{FIRST}/../repository")
    server.fail("copy_backup", "lie inside of each other", repository=FIRST, to=f"{FIRST}/second")
    server.fail("copy_backup", "There is no backup 20", **both, backup_id="20200101T000000Z-abcdef")
    server.fail("copy_backup", "There is no backup of nobody", **both, instance="nobody")
    # On the way.
    for damage in (FLIP.format("{}/data/ibdata1"), "truncate -s -1 {}/files.json"):
        running = _stopped(server, "copy-verify", "copy_backup", **both)
        server.run(damage.format(f"{target}.partial"))
        proceed(server)
        result = running.result()
        assert "is not what was sent" in result["msg"], show(result)
        assert result["failed_phase"] == "verify"
        assert not server.exists(_top(server))
    # At the source, which is then in nobody's second repository.
    server.run(f"cp -a {source}/data/ibdata1 /srv/ibdata1 && {FLIP.format(source + '/data/ibdata1')}")
    server.fail("copy_backup", "ibdata1", **both)
    server.run(f"mv {source}/data/ibdata1 /srv/damaged")
    server.fail("copy_backup", "ibdata1", **both)
    server.run(f"cp -a /srv/ibdata1 {source}/data/ibdata1")
    assert not server.exists(_top(server))
    _copy(server)
    server.run(f"rm {target}/data/ibdata1")
    server.fail("copy_backup", "is damaged: ibdata1 is missing", **both)
    server.fail("copy_backup", "is damaged: ibdata1 is missing", **both, check=True)
    server.run(f'sed -i \'s/"label": null/"label": "x"/\' {target}/manifest.json')
    server.fail("copy_backup", "Another backup has this id already", **both)
    server.run(f"rm -r {target} && mkdir {target} && touch {target}/x")
    server.fail("copy_backup", "is not empty", **both)
    server.run(f"rm -r {target}")
    server.mount("ext4", "60M", "/mnt/small", owner=None)
    result = server.fail("copy_backup", "not enough room for the copy", repository=FIRST, to="/mnt/small/repository")
    assert result["bytes_needed"] > result["bytes_free"]
    assert server.succeed("backup_info", repository=FIRST, verify=True)["valid"]


@pytest.mark.suites("trixie")
def test_a_copy_that_is_killed_or_meets_a_prune(server: Server) -> None:
    """kill -9 half-way leaves no backup, and the same task again makes it whole; what is being copied is not pruned."""
    old = server.succeed("backup", repository=FIRST)["id"]
    new = server.succeed("backup", repository=FIRST)["id"]
    both = {"repository": FIRST, "to": SECOND}
    for point in ("copy-verify", "copy-commit"):
        running = _stopped(server, point, "copy_backup", **both)
        kill_runner(server)
        assert "failed" in running.result()
        assert server.succeed("backup_info", repository=SECOND)["backups"] == []
        assert server.out(["ls", "-A", _top(server)]).split() == [f"{new}.partial", f"{new}.partial.owner"]
    running = _stopped(server, "copy-verify", "copy_backup", **both, backup_id=old)
    assert server.out(["ls", "-A", _top(server)]).split() == [f"{old}.partial", f"{old}.partial.owner"]
    kept = server.succeed("prune", repository=FIRST, keep_last=1)
    assert (kept["removed"], kept["decisions"][0]["reasons"]) == ([], ["in use"])
    server.fail("prune", "a copy (process", repository=SECOND, keep_last=1)
    server.fail("copy_backup", "a copy (process", **both)
    proceed(server)
    assert not running.result().get("failed"), show(running.result())
    assert _copy(server)["copied"] == [new]
    for name in (old, new):
        assert server.succeed("backup_info", repository=SECOND, backup_id=name, verify=True)["valid"]


@pytest.mark.suites("trixie")
def test_copies_from_and_to_remote_storage(server: Server, take: Callable[..., Server]) -> None:
    """An encrypted chain from this host to S3, from there to SFTP, and back; damage and a kill on the way; each restores."""
    storage = Storage(take("bookworm", start=False, data=False))
    storage.configure(server)
    server.run(f"age-keygen -o {IDENTITY} 2>/dev/null; chmod 0600 {IDENTITY}")
    stream: dict[str, Any] = {"repository": FIRST, "format": "stream", "compression": "zstd"}
    stream["encryption_recipients"] = [server.out(["age-keygen", "-y", IDENTITY])]
    full = server.succeed("backup", **stream)["id"]
    server.dataset("change")
    changed = server.snapshot()
    last = server.succeed("backup", **stream, type="incremental")["id"]
    instance = server.out("hostname")
    s3, sftp = "store:backups", f"shell:{FOLDER}"
    up: dict[str, Any] = {"repository": FIRST, "to": sftp, "rclone_config": CONFIG}
    planned = server.succeed("copy_backup", check=True, **up)
    assert (planned["copied"], planned["path"]) == ([full, last], f"{sftp}/{instance}/{last}")
    assert storage.names(server, sftp) == []
    # Damage on the way, and a kill: in neither case is there a backup.
    file = f"{FOLDER}/{instance}/{full}/backup.mbstream.zst.age"
    running = _stopped(server, "copy-verify", "copy_backup", **up)
    storage.host.run(FLIP.format(file))
    proceed(server)
    result = running.result()
    assert result["failed_phase"] == "verify", show(result)
    assert storage.names(server, sftp) == []
    running = _stopped(server, "copy-commit", "copy_backup", **up)
    kill_runner(server)
    assert running.result().get("failed")
    assert server.succeed("backup_info", repository=sftp, rclone_config=CONFIG)["backups"] == []
    done = server.succeed("copy_backup", **up)
    assert (done["copied"], done["chain"]) == ([full, last], [full, last])
    assert server.succeed("copy_backup", **up)["changed"] is False
    for name in (full, last):
        for part in ("manifest.json", "backup.mbstream.zst.age"):
            here = server.out(f"sha256sum < {_top(server, FIRST)}/{name}/{part}")
            assert storage.host.out(f"sha256sum < {FOLDER}/{instance}/{name}/{part}") == here
    assert f"{sftp}/{instance}/{last}" in storage.host.host.get(f"{FOLDER}/{instance}/{last}/RESTORE.txt")
    # What the second place has lost since is seen there, not in what this host remembers of it.
    storage.host.run(f"mv {file} /srv/aside")
    server.fail("copy_backup", "is damaged: backup.mbstream.zst.age is missing or cut", **up)
    storage.host.run(f"mv /srv/aside {file}")
    assert server.succeed("copy_backup", **up)["changed"] is False
    # From one remote to another, and back to a directory of this host.
    server.run(["rm", "-rf", FIRST])
    across = {"repository": sftp, "to": s3, "rclone_config": CONFIG}
    assert server.succeed("copy_backup", **across)["copied"] == [full, last]
    back = {"repository": s3, "to": SECOND, "rclone_config": CONFIG}
    assert server.succeed("copy_backup", **back, backup_id=full)["copied"] == [full]
    assert server.succeed("copy_backup", **back)["copied"] == [last]
    assert f"BACKUP={_top(server)}/{last}\n" in server.host.get(f"{_top(server)}/{last}/RESTORE.txt")
    for place in ({"repository": s3, "rclone_config": CONFIG}, {"repository": SECOND}):
        found = server.succeed("backup_info", backup_id=last, verify=True, identity_file=IDENTITY, **place)
        assert found["valid"], show(found)
    options: dict[str, Any] = {"existing_data": "delete", "identity_file": IDENTITY}
    server.succeed("restore", repository=s3, rclone_config=CONFIG, backup_id=full, **options)
    server.assert_seeded()
    server.succeed("restore", repository=SECOND, **options)
    assert server.snapshot()["tables"] == changed["tables"]
    # What remote storage cannot hold, and one place twice.
    files = server.succeed("backup", repository=SECOND)["id"]
    server.fail("copy_backup", "holds streams only", files, repository=SECOND, to=s3, rclone_config=CONFIG)
    server.fail("copy_backup", "lie inside of each other", repository=s3, to=f"{s3}/second", rclone_config=CONFIG)


def test_a_backup_made_by_hand_is_adopted(server: Server) -> None:
    """Proven, hashed, described by what the tool wrote; from then on damage is found, and it restores as before."""
    raw_backup(server, HAND)
    files = server.checksums(HAND)
    server.dataset("change")
    options = {"target_dir": HAND, "adopt": True}
    planned = server.succeed("backup_info", **options, check=True, diff_mode=True)
    assert planned["changed"]
    assert not server.exists(f"{HAND}.manifest.json")
    done = server.succeed("backup_info", **options, diff_mode=True)
    assert (done["changed"], done["valid"], done["verified"]) == (True, True, "sizes")
    assert done["diff"] == planned["diff"]
    assert done["log_path"]
    manifest = json.loads(server.host.get(f"{HAND}.manifest.json"))
    assert server.out(f"stat -c %a {HAND}.manifest.json") == "600"
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == files
    made = datetime.fromisoformat(manifest["created"].replace("Z", "+00:00"))
    assert 0 <= (datetime.now(timezone.utc) - made).total_seconds() < 120
    assert re.fullmatch(rf"{made:%Y%m%dT%H%M%SZ}-[0-9a-f]{{6}}", manifest["id"])
    assert (manifest["host"], manifest["type"], manifest["prepared"]) == ("unknown", "full", False)
    assert re.fullmatch(r"[\d.]+", manifest["tool_version"])
    assert server.succeed("backup_info", **options)["changed"] is False
    assert server.succeed("backup_info", target_dir=HAND, verify=True)["verified"] == "sha256"
    assert server.checksums(HAND) == files
    server.succeed("restore", target_dir=HAND, existing_data="delete", manifest="require")
    server.assert_seeded()
    server.run(FLIP.format(f"{HAND}/ibdata1"))
    assert server.succeed("backup_info", target_dir=HAND, verify=True)["problems"]


@pytest.mark.suites("trixie")
def test_what_is_not_adopted(server: Server) -> None:
    """What could not be restored, what has a manifest; a kill in the middle leaves nothing, and the same task again ends it."""
    server.fail("backup_info", "is not a directory", target_dir="/srv/none", adopt=True)
    assert "missing" in server.run_module("backup_info", repository=FIRST, adopt=True)["msg"]
    raw_backup(server, HAND)
    server.run(f"cp -a {HAND} /srv/bad && rm /srv/bad/ibdata1")
    result = server.fail("backup_info", "ibdata1 is missing", target_dir="/srv/bad", adopt=True)
    assert result["problems"]
    server.run(f"mariadb-backup --user=root --backup --target-dir=/srv/inc --incremental-basedir={HAND} 2>/srv/log")
    server.fail("backup_info", "incremental", target_dir="/srv/inc", adopt=True)
    running = _stopped(server, "adopt-before", "backup_info", target_dir=HAND, adopt=True)
    # Nobody changes it meanwhile.
    server.fail("prepare", "is in use", target_dir=HAND, in_place=True)
    kill_runner(server)
    assert running.result().get("failed")
    assert server.out("ls /srv/*.manifest.json 2>/dev/null || true") == ""
    adopted = server.succeed("backup_info", target_dir=HAND, adopt=True, checksum="none")
    assert adopted["changed"]
    manifest = json.loads(server.host.get(f"{HAND}.manifest.json"))
    assert manifest["checksum"] == "none"
    server.host.put("{", f"{HAND}.manifest.json")
    server.fail("backup_info", "cannot be used", target_dir=HAND, adopt=True)
    assert server.host.get(f"{HAND}.manifest.json") == "{"
    # A prepared one, whose state is seen.
    server.run(f"rm {HAND}.manifest.json && mariadb-backup --prepare --target-dir={HAND} 2>/srv/log")
    assert server.succeed("backup_info", target_dir=HAND, adopt=True)["backup"]["prepared"]
    server.dataset("change")
    server.succeed("restore", target_dir=HAND, existing_data="delete", manifest="require")
    server.assert_seeded()
