# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof: what is accepted, and every fault that it names."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import hash_file
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import (
    decode_name,
    tablespace_bytes,
    take_inventory,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import FileEntry, Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import (
    find_encryption_plugin,
    inspect_backup,
    preparing_marker,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

from .conftest import frm, ibd


def texts(path: Path, **options) -> list[str]:
    return [problem.text for problem in inspect_backup(str(path), **options).problems]


def manifest_of(path: Path, checksum: str = "sha256") -> Manifest:
    proof = inspect_backup(str(path))
    meta = proof.require()
    files = {
        name: FileEntry(size, hash_file(str(path / name)) if checksum == "sha256" else None)
        for name, size in proof.files.items()
    }
    return Manifest(
        id="x",
        type="full",
        created="2026-11-22T10:00:00Z",
        host="db1",
        datadir="/var/lib/mysql",
        server_version=meta.server_version,
        tool_version=meta.tool_version,
        from_lsn=meta.from_lsn,
        to_lsn=meta.to_lsn,
        last_lsn=meta.last_lsn,
        uuid=meta.uuid,
        prepared=proof.prepared,
        checksum=checksum,
        files=files,
    )


@pytest.mark.parametrize("version", ["10.5", "10.11", "11.8"])
@pytest.mark.parametrize("state", ["raw", "prepared", "exported"])
def test_backups_made_by_hand_are_accepted(builder, version: str, state: str) -> None:
    proof = inspect_backup(str(builder(version, state)))
    assert proof.problems == []
    assert proof.prepared is (state != "raw")
    assert (proof.schemas, proof.verified) == (["shop"], "structure")
    assert proof.require().last_lsn > 0


@pytest.mark.parametrize("version", ["10.5", "10.11", "11.8"])
def test_encryption_is_told(builder, version: str) -> None:
    proof = inspect_backup(str(builder(version, "raw", True)))
    assert proof.ok
    assert proof.redo_encrypted
    assert proof.encryption_plugin == "file_key_management"


@pytest.mark.parametrize(
    ("plugin_load", "plugin"),
    [
        ("", None),
        ("file_key_management=file_key_management", "file_key_management"),
        ("provider_bzip2=provider_bzip2;provider_lz4=provider_lz4", None),
        ("provider_lz4=provider_lz4;hashicorp_key_management=hashicorp_key_management", "hashicorp_key_management"),
        (";file_key_management=file_key_management", "file_key_management"),
    ],
)
def test_compression_is_no_encryption(plugin_load: str, plugin: str | None) -> None:
    assert find_encryption_plugin(plugin_load) == plugin


def test_lost_and_found_and_staged_sets_do_not_count(builder) -> None:
    path = builder()
    for name in ("lost+found", ".mariabackup"):
        (path / name).mkdir()
        (path / name / "db.opt").write_text("")
    proof = inspect_backup(str(path))
    assert proof.ok
    assert not any("db.opt" in name and "shop" not in name for name in proof.files)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("xtrabackup_checkpoints", "no xtrabackup_checkpoints"),
        ("xtrabackup_info", "info file is missing"),
        ("backup-my.cnf", "backup-my.cnf is missing"),
        ("ib_logfile0", "redo log ib_logfile0 is missing"),
        ("ibdata1", "ibdata1 is missing"),
        ("shop/m.MYD", "shop/m.MYD is missing"),
        ("shop/m.MYI", "shop/m.MYI is missing"),
    ],
)
def test_missing_files_are_noticed_without_a_manifest(builder, name: str, says: str) -> None:
    path = builder()
    (path / name).unlink()
    assert any(says in text for text in texts(path))


def test_a_table_without_file_is_only_a_warning(builder) -> None:
    path = builder(d__frm=frm(12))
    proof = inspect_backup(str(path))
    assert proof.ok
    assert proof.warnings == ["shop/d.frm is an InnoDB table without a file of its own."]


def test_engines(builder) -> None:
    path = builder(
        a__frm=frm(42, b"\x04\x00Aria"),
        c__frm=frm(17),
        r__frm=frm(16),
        x__frm=frm(42, b"\x05\x00Other"),
        y__MAD=b"",
    )
    assert sorted(text.split(" is ")[0] for text in texts(path)) == [
        "shop/a.MAD",
        "shop/a.MAI",
        "shop/c.CSM",
        "shop/c.CSV",
        "shop/r.ARZ",
        "shop/y.MAI",
    ]


