# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as one stream: compressed and encrypted on the way into a repository, and restored out of it onto the datadir's disk."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.harness.backups import BACKUP_KEYS
from tests.integration.harness.faults import (
    TOOL,
    clear_breakpoints,
    frozen,
    kill_program,
    kill_runner,
    set_breakpoint,
    wait_program,
    wait_stopped,
)
from tests.integration.harness.modules import Result
from tests.integration.harness.server import Server, assert_same, show
from tests.support.by_hand import pasted

REPOSITORY = "/srv/repository"
IDENTITY = "/root/test-identity"
INTO = {"repository": REPOSITORY, "format": "stream"}
BACK: dict[str, Any] = {"repository": REPOSITORY, "existing_data": "delete"}


def _key(server: Server, path: str = IDENTITY) -> str:
    """Make a secret key and return the public one."""
    server.run(f"rm -f {path}; age-keygen -o {path} 2>/dev/null; chmod 0600 {path}")
    return server.out(["age-keygen", "-y", path])


def _take(server: Server, **options: Any) -> Result:
    return server.succeed("backup", **{**INTO, **options})


def _unit(server: Server, taken: Result) -> str:
    return f"{REPOSITORY}/{server.out('hostname')}/{taken['id']}"


def _names(server: Server) -> list[str]:
    return server.out(f"ls -A {REPOSITORY}/$(hostname) 2>/dev/null || true").split()


# With levels and threads, and how the programs are told.
COMPRESSIONS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "walk"),
    "zstd": ({"compression_level": 5, "compression_threads": 2}, "zstd -T2 -5 -q -c"),
    "lz4": ({"compression_level": 4}, "lz4 -4 -q -c"),
    "gzip": ({"compression_level": 2, "compression_threads": 2}, "pigz -p 2 -2 -c"),
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_take_and_restore(server: Server, compression: str) -> None:
    """One file, nothing else of the data; restored it is the same data."""
    more, program = COMPRESSIONS[compression]
    options = {"compression": compression, "parallel": 2, **more}
    planned = server.succeed("backup", check=True, **{**INTO, **options})
    assert planned["changed"]
    assert not server.exists(REPOSITORY)
    taken = _take(server, **options)
    assert set(taken) >= BACKUP_KEYS
    assert program in server.host.get(taken["log_path"])
    ending = {"none": "", "zstd": ".zst", "lz4": ".lz4", "gzip": ".gz"}[compression]
    unit = _unit(server, taken)
    assert server.out(["ls", "-A", unit]).split() == [
        "RESTORE.txt", f"backup.mbstream{ending}", "configuration.json", "files.json", "manifest.json", "metadata"
    ]  # fmt: skip
    assert (taken["compression"], taken["encrypted"], taken["prepared"]) == (compression, False, False)
    stored = int(server.out(f"stat -c %s {unit}/backup.mbstream{ending}"))
    assert taken["stored_bytes"] == stored
    assert stored < taken["size_bytes"] or compression == "none"
    server.dataset("change")
    found = server.succeed("backup_info", repository=REPOSITORY, verify=True)
    assert (found["valid"], found["verified"]) == (True, "stream"), show(found)
    assert found["backup"]["compression"] == compression
    planned = server.succeed("restore", check=True, **BACK)
    assert any("extract" in step["action"] for step in planned["plan"]), show(planned)
    result = server.succeed("restore", **BACK)
    assert result["method"] == "stream"
    assert result["backup_id"] == taken["id"]
    assert result["files"] == taken["files"]
    server.assert_seeded()


