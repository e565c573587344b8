# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories as directories: what counts as a backup, which one is meant, who may remove it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FileEntry,
    Manifest,
    StoredStream,
    manifest_path,
    read_manifest,
    write_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import listing, prune_task
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import chain_of, choose
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.filtering import filter_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.instructions import restore_text
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository, instance_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.source import find, links, reading, request_of
from tests.support.by_hand import pasted

INSTANCE = "db 1 \u00fc'\"-"
Store = Callable[..., Path]


def _context(tmp_path: Path) -> Context:
    return Context(str(tmp_path), str(tmp_path), check_mode=True)


def manifest(number: int, **changes: Any) -> Manifest:
    """Return a manifest; ``number`` is its day in November."""
    values: dict[str, Any] = {
        "id": f"202611{number:02d}T101500Z-{number:06x}",
        "type": "full",
        "created": f"2026-11-{number:02d}T10:15:07Z",
        "host": "db1",
        "instance": INSTANCE,
        "datadir": "/var/lib/mysql",
        "server_version": "10.11.19-MariaDB-0+deb12u1-log",
        "tool_version": "10.11.19",
        "from_lsn": 0,
        "to_lsn": 1,
        "last_lsn": 2,
        "timeline": "t",
        "checksum": "sha256",
        "files": {"ibdata1": FileEntry(3, "0" * 64)},
    }
    return Manifest(**{**values, **changes})