def test_partitions(builder) -> None:
    path = builder(p__frm=frm(20), p__par=b"x", **{"p#P#a__MYD": b"", "p#P#a__MYI": b"", "p#P#b__MYD": b""})
    assert texts(path) == ["shop/p#P#b.MYI is missing beside shop/p#P#b.MYD."]


def test_a_cut_tablespace_is_noticed(builder) -> None:
    assert texts(builder(t__ibd=ibd(2))) == ["shop/t.ibd was cut: it has 16384 bytes, 32768 are needed."]


def test_an_empty_tablespace_is_noticed(builder) -> None:
    assert texts(builder(t__ibd=b"")) == ["shop/t.ibd was cut: it has 0 bytes."]


def test_undo_gap(builder) -> None:
    path = builder()
    (path / "undo002").write_bytes(ibd(1))
    assert texts(path) == ["undo001 is missing, an undo tablespace."]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(0x15, 16384), (0x13, 4096), (0x17, 65536), (0, 16384), (0x21 | 2 << 1, 2048), (3 << 6, 4096)],
)
def test_page_sizes(flags: int, expected: int) -> None:
    assert tablespace_bytes(ibd(1, flags)) == expected


def test_partial_incremental_compressed(builder) -> None:
    path = builder()
    info = path / "xtrabackup_info"
    whole = info.read_text()
    info.write_text(whole.replace("partial = N", "partial = Y"))
    assert len(texts(path)) == 1
    assert "import_tables" in texts(path)[0]
    assert inspect_backup(str(path), partial_ok=True).ok
    info.write_text(whole.replace("compressed = N", "compressed = compressed"))
    assert any("--compress" in text for text in texts(path))
    info.write_text(whole)
    checkpoints = path / "xtrabackup_checkpoints"
    checkpoints.write_text(
        checkpoints.read_text().replace("full-backuped", "incremental").replace("from_lsn = 0", "from_lsn = 9")
    )
    (path / "shop" / "t.ibd.delta").write_text("")
    found = texts(path)
    assert "It is an incremental backup; a full one is needed." in found
    assert "shop/t.ibd.delta belongs to an incremental backup." in found


def test_other_vendor(builder) -> None:
    path = builder()
    info = path / "xtrabackup_info"
    info.write_text(info.read_text().replace("10.11.19-MariaDB-0+deb12u1-log", "8.0.36-28"))
    assert "It comes from a server of another vendor: 8.0.36-28." in texts(path)


def test_not_a_backup(tmp_path: Path) -> None:
    assert "The directory is empty." in texts(tmp_path)[0]
    (tmp_path / "t.ibd").write_text("")
    assert "was aborted, or it is a datadir" in texts(tmp_path)[0]
    (tmp_path / "xtrabackup_logfile").write_text("")
    assert "Percona" in texts(tmp_path)[0]
    with pytest.raises(MariabackupError, match="is not a directory"):
        inspect_backup(str(tmp_path / "none"))


def test_markers(builder) -> None:
    path = builder()
    marker = path / ".mariabackup-incomplete"
    marker.write_text("")
    assert any("It is unfinished" in text for text in texts(path))
    assert texts(path, marked_by_caller=True) == []
    marker.unlink()
    Path(preparing_marker(str(path))).write_text("")
    assert any("It is half prepared" in text for text in texts(path))
    assert texts(path, resuming=True) == []


def test_a_killed_prepare_can_be_resumed_while_a_whole_log_is_there(builder) -> None:
    path = builder()
    Path(preparing_marker(str(path))).write_text("")
    log = path / "ib_logfile0"
    os.link(log, path / ".mariabackup-redo")
    log.unlink()
    assert any("ib_logfile0 is missing" in text for text in texts(path, marked_by_caller=True))
    assert texts(path, resuming=True) == []
    (path / ".mariabackup-redo").unlink()
    assert any("ib_logfile0 is missing" in text for text in texts(path, resuming=True))


