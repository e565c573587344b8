# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories in remote storage that are interrupted: what is left is a whole backup or none, and the next run clears it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import StoredStream
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import remote
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.presence import damage_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.remote import RemoteRepository
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import Rclone, RemoteFile

from .test_local import INSTANCE, manifest

STREAM = "backup.mbstream"


class Stopped(Exception):
    """The run was stopped at a point."""


class Bucket(Rclone):
    """Remote storage in a directory; ``remote:x/y`` is ``x/y`` in it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        #: what fails, as names of methods
        self.broken: set[str] = set()
        #: the names of what was fetched
        self.fetched: list[str] = []

    def _path(self, where: str) -> Path:
        return self.top / where.partition(":")[2]

    def _work(self, name: str) -> None:
        if name in self.broken:
            raise MariabackupError(f"{name} failed.", "Mend it.")

    def files(self, where: str) -> list[RemoteFile]:
        top = self._path(where)
        found = sorted(path for path in top.rglob("*") if path.is_file())
        return [RemoteFile(str(path.relative_to(top)), path.stat().st_size, "") for path in found]

    def directories(self, where: str) -> list[str]:
        top = self._path(where)
        return sorted(path.name for path in top.iterdir()) if top.is_dir() else []

    def writer(self, where: str, expected_bytes: int) -> Filter:
        self._path(where).parent.mkdir(parents=True)
        self._path(where).write_text("stream")
        return Filter("rclone", ("rclone", str(expected_bytes)))

    def fetch(self, where: str, directory: str, names: Iterable[str]) -> None:
        for name in names:
            self.fetched.append(name)
            target = Path(directory, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._path(where) / name, target)

    def store(self, directory: str, where: str, names: Iterable[str]) -> None:
        for name in names:
            target = self._path(where) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(directory, name), target)
        # What was sent may have arrived although the program failed.
        if list(names) == ["manifest.json"]:
            self._work("store")

    def remove_file(self, where: str) -> None:
        self._work("remove_file")
        self._path(where).unlink(missing_ok=True)

    def purge(self, where: str) -> None:
        # It removes one file after another, in an order of its own.
        (self._path(where) / STREAM).unlink(missing_ok=True)
        self._work("purge")
        shutil.rmtree(self._path(where), ignore_errors=True)

    def clean_up(self, where: str) -> None:
        raise MariabackupError("There are no such uploads here.", "Nothing.")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    # Nothing here is left to age.
    monkeypatch.setattr(remote, "_ABANDONED", timedelta.max)
    return Bucket(tmp_path / "bucket")


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(str(tmp_path / "job"), str(tmp_path / "state"), check_mode=True)


def opened(bucket: Bucket, tmp_path: Path) -> RemoteRepository:
    """Return the repository as the next task opens it."""
    return RemoteRepository("remote:backups", bucket, str(tmp_path / "mirror"))


def take(repository: RemoteRepository, number: int, stop_at: str = "", killed: bool = False) -> str:
    """Take a backup as a run does, and return its id; a killed run cleans nothing up."""

    def stop(name: str) -> None:
        if name == stop_at:
            raise Stopped

    made = manifest(number, stream=StoredStream(STREAM, 6, "0" * 64))
    place = repository.workplace(INSTANCE, made.id, stream=True)
    try:
        place.open(stop)
        place.open_stream(STREAM, 6)
        Path(place.directory, "xtrabackup_info").write_text("x")
        place.commit(made, {"RESTORE.txt": "y"})
    finally:
        if killed and place._fd is not None:
            os.close(place._fd)
            place._fd = None
        place.discard()
    return made.id


def looked_at(bucket: Bucket, tmp_path: Path) -> RemoteRepository:
    """Return the repository as a task in check mode opens it: it writes nothing but in a directory of its own."""
    return RemoteRepository("remote:backups", bucket, str(tmp_path / "scratch"), str(tmp_path / "mirror"))


def listed(repository: RemoteRepository) -> list[str]:
    return [entry.id for entry in repository.entries(INSTANCE)]


def mirrored(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "mirror").glob("*/*/*"))


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "listed"])
@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("point", ["place-locked", "place-uploaded", "place-published", "place-renamed"])
def test_an_upload_that_ends_early(
    bucket: Bucket, tmp_path: Path, ctx: Context, point: str, killed: bool, seen: bool
) -> None:
    """It is a backup from the moment its manifest is there; what stays on the host goes with the next run, without a word."""
    first = take(opened(bucket, tmp_path), 5)
    with pytest.raises(Stopped):
        take(opened(bucket, tmp_path), 6, point, killed)
    expected = [first] if point in ("place-locked", "place-uploaded") else [first, manifest(6).id]
    if seen:
        assert listed(opened(bucket, tmp_path)) == expected
    opened(bucket, tmp_path).remove_leftovers(INSTANCE, ctx)
    assert ctx.warnings == []
    assert listed(opened(bucket, tmp_path)) == expected
    assert mirrored(tmp_path) == expected
    if not killed:
        assert bucket.directories(f"remote:backups/{INSTANCE}") == expected


@pytest.mark.parametrize("broken", ["", "purge", "remove_file"])
def test_a_manifest_that_arrived_does_not_outlive_its_stream(bucket: Bucket, tmp_path: Path, broken: str) -> None:
    """Its upload fails after it arrived, and so does the cleaning up, or a host may not remove at all: whole, or none."""

    bucket.broken = {"store", broken}
    with pytest.raises(MariabackupError, match="store failed"):
        take(opened(bucket, tmp_path), 5)
    left = {file.path for file in bucket.files(f"remote:backups/{INSTANCE}/{manifest(5).id}")}
    assert "manifest.json" not in left or STREAM in left


@pytest.mark.parametrize("point", ["prune-renamed", "prune-unlisted", "prune-purged", "prune-removed"])
def test_a_removal_that_ends_early(bucket: Bucket, tmp_path: Path, ctx: Context, point: str) -> None:
    """Without its manifest it is no backup, and the next run removes the rest at once, however young it is."""

    def stop(name: str) -> None:
        if name == point:
            raise Stopped

    kept, going = take(opened(bucket, tmp_path), 5), take(opened(bucket, tmp_path), 6)
    repository = opened(bucket, tmp_path)
    (entry,) = [entry for entry in repository.entries(INSTANCE) if entry.id == going]
    with pytest.raises(Stopped):
        repository.remove(entry, stop)
    expected = [kept, going] if point == "prune-renamed" else [kept]
    assert listed(opened(bucket, tmp_path)) == expected
    opened(bucket, tmp_path).remove_leftovers(INSTANCE, ctx)
    assert ctx.warnings == []
    assert listed(opened(bucket, tmp_path)) == expected
    assert mirrored(tmp_path) == expected
    assert bucket.directories(f"remote:backups/{INSTANCE}") == expected


def test_a_removal_that_fails(bucket: Bucket, tmp_path: Path, ctx: Context) -> None:
    """The storage refuses: what is there stays a backup, or is removed later."""
    kept, going = take(opened(bucket, tmp_path), 5), take(opened(bucket, tmp_path), 6)
    for broken, expected in (("remove_file", [kept, going]), ("purge", [kept])):
        repository = opened(bucket, tmp_path)
        (entry,) = [entry for entry in repository.entries(INSTANCE) if entry.id == going]
        bucket.broken = {broken}
        with pytest.raises(MariabackupError, match=f"{broken} failed"):
            repository.remove(entry)
        bucket.broken = set()
        opened(bucket, tmp_path).remove_leftovers(INSTANCE, ctx)
        assert listed(opened(bucket, tmp_path)) == expected
        assert bucket.directories(f"remote:backups/{INSTANCE}") == expected
    assert ctx.warnings == []


def test_what_the_remote_has_lost_since_is_known(bucket: Bucket, tmp_path: Path) -> None:
    """Its manifest is as it was, and the next task looks at the rest as well."""
    lost = take(opened(bucket, tmp_path), 5)
    (entry,) = opened(bucket, tmp_path).entries(INSTANCE)
    assert damage_of(entry) is None
    unit = tmp_path / "bucket" / "backups" / INSTANCE / lost
    stream = unit / STREAM
    for change, text in (
        (lambda: shutil.rmtree(unit / "metadata"), "metadata is missing"),
        (lambda: stream.write_text("cut"), f"{STREAM} has 3 bytes, 6 in the manifest"),
        (stream.unlink, f"{STREAM} is missing"),
    ):
        change()
        (entry,) = opened(bucket, tmp_path).entries(INSTANCE)
        assert damage_of(entry) == f"{lost} is damaged ({text})"


def test_check_mode_sees_what_runs_hold(bucket: Bucket, tmp_path: Path) -> None:
    """Locks are looked at where the runs of this host have them, and what they have fetched is not fetched again."""
    held, free = take(opened(bucket, tmp_path), 5), take(opened(bucket, tmp_path), 6)
    run = opened(bucket, tmp_path)
    (entry, _other) = run.entries(INSTANCE)
    before = sorted(tmp_path.joinpath("mirror").rglob("*"))
    with run.reading(entry):
        looker = looked_at(bucket, tmp_path)
        assert {entry.id: looker.in_use(entry) for entry in looker.entries(INSTANCE)} == {held: True, free: False}
    assert not any(looker.in_use(entry) for entry in looker.entries(INSTANCE))
    assert bucket.fetched == []
    with exclusive(str(tmp_path), run.lock_key(INSTANCE), "backup"), pytest.raises(MariabackupError, match="a backup"):
        probe(str(tmp_path), looker.lock_key(INSTANCE), "backup")
    for entry in looker.entries(INSTANCE):
        looker.fetch(entry)
    assert bucket.fetched == []
    assert Path(entry.path, "metadata/xtrabackup_info").read_text() == "x"
    assert sorted(tmp_path.joinpath("mirror").rglob("*")) == before
    # What is not mirrored, nobody here reads.
    shutil.rmtree(tmp_path / "mirror")
    assert not any(looker.in_use(entry) for entry in looker.entries(INSTANCE))
    assert listed(looked_at(bucket, tmp_path / "other")) == [held, free]
    assert len(bucket.fetched) == 2


def test_a_backup_that_appears_meanwhile_stays(bucket: Bucket, tmp_path: Path) -> None:
    """A task that listed the remote before does not take it for one that was removed."""
    take(opened(bucket, tmp_path), 5)
    slow = opened(bucket, tmp_path)
    listed(slow)
    new = take(opened(bucket, tmp_path), 6)
    listed(slow)
    assert new in mirrored(tmp_path)
    assert listed(opened(bucket, tmp_path)) == mirrored(tmp_path)


def test_a_backup_that_is_listed_before_its_run_has_ended(bucket: Bucket, tmp_path: Path) -> None:
    """Mirrored by another task of the host when its manifest had just arrived: its run ends well and leaves nothing."""
    seen: list[str] = []

    def look(name: str) -> None:
        if name == "place-published":
            seen.extend(listed(opened(bucket, tmp_path)))

    made = manifest(5, stream=StoredStream(STREAM, 6, "0" * 64))
    place = opened(bucket, tmp_path).workplace(INSTANCE, made.id, stream=True)
    place.open(look)
    place.open_stream(STREAM, 6)
    place.commit(made, {})
    place.discard()
    assert seen == [made.id] == listed(opened(bucket, tmp_path)) == mirrored(tmp_path)