def on(number: int) -> dict[str, Any]:
    """Return what makes a manifest one of an increment on the backup of that day."""
    return {"type": "incremental", "base_id": manifest(number).id, "from_lsn": 1}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Store a backup as a run would leave it, and return its directory."""

    def add(number: int, **changes: Any) -> Path:
        made = manifest(number, **changes)
        path = tmp_path / INSTANCE / made.id
        if made.stream is not None:
            (path / "metadata").mkdir(parents=True)
            (path / made.stream.file).write_text("stream")
        else:
            (path / "data").mkdir(parents=True)
            (path / "data" / "ibdata1").write_text("abc")
        write_manifest(str(path / "manifest.json"), made)
        return path

    return add


def entries(root: Path) -> list[str]:
    return [entry.id for entry in Repository(str(root)).entries(INSTANCE)]


def test_the_list_of_files_is_a_file_of_its_own(store: Store) -> None:
    path = store(5)
    assert manifest_path(str(path / "data")) == str(path / "manifest.json")
    assert "files" not in json.loads((path / "manifest.json").read_text())
    assert read_manifest(str(path / "manifest.json")) == manifest(5)
    text = (path / "files.json").read_text()
    (path / "files.json").write_text(text.replace("3", "4"))
    with pytest.raises(MariabackupError, match=r"files\.json, was changed"):
        read_manifest(str(path / "manifest.json"))
    (path / "files.json").unlink()
    with pytest.raises(MariabackupError, match="No such file"):
        read_manifest(str(path / "manifest.json"))


def test_what_counts_as_a_backup(store: Store, tmp_path: Path) -> None:
    good = store(5)
    other = store(6)
    unfinished = store(7)
    (unfinished / "manifest.json").unlink()
    top = tmp_path / INSTANCE
    (top / "lost+found").mkdir()
    (top / f"{manifest(8).id}.partial").mkdir()
    (top / manifest(9).id).symlink_to(good)
    (top / "notes.txt").write_text("x")
    assert entries(tmp_path) == [good.name, other.name]
    assert Repository(str(tmp_path)).instances() == [INSTANCE]
    # What was begun counts for the order of ids, whatever became of it.
    assert Repository(str(tmp_path)).newest_id(INSTANCE) == manifest(8).id
    assert entries(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value"),
        ("[]", "not a JSON object"),
        ('{"schema_version": 99}', "its schema_version is 99"),
        ("[" * 100_000, "maximum recursion"),
    ],
)
def test_a_manifest_that_cannot_be_used(store: Store, tmp_path: Path, text: str, problem: str) -> None:
    good, bad = store(5), store(6)
    (bad / "manifest.json").write_text(text)
    found = list(Repository(str(tmp_path)).entries(INSTANCE))
    assert [entry.head is None for entry in found] == [False, True]
    assert problem in (found[1].problem or "")
    assert choose(found, "latest", None, "x").id == good.name
    with pytest.raises(MariabackupError, match="cannot be used"):
        choose(found, bad.name, None, "x")


def test_a_manifest_under_another_name(store: Store, tmp_path: Path) -> None:
    store(5).rename(tmp_path / INSTANCE / manifest(6).id)
    (found,) = Repository(str(tmp_path)).entries(INSTANCE)
    assert found.problem == f"Its manifest is that of another backup, {manifest(5).id}."


@pytest.mark.parametrize(
    ("lead", "problem"),
    [
        (lambda path: _move(path / "manifest.json"), "Its manifest is not a regular file."),
        (lambda path: (path / "manifest.json").unlink() or os.mkfifo(path / "manifest.json"), "not a regular file"),
        (lambda path: _move(path / "data"), "/data is a symbolic link."),
    ],
    ids=["manifest", "pipe", "data"],
)
def test_what_leads_elsewhere_is_not_followed(
    store: Store, tmp_path: Path, lead: Callable[[Path], object], problem: str
) -> None:
    good, bad = store(5), store(6)
    lead(bad)
    found = list(Repository(str(tmp_path)).entries(INSTANCE))
    assert problem in (found[1].problem or "")
    assert choose(found, "latest", None, "x").id == good.name
    params = {"repository": str(tmp_path), "instance": INSTANCE, "keep_last": 1, "state_dir": str(tmp_path / "state")}
    done = prune_task.run(params, Context(str(tmp_path), str(tmp_path / "state")))
    assert [decision["keep"] for decision in done["decisions"]] == [True, True]


def _move(path: Path) -> None:
    """Leave a link in the place of what is moved."""
    path.symlink_to(path.rename(path.parent.parent / "aside"))


def test_a_manifest_that_became_a_link_is_not_locked(store: Store, tmp_path: Path) -> None:
    path = store(5)
    (entry,) = Repository(str(tmp_path)).entries(INSTANCE)
    _move(path / "manifest.json")
    with pytest.raises(MariabackupError, match=r"manifest\.json cannot be locked"), reading(entry.data):
        pass
    with pytest.raises(MariabackupError, match=r"manifest\.json cannot be locked"):
        Repository(str(tmp_path)).in_use(entry)


@pytest.mark.parametrize("base", ["../db2/20261105T101500Z-000005", "x", ""])
def test_bases_that_lead_out(store: Store, tmp_path: Path, base: str) -> None:
    store(6, type="incremental", base_id=base)
    (entry,) = Repository(str(tmp_path)).entries(INSTANCE)
    assert entry.problem == f"Its manifest cannot be used: base_id is {base!r}, which is not the id of a backup."
    with pytest.raises(MariabackupError, match="cannot be used"):
        chain_of(str(tmp_path / INSTANCE), entry.id)


def test_a_chain_through_a_link(store: Store, tmp_path: Path) -> None:
    """A base is a directory of the instance, and nothing that leads to another's."""
    base, increment = store(5), store(6, **on(5))
    _move(base)
    with pytest.raises(MariabackupError, match="is a symbolic link"):
        chain_of(str(tmp_path / INSTANCE), increment.name)


def test_paths_that_lead_out(store: Store) -> None:
    path = store(5)
    (path / "files.json").unlink()
    write_manifest(str(path / "manifest.json"), manifest(5, files={"../../etc/passwd": FileEntry(3, "0" * 64)}))
    with pytest.raises(MariabackupError, match="has the path"):
        read_manifest(str(path / "manifest.json"))