def test_leftovers_of_prepare(builder) -> None:
    path = builder("10.11", "prepared", n__new=b"")
    assert texts(path) == ["shop/n.new should be gone from a prepared backup: prepare did not finish."]


def test_corrupted_pages(builder) -> None:
    path = builder()
    (path / "innodb_corrupted_pages").write_text("shop/t 4\n")
    assert any("damaged on the server" in text for text in texts(path))


def test_links_are_refused(builder) -> None:
    path = builder()
    (path / "shop" / "l.ibd").symlink_to("/etc/passwd")
    assert texts(path) == ["shop/l.ibd is not a regular file."]


def test_isl_files_are_told(builder) -> None:
    path = builder(d__isl=b"/data/shop/d.ibd\n")
    proof = inspect_backup(str(path))
    assert proof.ok
    assert proof.isl_files == {"shop/d.isl": "/data/shop/d.ibd"}
    assert proof.restore_refusal is not None
    assert "shop/d." in proof.restore_refusal
    assert proof.restore_refusal in proof.warnings


def test_a_restore_of_an_ordinary_backup_is_not_refused(builder) -> None:
    assert inspect_backup(str(builder())).restore_refusal is None


def test_manifest_agrees(builder) -> None:
    path = builder()
    proof = inspect_backup(str(path), manifest=manifest_of(path))
    assert (proof.ok, proof.verified) == (True, "sizes")
    seen: list[int] = []
    proof = inspect_backup(str(path), manifest=manifest_of(path), verify_checksums=True, on_bytes=seen.append)
    assert (proof.ok, proof.verified) == (True, "sha256")


def test_manifest_without_checksums(builder) -> None:
    path = builder()
    proof = inspect_backup(str(path), manifest=manifest_of(path, "none"), verify_checksums=True)
    assert (proof.ok, proof.verified) == (True, "sizes")


def test_manifest_finds_what_is_missing_cut_flipped_or_new(builder) -> None:
    path = builder()
    manifest = manifest_of(path)
    (path / "shop" / "t.ibd").unlink()
    (path / "shop" / "m.MYD").write_bytes(b"dat")
    (path / "shop" / "extra.txt").write_bytes(b"")
    assert texts(path, manifest=manifest) == [
        "shop/m.MYD has 3 bytes, 4 in the manifest.",
        "shop/t.ibd is missing.",
        "shop/extra.txt is not in the manifest.",
    ]


def test_a_flipped_byte_is_found_by_the_checksum(builder) -> None:
    path = builder()
    manifest = manifest_of(path)
    (path / "shop" / "m.MYD").write_bytes(b"dbta")
    assert texts(path, manifest=manifest) == []
    assert texts(path, manifest=manifest, verify_checksums=True) == [
        "shop/m.MYD was changed: its SHA-256 differs from the manifest's."
    ]


def test_prepared_by_hand_after_the_manifest_was_written(builder) -> None:
    path = builder("10.11", "prepared")
    manifest = replace(manifest_of(path), prepared=False)
    assert "If you did that by hand and trust it, move" in texts(path, manifest=manifest)[0]


def test_manifest_of_another_backup(builder) -> None:
    path = builder()
    manifest = replace(manifest_of(path), uuid="another")
    assert texts(path, manifest=manifest) == ["Its manifest belongs to another backup, another."]


def test_require_tells_everything(builder) -> None:
    path = builder()
    for name in ("ibdata1", "backup-my.cnf"):
        (path / name).unlink()
    with pytest.raises(MariabackupError, match=r"backup-my\.cnf is missing.*ibdata1 is missing") as caught:
        inspect_backup(str(path)).require("Take another.")
    assert caught.value.action == "Take another."
    assert len(caught.value.details["problems"]) == 2


def test_names() -> None:
    assert decode_name("odd@0020name") == "odd name"
    assert decode_name("plain_1") == "plain_1"
    assert decode_name("caf@0p") == "caf@0p"


def test_inventory_counts(builder) -> None:
    path = builder()
    found = take_inventory(str(path))
    assert found.size_bytes == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert found.stored_bytes < found.size_bytes