@pytest.mark.suites("trixie", "bullseye")
def test_encrypted(server: Server) -> None:
    """Encrypted for two keys: each of them restores, no other does, and the host that takes it needs none."""
    first, second = _key(server), _key(server, "/root/test-second")
    _key(server, "/root/test-other")
    server.run(f"mv {IDENTITY} /root/test-first")
    taken = _take(server, compression="zstd", encryption_recipients=[first, second])
    assert taken["encrypted"]
    server.run("mv /root/test-first " + IDENTITY)
    server.dataset("change")
    changed = server.snapshot()
    pid = server.server_pid()
    server.fail("restore", "is encrypted", "identity_file", **BACK)
    server.fail("restore", "does not exist", identity_file="/root/test-none", **BACK)
    server.fail("restore", "does not fit this backup", identity_file="/root/test-other", **BACK)
    server.run("cp /root/test-second /root/test-open; chmod 0644 /root/test-open")
    server.fail("restore", "open to others", identity_file="/root/test-open", **BACK)
    assert server.server_pid() == pid
    assert server.snapshot() == changed
    assert server.out("ls -d /var/lib/mysql.* 2>/dev/null || true") == ""
    found = server.succeed("backup_info", repository=REPOSITORY, verify=True)
    assert (found["valid"], found["verified"]) == (True, "sha256")
    found = server.succeed("backup_info", repository=REPOSITORY, verify=True, identity_file="/root/test-second")
    assert (found["valid"], found["verified"]) == (True, "stream")
    server.succeed("restore", identity_file=IDENTITY, **BACK)
    server.assert_seeded()
    server.dataset("change")
    server.succeed("restore", identity_file="/root/test-second", **BACK)
    server.assert_seeded()
    assert "AGE-SECRET" not in server.out("cat /var/lib/mariabackup/jobs/*/*")