@pytest.mark.parametrize(
    ("backup_id", "before", "expected"),
    [
        ("latest", None, 7),
        (manifest(5).id, None, 5),
        ("latest", "2026-11-06T10:15:07Z", 6),
        ("latest", "2026-11-06T10:15:06", 5),
        ("latest", "2026-11-06T11:15:07+01:00", 6),
    ],
)
def test_which_backup_is_meant(store: Store, tmp_path: Path, backup_id: str, before: str | None, expected: int) -> None:
    for number in (5, 6, 7):
        store(number)
    request = {"repository": str(tmp_path), "instance": INSTANCE, "backup_id": backup_id, "before": before}
    assert find(request, request, _context(tmp_path)).id == manifest(expected).id


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"backup_id": "20260101T000000Z-000000"}, "There is no backup 20260101T000000Z-000000"),
        ({"before": "2026-01-01"}, "from before 2026-01-01"),
        ({"before": "yesterday"}, "before is 'yesterday', which is not a time"),
        ({"instance": "db2"}, f"There is no backup of db2.*Set instance to one of {INSTANCE}"),
        ({"repository": "/nowhere"}, "There is no backup of .* in /nowhere"),
    ],
)
def test_no_such_backup(store: Store, tmp_path: Path, changes: dict[str, str], text: str) -> None:
    store(5)
    request = {"repository": str(tmp_path), "instance": INSTANCE, "backup_id": "latest", "before": None, **changes}
    with pytest.raises(MariabackupError) as caught:
        find(request, request, _context(tmp_path))
    assert re.search(text, str(caught.value))


def test_exactly_one_source() -> None:
    assert request_of({"target_dir": "/b", "repository": None}) is None
    for both in ({"target_dir": "/b", "repository": "/r"}, {"target_dir": None, "repository": None}):
        with pytest.raises(MariabackupError, match="Exactly one"):
            request_of(both)


@pytest.mark.parametrize("name", [".hidden", "a/b", "a\nb", "x" * 201, ".."])
def test_names_that_cannot_be_directories(name: str) -> None:
    with pytest.raises(MariabackupError, match="cannot be the name of a directory"):
        instance_of({"instance": name})


def test_names_of_instances() -> None:
    host = os.uname().nodename
    assert instance_of({}) == host
    assert instance_of({"defaults_group_suffix": ".x"}) == f"{host}@x"
    assert instance_of({"instance": "-rf ~ *"}) == "-rf ~ *"