@pytest.mark.suites("bookworm", "trixie")
def test_by_hand_to_the_letter(server: Server) -> None:
    """RESTORE.txt of an encrypted stream: its commands, put into one shell as they stand, restore the server."""
    taken = _take(server, compression="zstd", encryption_recipients=[_key(server)])
    server.dataset("change")
    text = server.host.get(f"{_unit(server, taken)}/RESTORE.txt").replace("/root/identity.txt", IDENTITY)
    script = pasted(text)
    done = server.run(["bash", "-c", script], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    server.assert_seeded()
    server.run("rm -rf /var/lib/mysql.old")
    pid = server.server_pid()
    server.run(f"truncate -s -100 {_unit(server, taken)}/backup.mbstream.zst.age")
    done = server.run(["bash", "-c", script], check=False)
    assert done.returncode != 0, "a stream that was cut went unnoticed"
    assert server.server_pid() == pid, "the server was stopped"


@pytest.mark.suites("trixie", "bullseye")
def test_chain_of_streams(server: Server) -> None:
    """Increments as streams, one of them encrypted, and one as files: restored at each link, prepared, and by hand."""
    key = _key(server)
    shots = [server.snapshot()]
    taken = [_take(server, compression="zstd")]
    for options in ({"encryption_recipients": [key], "compression": "lz4"}, {"format": "directory"}, {}):
        server.sql(f"CREATE DATABASE link{len(taken)}; CREATE TABLE link{len(taken)}.t (a INT) ENGINE=InnoDB;"
                   f"INSERT INTO link{len(taken)}.t VALUES ({len(taken)})")  # fmt: skip
        shots.append(server.snapshot())
        taken.append(_take(server, type="incremental", **options))
    assert [link["base_id"] for link in taken] == [None, *(link["id"] for link in taken[:-1])]
    assert taken[1]["stored_bytes"] < taken[0]["stored_bytes"]
    found = server.succeed("backup_info", repository=REPOSITORY, verify=True, identity_file=IDENTITY)
    assert found["valid"], show(found)
    assert found["backups"][-1]["chain"] == [link["id"] for link in taken]
    server.fail("restore", "is encrypted", backup_id=taken[3]["id"], **BACK)
    for number in (3, 1, 0):
        result = server.succeed("restore", backup_id=taken[number]["id"], identity_file=IDENTITY, **BACK)
        assert result["backup_id"] == taken[number]["id"]
        assert_same(shots[number], server.snapshot(check=True))
    prepared = {"dest": "/srv/backup/prepared", "identity_file": IDENTITY, "backup_id": taken[3]["id"]}
    server.succeed("prepare", repository=REPOSITORY, **prepared)
    server.succeed("restore", target_dir="/srv/backup/prepared", existing_data="delete")
    assert_same(shots[3], server.snapshot())
    server.dataset("change")
    text = server.host.get(f"{_unit(server, taken[3])}/RESTORE.txt").replace("/root/identity.txt", IDENTITY)
    script = pasted(text)
    done = server.run(["bash", "-c", script], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same(shots[3], server.snapshot())


@pytest.mark.suites("trixie")
def test_prepared_copy(server: Server) -> None:
    """prepare makes a prepared directory out of a stream, which is a backup like any other."""
    _take(server, compression="lz4", label="the stream")
    server.dataset("change")
    server.fail("prepare", "stays as it was taken", repository=REPOSITORY, in_place=True)
    result = server.succeed("prepare", repository=REPOSITORY, dest="/srv/backup/prepared")
    assert result["prepared"]
    found = server.succeed("backup_info", target_dir="/srv/backup/prepared", verify=True)
    assert (found["valid"], found["verified"], found["backup"]["label"]) == (True, "sha256", "the stream")
    server.succeed("restore", target_dir="/srv/backup/prepared", existing_data="delete")
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_under_load_with_ddl(server: Server) -> None:
    """Tables made, renamed and dropped while the stream is written: it holds what its list says, and restores."""
    server.bank("setup")
    server.bank("start")
    for number in range(12):
        server.sql(f"CREATE DATABASE IF NOT EXISTS moving; CREATE TABLE moving.t{number} (a INT PRIMARY KEY, b BLOB)")
    running = server.start_module("backup", throttle=200, **INTO)
    number = 0
    while not running.done():
        server.sql(
            f"RENAME TABLE moving.t{number % 12} TO moving.r{number}; DROP TABLE moving.r{number};"
            f"CREATE TABLE moving.t{number % 12} (a INT PRIMARY KEY, b BLOB); INSERT INTO moving.t{number % 12} VALUES (1, 'x')"
        )
        number += 1
    taken = running.result()
    assert not taken.get("failed"), show(taken)
    server.bank("stop")
    result = server.succeed("restore", **BACK)
    assert result["backup_id"] == taken["id"]
    server.bank("check")
    tables = server.out("ls /var/lib/mysql/moving").split()
    assert tables
    assert "OK" in server.out("mariadb-check --all-databases")


@pytest.mark.suites("trixie")
@pytest.mark.parametrize(
    ("damage", "texts", "seen"),
    [
        ("truncate -s -1 {0}", ["has ", "in the manifest"], "in the manifest"),
        ("printf x | dd of={0} bs=1 seek=300000 conv=notrunc status=none", ["has been altered"], ""),
        ("rm {0}", ["is missing"], "is missing"),
        ("mv {0} {0}.x && ln -s {0}.x {0}", ["is not a regular file"], "is not a regular file"),
        ("sed -i 's/backup.mbstream/..\\/..\\/x/' $(dirname {0})/manifest.json", ["cannot be used", "../../x"], ""),
    ],
    ids=["cut", "flipped", "missing", "link", "path"],
)
def test_damaged_streams(server: Server, damage: str, texts: list[str], seen: str) -> None:
    """What is damaged is named; the server goes on with its data, and nothing is left behind."""
    taken = _take(server)
    server.run(damage.format(f"{_unit(server, taken)}/backup.mbstream"))
    pid = server.server_pid()
    found = server.run_module("backup_info", repository=REPOSITORY, backup_id=taken["id"], verify=True)
    told = found["msg"] if found.get("failed") else " ".join(found["problems"])
    assert all(text in told for text in ("backup.mbstream" if seen else "backup", *texts)), show(found)
    server.fail("restore", *texts, backup_id=taken["id"], **BACK)
    # Nothing is built on it, as far as a short look tells.
    if seen:
        server.fail("backup", taken["id"], seen, check=True, type="incremental", **INTO)
        planned = server.succeed("backup", check=True, type="auto", **INTO)
        assert planned["type"] == "full", show(planned)
        assert seen in planned["type_reason"]
    assert server.server_pid() == pid
    assert server.out("ls -d /var/lib/mysql.* 2>/dev/null || true") == ""
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_streams_without_a_checksum_are_still_proven(server: Server) -> None:
    """A stream whose manifest has no checksum: cut between two chunks, where mbstream says nothing, it is refused."""
    taken = _take(server, checksum="none")
    path = f"{_unit(server, taken)}/backup.mbstream"
    # The end of the last file goes: 8 + 1 + 1 + 4 bytes and its name.
    info = server.out(f"ls {_unit(server, taken)}/metadata | grep _info$ | grep -v binlog | grep -v slave | head -1")
    cut = 14 + len(info)
    server.run(f"truncate -s -{cut} {path}")
    assert server.run(f"mkdir /tmp/test-x && mbstream -x -C /tmp/test-x < {path}", check=False).returncode == 0
    size = int(server.out(f"stat -c %s {path}"))
    server.run(f'sed -i \'s/"size": {size + cut}/"size": {size}/\' {_unit(server, taken)}/manifest.json')
    found = server.succeed("backup_info", repository=REPOSITORY, verify=True)
    assert not found["valid"], show(found)
    assert "cut short" in found["problems"][0]
    server.fail("restore", "cut short", **BACK)
    # And inside of a chunk.
    server.run(f"truncate -s -20 {path}")
    server.run(f'sed -i \'s/"size": {size}/"size": {size - 20}/\' {_unit(server, taken)}/manifest.json')
    found = server.succeed("backup_info", repository=REPOSITORY, verify=True)
    assert "cut short in" in found["problems"][0], show(found)
    server.fail("restore", "cut short in", **BACK)
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_bad_input(server: Server) -> None:
    """Options that do not go together, programs that are missing: named before anything begins."""
    server.fail("backup", "format", compression="zstd", repository=REPOSITORY)
    server.fail("backup", "Set repository", target_dir="/srv/backup/x", format="stream")
    server.fail("backup", "not prepared", prepare=True, **INTO)
    server.fail("backup", "out of range", compression="gzip", compression_level=12, **INTO)
    result = server.fail("backup", "is not a public key", encryption_recipients=["age1nonsense"], **INTO)
    assert "nonsense" not in result["msg"]
    server.hide("zstd")
    server.fail("backup", "zstd is not installed", compression="zstd", **INTO)
    assert not server.exists(REPOSITORY)
    _take(server, compression="lz4")
    server.hide("lz4")
    server.fail("restore", "lz4 is not installed", **BACK)
    server.fail("restore", "copier is rsync", copier="rsync", **BACK)
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_full_disk(server: Server) -> None:
    """The disk of the repository fills up while the stream is written: the place is named, and nothing is kept of it."""
    server.mount("ext4", "64M", REPOSITORY, owner=None)
    server.run(f"fallocate -l $(( $(stat -f -c '%a * %S' {REPOSITORY}) - (4 << 20) )) {REPOSITORY}/ballast")
    result = server.fail("backup", "No space left", compression="lz4", **INTO)
    assert result["failed_phase"] == "backup", show(result)
    assert _names(server) == []
    server.run(f"rm {REPOSITORY}/ballast")


@pytest.mark.suites("trixie")
def test_kills(server: Server) -> None:
    """kill -9 of the tool, of a program of the pipe and of our process: no backup, the server goes on, the next run works."""
    options = {**INTO, "compression": "gzip", "throttle": 3}
    for names in (TOOL, ("gzip", "pigz")):
        running = server.start_module("backup", **options)
        kill_program(server, names)
        result = running.result()
        assert result.get("failed"), show(result)
        assert "SIGKILL" in result["msg"], show(result)
        assert _names(server) == []
    running = server.start_module("backup", **options)
    with frozen(server, wait_program(server, TOOL)):
        kill_runner(server)
    assert running.result().get("failed")
    assert server.succeed("backup_info", repository=REPOSITORY)["backups"] == []
    taken = _take(server, compression="zstd", encryption_recipients=[_key(server)])
    assert _names(server) == [taken["id"]]
    # The restore, in the middle of the extraction and after it.
    server.dataset("change")
    changed = server.snapshot()
    back = {**BACK, "identity_file": IDENTITY}
    for name in ("mbstream", "zstd", "age"):
        running = server.start_module("restore", bandwidth_limit="1M", **back)
        kill_program(server, (name,))
        result = running.result()
        assert name in result["msg"], show(result)
        assert result["failed_phase"] == "stage", show(result)
    assert server.snapshot() == changed
    set_breakpoint(server, "stage-after")
    running = server.start_module("restore", **back)
    wait_stopped(server, running)
    clear_breakpoints(server)
    kill_runner(server)
    assert running.result().get("failed")
    assert server.snapshot() == changed
    server.succeed("restore", **back)
    server.assert_seeded()
    assert server.out("ls -d /var/lib/mysql.* 2>/dev/null || true") == ""