_READER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_SH)
print("reading", flush=True)
sys.stdin.read()
"""


def test_a_backup_that_is_read_is_not_removed(store: Store, tmp_path: Path) -> None:
    path = store(5)
    repository = Repository(str(tmp_path))
    (entry,) = repository.entries(INSTANCE)
    with subprocess.Popen(
        [sys.executable, "-c", _READER, str(path / "manifest.json")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        assert repository.in_use(entry)
        assert not repository.remove(entry)
        with reading(entry.data):
            pass
        # Killed, it is no longer in the way.
        reader.kill()
        reader.wait()
    assert not repository.in_use(entry)
    assert repository.remove(entry)
    assert entries(tmp_path) == []
    with pytest.raises(MariabackupError, match="is being removed"), repository.reading(entry):
        pass


def test_a_reader_waits_for_whoever_only_asks(store: Store, tmp_path: Path) -> None:
    path = store(5)
    fd = os.open(path / "manifest.json", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    timer = threading.Timer(0.2, os.close, (fd,))
    timer.start()
    with reading(str(path / "data")):
        pass
    timer.join()


def test_leftovers_go_and_what_is_alive_stays(store: Store, tmp_path: Path) -> None:
    repository = Repository(str(tmp_path))
    kept = store(5)
    dead, alive = repository.workplace(INSTANCE, manifest(6).id), repository.workplace(INSTANCE, manifest(7).id)
    dead.open()
    os.close(dead._fd)  # type: ignore[arg-type]  # its process died
    dead._fd = None
    alive.open()
    dying = tmp_path / INSTANCE / f"{manifest(4).id}.deleting"
    (dying / "data").mkdir(parents=True)
    foreign = tmp_path / INSTANCE / f"{manifest(3).id}.partial"
    foreign.mkdir()
    ctx = Context(str(tmp_path / "job"), str(tmp_path / "state"), check_mode=True)
    repository.remove_leftovers(INSTANCE, ctx)
    assert ctx.warnings == []
    assert foreign.is_dir()
    assert Path(alive.directory).is_dir()
    alive.discard()
    assert sorted(path.name for path in (tmp_path / INSTANCE).iterdir()) == [foreign.name, kept.name]


def test_owner_files_without_work_go(store: Store, tmp_path: Path) -> None:
    """Of a run that was killed before it had a directory, and of one that was killed when its directory had its last name."""
    repository = Repository(str(tmp_path))
    kept = store(5)
    place = repository.workplace(INSTANCE, manifest(6).id)
    place.open()
    alive = Path(f"{place.unit}.partial.owner")
    top = tmp_path / INSTANCE
    for name in (manifest(4).id, kept.name):
        (top / f"{name}.partial.owner").write_text("{}")
    (top / "notes.partial.owner").write_text("mine")
    ctx = Context(str(tmp_path / "job"), str(tmp_path / "state"), check_mode=True)
    repository.remove_leftovers(INSTANCE, ctx)
    assert ctx.warnings == []
    assert alive.is_file()
    place.discard()
    assert sorted(path.name for path in top.iterdir()) == [kept.name, "notes.partial.owner"]
    assert entries(tmp_path) == [kept.name]


def test_prune(store: Store, tmp_path: Path) -> None:
    chain = [store(1), store(2, **on(1))]
    orphan = store(3, **on(30))
    damaged = store(4)
    (damaged / "manifest.json").write_text("{")
    old, new = store(5), store(6)
    params = {"repository": str(tmp_path), "instance": INSTANCE, "keep_last": 1, "state_dir": str(tmp_path / "state")}
    ctx = Context(str(tmp_path), str(tmp_path / "state"))
    planned = prune_task.check(params, Context(str(tmp_path), str(tmp_path / "state"), check_mode=True))
    assert planned["changed"]
    assert len(entries(tmp_path)) == 6
    done = prune_task.run(params, ctx)
    assert done["removed"] == [chain[1].name, chain[0].name, old.name]
    assert sorted(planned["removed"]) == sorted(done["removed"])
    assert planned["decisions"] == done["decisions"]
    assert entries(tmp_path) == [orphan.name, damaged.name, new.name]
    reasons = {decision["id"]: decision["reasons"] for decision in done["decisions"]}
    assert "cannot be used" in reasons[damaged.name][0]
    assert "is missing" in reasons[orphan.name][0]
    assert reasons[old.name] == ["no rule keeps it"]
    assert prune_task.run(params, ctx)["changed"] is False


@pytest.mark.parametrize(
    ("stream", "lose", "text"),
    [
        (False, lambda path: shutil.rmtree(path / "data"), "the files of {} are gone"),
        (False, lambda path: (path / "data/ibdata1").unlink(), "{} is damaged (ibdata1 is missing)"),
        (False, lambda path: os.truncate(path / "data/ibdata1", 2), "{} is damaged (ibdata1 has 2 bytes, 3 in the manifest)"),
        (False, lambda path: (path / "files.json").write_text("{}"), "files.json, was changed"),
        (True, lambda path: shutil.rmtree(path / "metadata"), "the files of {} are gone"),
        (True, lambda path: (path / "backup.mbstream").unlink(), "{} is damaged (backup.mbstream is missing)"),
        (True, lambda path: os.truncate(path / "backup.mbstream", 4), "{} is damaged (backup.mbstream has 4 bytes"),
        (True, lambda path: (path / "files.json").unlink(), "{} is damaged (files.json is missing)"),
    ],
    ids=["data", "file", "cut", "list", "metadata", "stream", "cut-stream", "list-of-stream"],
)  # fmt: skip
def test_what_has_lost_its_files_is_no_good_backup(
    store: Store, tmp_path: Path, stream: bool, lose: Callable[[Path], object], text: str
) -> None:
    """It takes no place of a good one, whatever its manifest says, nor does what is built on it; a person removes it."""
    changes: dict[str, Any] = {"stream": StoredStream("backup.mbstream", 6, "0" * 64)} if stream else {}
    expired, good, lost, built = store(4, **changes), store(5), store(6, **changes), store(7, **changes, **on(6))
    lose(lost)
    params = {"repository": str(tmp_path), "instance": INSTANCE, "keep_last": 1, "state_dir": str(tmp_path / "state")}
    done = prune_task.run(params, Context(str(tmp_path), str(tmp_path / "state")))
    assert done["removed"] == [expired.name]
    assert done["freed_bytes"] == (6 if stream else 3)
    reasons = {decision["id"]: decision["reasons"] for decision in done["decisions"]}
    assert "the newest restorable backup" in reasons[good.name]
    for path in (lost, built):
        (reason,) = reasons[path.name]
        assert text.format(lost.name) in reason
        assert reason.endswith(": not restorable, remove it by hand")
    assert entries(tmp_path) == [good.name, lost.name, built.name]


def test_prune_leaves_what_is_read_and_its_bases(store: Store, tmp_path: Path) -> None:
    base, increment, new = store(1), store(2, **on(1)), store(6)
    params = {"repository": str(tmp_path), "instance": INSTANCE, "keep_last": 1, "state_dir": str(tmp_path / "state")}
    with reading(str(increment / "data")):
        done = prune_task.run(params, Context(str(tmp_path), str(tmp_path / "state")))
    assert done["removed"] == []
    assert [decision["reasons"] for decision in done["decisions"]][:2] == [
        ["in use", f"base of {increment.name}"],
        ["in use"],
    ]
    assert entries(tmp_path) == [base.name, increment.name, new.name]


@pytest.mark.parametrize(
    ("rules", "text"),
    [({}, "No rule"), ({"keep_within": "soon"}, "keep_within is 'soon'"), ({"keep_daily": -1}, "daily is -1")],
)
def test_rules_that_cannot_be_used(rules: dict[str, Any], text: str) -> None:
    with pytest.raises(MariabackupError, match=text):
        prune_task.rules_of(rules)


def test_listing_shows_chains(store: Store, tmp_path: Path) -> None:
    store(1)
    store(2, **on(1), label="hourly")
    store(3, **on(30))
    params = {"target_dir": None, "repository": str(tmp_path), "instance": INSTANCE, "backup_id": None, "before": None}
    params |= {"max_age": None, "size_drift": None}
    listed = listing.run({**params, "verify": False}, Context(str(tmp_path), str(tmp_path), check_mode=True))
    assert [entry["chain"] for entry in listed["backups"]] == [
        [manifest(1).id],
        [manifest(1).id, manifest(2).id],
        [],
    ]
    assert listed["backups"][1]["label"] == "hourly"
    assert listed["instances"] == [INSTANCE]
    assert (listed["exists"], listed["valid"], listed["backup"]) == (True, False, None)
    assert [entry["problem"] for entry in listed["backups"][:2]] == [None, None]
    missing = f"Its chain is broken: the base {manifest(30).id} of {manifest(3).id} is missing or cannot be read."
    assert listed["backups"][2]["problem"] == missing
    assert listed["problems"] == [f"{tmp_path}/{INSTANCE}/{manifest(3).id}: {missing}"]


@pytest.mark.parametrize(
    ("wanted", "days"),
    [
        ({}, [1, 2, 3, 4]),
        ({"type": "incremental"}, [2, 3]),
        ({"label": "hourly"}, [2]),
        ({"label": "HOURLY"}, []),
        ({"after": "2026-11-02T10:15:07Z"}, [2, 3, 4]),
        ({"before": "2026-11-02T10:15:06"}, [1]),
        ({"after": "2026-11-02", "before": "2026-11-03", "type": "full"}, []),
        ({"after": "2026-11-04T10:15:00Z"}, [4]),
    ],
)
def test_what_a_list_shows(store: Store, tmp_path: Path, wanted: dict[str, Any], days: list[int]) -> None:
    """One whose manifest cannot be used has the time in its id, and neither type nor label."""
    store(1)
    store(2, **on(1), label="hourly")
    store(3, **on(30))
    (store(4) / "manifest.json").write_text("{")
    chosen = filter_of(wanted)
    shown = [entry.id for entry in Repository(str(tmp_path)).entries(INSTANCE) if chosen.passes(entry)]
    assert shown == [manifest(day).id for day in days]


def test_a_partial_backup_is_never_the_newest(store: Store, tmp_path: Path) -> None:
    whole, part = store(1), store(2, selection={"tables": ["shop.orders"]})
    found = list(Repository(str(tmp_path)).entries(INSTANCE))
    assert choose(found, "latest", None, "x").id == whole.name
    assert choose(found, "latest", "2026-11-30", "x").id == whole.name
    assert choose(found, part.name, None, "x").id == part.name
    with pytest.raises(MariabackupError, match=r"it holds 1 \(1 of them partial, which only backup_id names\)"):
        choose(found[1:], "latest", None, "x")
    text = restore_text(manifest(2, selection={"tables": ["shop.orders"], "databases": ["a", "b"]}), "/r/db1/it's")
    assert "databases          a, b" in text
    assert "tables             shop.orders" in text
    assert "cp -a '/r/db1/it'\"'\"'s/data' /var/tmp/export" in text


def test_how_to_restore_by_hand() -> None:
    text = restore_text(manifest(5), "/srv/it's here/db1/x")
    script = pasted(text)
    assert "BACKUP='/srv/it'\"'\"'s here/db1/x'" in script
    assert '--prepare --target-dir="$DATADIR.new"' in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "MariaDB 10.11 and" in text
    prepared = restore_text(manifest(5, prepared=True, checksum="none"), "/b")
    assert "--prepare" not in pasted(prepared)
    assert "sha256sum" not in pasted(prepared)
    assert subprocess.run(["bash", "-n"], input=pasted(prepared), text=True, check=False).returncode == 0


def test_how_to_restore_a_chain_by_hand() -> None:
    text = restore_text(manifest(5, **on(4)), "/srv/r/db1/x", [manifest(3), manifest(4, **on(3))])
    script = pasted(text)
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert f"({'incremental'} of {manifest(4).id})" in text
    assert f"FULL={manifest(3).id}\n" in script
    assert f'INCREMENTS="{manifest(4).id} {manifest(5).id}"\n' in script
    assert '--incremental-dir="$DATADIR.increment"' in script
    assert "sha256sum" in script
    unchecked = restore_text(manifest(5, **on(4)), "/b", [manifest(4, checksum="none")])
    assert "sha256sum" not in pasted(unchecked)


def test_a_broken_chain_names_what_can_be_restored(store: Store, tmp_path: Path) -> None:
    full = store(1)
    broken = store(3, **on(2))
    assert links(str(full / "data")) == [str(full / "data")]
    with pytest.raises(MariabackupError, match=f"the base {manifest(2).id}") as caught:
        links(str(broken / "data"))
    assert caught.value.action == f"Use another backup; the newest restorable one is {full.name}."
    store(2, **on(1))
    assert [Path(path).parent.name for path in links(str(broken / "data"))] == [
        manifest(number).id for number in (1, 2, 3)
    ]
    # A backup that is read is kept with all that it is built on, and a broken chain keeps nobody from reading.
    repository = Repository(str(tmp_path))
    with reading(str(broken / "data")):
        assert all(repository.in_use(entry) for entry in repository.entries(INSTANCE))


def test_prune_keeps_the_bases_of_what_does_not_fit(store: Store, tmp_path: Path) -> None:
    """An increment that does not fit its base is left for a person, and no order of deletion trips over it."""
    base = store(1)
    odd = store(2, **{**on(1), "from_lsn": 7})
    new = store(6)
    params = {"repository": str(tmp_path), "instance": INSTANCE, "keep_last": 1, "state_dir": str(tmp_path / "state")}
    done = prune_task.run(params, Context(str(tmp_path), str(tmp_path / "state")))
    assert done["removed"] == []
    assert "begins at LSN 7" in done["decisions"][1]["reasons"][0]
    assert entries(tmp_path) == [base.name, odd.name, new.name]
