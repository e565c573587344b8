# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this directory a backup that can be restored? Decided from its bytes, never from a return code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import hash_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.increments import increment_problems
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import (
    INCOMPLETE_MARKER,
    MOVED_MARKER,
    Inventory,
    innodb_problems,
    leftover_problems,
    tables_problems,
    take_inventory,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    Manifest,
    manifest_path,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import (
    CONFIG_FILE,
    CORRUPTED_PAGES_FILE,
    BackupMetadata,
    build,
    read_metadata_files,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import (
    Problem,
    check_interrupted_redo,
    check_prepared_redo,
    check_raw_redo,
    read_redo_header,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stream_inventory import inventory_of_stream
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import ServerVersion

PREPARING_SUFFIX = ".preparing"
PARTIAL_PROBLEM = (
    "It is partial: it was taken with a choice of databases or tables, so no server can start on it. The module import_tables"
    " brings its tables back."
)
# Beside the directory that a run of ours works in until its result is proven (room backup, workplace).
_OWNER_SUFFIX = ".owner"
_SHOWN = 10


def find_encryption_plugin(plugin_load: str) -> str | None:
    """Return the plugin in a ``plugin_load`` of ``backup-my.cnf`` that encrypts.

    The plugins which compress pages are in it as well, whether a table uses them or not (Debian installs them with the
    server): ``provider_bzip2=provider_bzip2;provider_lz4=provider_lz4``.
    """
    names = (entry.split("=")[0].strip() for entry in plugin_load.strip("\"'").split(";"))
    return next((name for name in names if name and not name.startswith("provider_")), None)


@dataclass
class Proof:
    """What was found in a directory.

    Attributes:
        path: the directory.
        metadata: None when it does not describe itself as a backup.
        problems: each one keeps the backup from being used.
        warnings: what a reader may want to know and nobody can decide.
        prepared: it says so and the bytes agree.
        files, size_bytes, stored_bytes, schemas, isl_files: of ``Inventory``.
        redo_encrypted: the server wrote an encrypted redo log.
        encryption_plugin: the plugin that the backup's data needs to be prepared and started, if any.
        verified: how far the proof went: ``sha256``, ``sizes`` (with a manifest) or ``structure`` (without). Of a stream that
            was read to its end, ``stream``.
    """

    path: str
    metadata: BackupMetadata | None = None
    manifest: Manifest | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    prepared: bool = False
    redo_encrypted: bool = False
    inventory: Inventory = field(default_factory=Inventory)
    verified: str = "structure"

    @property
    def ok(self) -> bool:
        """Nothing speaks against this backup."""
        return not self.problems

    @property
    def files(self) -> dict[str, int]:
        """Path and size of every file."""
        return self.inventory.files

    @property
    def size_bytes(self) -> int:
        """The sum of the files' sizes."""
        return self.inventory.size_bytes

    @property
    def stored_bytes(self) -> int:
        """What the files occupy on disk."""
        return self.inventory.stored_bytes

    @property
    def schemas(self) -> list[str]:
        """The schemas in it."""
        return self.inventory.schemas

    @property
    def isl_files(self) -> dict[str, str]:
        """Tables whose data lies outside of the datadir: path of the ``.isl`` file, place of the data."""
        return self.inventory.isl_files

    @property
    def restore_refusal(self) -> str | None:
        """Why no restore will take this backup although it is whole, for a warning while there is time; None: one will."""
        shown = ", ".join(sorted(self.isl_files)[:_SHOWN]) + (", ..." if len(self.isl_files) > _SHOWN else ".")
        text = f"Tables with a DATA DIRECTORY outside of the datadir, because of which a restore refuses this backup: {shown}"
        return text if self.isl_files else None

    @property
    def encryption_plugin(self) -> str | None:
        """``file_key_management`` and the like, as the backup's ``backup-my.cnf`` names it."""
        if self.metadata is None:
            return None
        return find_encryption_plugin(self.metadata.options.get("plugin_load", ""))

    @property
    def server(self) -> ServerVersion | None:
        """The version of the server from which it comes."""
        return self.metadata.server if self.metadata else None

    def require(self, action: str = "Use another backup.") -> BackupMetadata:
        """Return the metadata of a backup that can be used.

        Raises:
            MariabackupError: with all that was found; ``details`` has the list ``problems``.
        """
        if self.problems or self.metadata is None:
            texts = [problem.text for problem in self.problems]
            raise MariabackupError(
                f"The backup {self.path} cannot be used: {summary(texts)}", action, details={"problems": texts[:200]}
            )
        return self.metadata


def summary(texts: Sequence[str]) -> str:
    """Put findings into one line, the first few in full."""
    shown = " ".join(texts[:_SHOWN])
    return shown if len(texts) <= _SHOWN else f"{shown} ({len(texts) - _SHOWN} more.)"


def preparing_marker(path: str) -> str:
    """Return the file that stands beside a backup while it is prepared in place."""
    return path.rstrip("/") + PREPARING_SUFFIX


def inspect_backup(
    path: str,
    *,
    manifest: Manifest | None = None,
    verify_checksums: bool = False,
    exact: bool = False,
    marked_by_caller: bool = False,
    resuming: bool = False,
    as_increment: bool = False,
    partial_ok: bool = False,
    threads: int | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Proof:
    """Examine a backup directory, made by us or by hand, prepared or not.

    Args:
        manifest: what ``read_manifest`` returned for it; without one the proof is weaker.
        verify_checksums: read every file and compare it with the manifest.
        exact: for a full backup that was prepared alone: the data must be exactly at its end.
        marked_by_caller: the markers of an unfinished run are the caller's own, and do not count.
        resuming: the caller will prepare this half prepared directory again: accept what that can mend.
        as_increment: it has to be an increment; the caller knows what it is built on.
        partial_ok: the caller can use a backup of a choice of schemas or tables.
        threads: how many files are read at once; default: the number of processors.
        on_bytes: called with the bytes read so far when checksums are verified.

    Raises:
        MariabackupError: the path is not a directory, or cannot be read.
    """
    if not os.path.isdir(path):
        raise MariabackupError(f"{path} is not a directory.", "Name the directory of a backup.")
    proof = Proof(path, manifest=manifest)
    if os.path.lexists(preparing_marker(path)) and not (marked_by_caller or resuming):
        proof.problems.append(
            Problem(
                "It is half prepared: a run that prepared it in place did not end. Prepare it again (in_place: true).",
                preparing_marker(path),
            )
        )
        # Its files are between two states: a comparison with the manifest would only add noise.
        proof.manifest = None
    selected = proof.manifest is not None and proof.manifest.partial
    try:
        _inspect(
            proof,
            marked_by_caller,
            resuming,
            as_increment,
            verify_checksums,
            exact,
            threads or os.cpu_count() or 1,
            on_bytes,
        )
    except OSError as error:
        raise MariabackupError(
            f"The backup {path} cannot be read: {error.strerror or error} ({error.filename}).",
            "Check the disk and the permissions, or use another backup.",
        ) from error
    if not partial_ok and (selected or (proof.metadata is not None and proof.metadata.partial)):
        proof.problems.append(Problem(PARTIAL_PROBLEM))
    if proof.restore_refusal:
        proof.warnings.append(proof.restore_refusal)
    return proof


def _inspect(
    proof: Proof,
    marked_by_caller: bool,
    resuming: bool,
    as_increment: bool,
    verify_checksums: bool,
    exact: bool,
    threads: int,
    on_bytes: Callable[[int], None] | None,
) -> None:
    path = proof.path
    stream = None
    if proof.manifest is not None and proof.manifest.stream is not None:
        stream = proof.manifest.stream
        proof.inventory, problems = inventory_of_stream(path, stream, proof.manifest)
        proof.problems += problems
    else:
        proof.inventory = take_inventory(path)
    files = proof.files
    if os.path.lexists(os.path.join(path, INCOMPLETE_MARKER)) and not marked_by_caller:
        proof.problems.append(
            Problem("It is unfinished: the run that took it did not end. Take the backup again.", INCOMPLETE_MARKER)
        )
    if os.path.lexists(os.path.join(path, MOVED_MARKER)) and not marked_by_caller:
        proof.problems.append(
            Problem(
                "A restore is moving its files, or was. Run that restore again: it ends, or gives them back.",
                MOVED_MARKER,
            )
        )
    if os.path.lexists(path.rstrip("/") + _OWNER_SUFFIX) and not marked_by_caller:
        # It may look whole: a copy that was being prepared, or a backup that was not proven yet.
        proof.problems.append(
            Problem(
                "It is unfinished: a run of ours works in it, or ended there. Run that task again.",
                path + _OWNER_SUFFIX,
            )
        )
    try:
        proof.metadata = build(read_metadata_files(path))
    except ValueError as error:
        proof.problems.append(Problem(f"{_sentence(str(error))} {_guess(files)}"))
        return
    meta = proof.metadata
    proof.problems += _description_problems(meta, files, as_increment)
    proof.problems += [Problem(f"{name} is not a regular file.", name) for name in proof.inventory.others]
    increment = meta.incremental and as_increment
    if not increment:
        proof.problems += leftover_problems(files, meta.prepared and not resuming)
    if (meta.incremental and not as_increment) or meta.compressed:
        return
    if proof.manifest is not None and stream is not None:
        # What it holds is proven when it is extracted.
        _compare(proof, proof.manifest, False, threads, None)
        return
    check_innodb = increment_problems if increment else innodb_problems
    proof.problems += check_innodb(path, proof.inventory, meta)
    problems, warnings = tables_problems(path, proof.inventory)
    proof.problems += problems
    # An InnoDB table of an increment never has a file of its own.
    proof.warnings = [] if increment else warnings
    header = read_redo_header(path)
    proof.redo_encrypted = bool(header and header.encrypted)
    redo = check_prepared_redo(path, meta, exact) if meta.prepared else check_raw_redo(path, meta)
    if resuming and redo:
        redo = check_interrupted_redo(path, meta)
    proof.problems += redo
    proof.prepared = meta.prepared and not redo
    if proof.manifest is not None:
        _compare(proof, proof.manifest, verify_checksums, threads, on_bytes)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _guess(files: dict[str, int]) -> str:
    if not files:
        return "The directory is empty."
    if "xtrabackup_logfile" in files:
        return "It looks like a backup of Percona XtraBackup, which MariaDB cannot use."
    if any(name.endswith(".ibd") for name in files):
        return "The run that took it was aborted, or it is a datadir."
    return "It is not the directory of a backup."


def _description_problems(meta: BackupMetadata, files: dict[str, int], as_increment: bool) -> list[Problem]:
    """Check what the backup says of itself (pure)."""
    problems: list[Problem] = []
    if "info" not in meta.names:
        problems.append(
            Problem("The info file is missing (xtrabackup_info or mariadb_backup_info): the run was aborted.")
        )
    elif meta.end_time is None or meta.server_version is None:
        problems.append(Problem(f"{meta.names['info']} is not whole: the run was aborted.", meta.names["info"]))
    if CONFIG_FILE not in files:
        problems.append(Problem(f"{CONFIG_FILE} is missing: the run was aborted.", CONFIG_FILE))
    if CORRUPTED_PAGES_FILE in files:
        problems.append(
            Problem(f"{CORRUPTED_PAGES_FILE} lists pages that were damaged on the server.", CORRUPTED_PAGES_FILE)
        )
    server = meta.server
    if meta.server_version and (server is None or not server.is_mariadb):
        problems.append(Problem(f"It comes from a server of another vendor: {meta.server_version}."))
    if meta.tool_version and "MariaDB" not in meta.tool_version:
        problems.append(Problem(f"It was taken with a tool of another vendor: {meta.tool_version}."))
    if as_increment:
        if not meta.incremental:
            problems.append(Problem("It is not an incremental backup, and one is needed."))
    elif meta.incremental:
        problems.append(Problem("It is an incremental backup; a full one is needed."))
    elif meta.from_lsn:
        problems.append(Problem(f"It begins at LSN {meta.from_lsn}: it is not a full backup."))
    if meta.compressed:
        problems.append(Problem("It was taken with --compress and must be decompressed first."))
    if meta.last_lsn < meta.to_lsn:
        problems.append(Problem(f"Its last_lsn {meta.last_lsn} is before its to_lsn {meta.to_lsn}."))
    return problems


def _compare(
    proof: Proof,
    manifest: Manifest,
    verify_checksums: bool,
    threads: int,
    on_bytes: Callable[[int], None] | None,
) -> None:
    """Hold the directory against its manifest."""
    meta = proof.metadata
    if meta is not None and manifest.prepared != meta.prepared:
        state = "prepared" if meta.prepared else "not prepared"
        told = "prepared" if manifest.prepared else "not prepared"
        proof.problems.append(
            Problem(
                f"Its manifest describes it as {told}, but it is {state}: it was changed after the manifest was "
                f"written. If you did that by hand and trust it, move {manifest_path(proof.path)} away."
            )
        )
        return
    if meta is not None and manifest.uuid and meta.uuid and manifest.uuid != meta.uuid:
        proof.problems.append(Problem(f"Its manifest belongs to another backup, {manifest.uuid}."))
        return
    problems = compare_files(manifest, proof.files)
    proof.verified = "sizes"
    if verify_checksums and manifest.checksum == "sha256" and not problems:
        found = hash_tree(proof.path, manifest.files, threads, on_bytes)
        problems = [
            Problem(f"{name} was changed: its SHA-256 differs from the manifest's.", name)
            for name, entry in sorted(manifest.files.items())
            if found[name].sha256 != entry.sha256
        ]
        proof.verified = "sha256"
    proof.problems += problems


def compare_files(manifest: Manifest, files: dict[str, int]) -> list[Problem]:
    """Compare names and sizes with a manifest (pure)."""
    problems = []
    for name, entry in sorted(manifest.files.items()):
        size = files.get(name)
        if size is None:
            problems.append(Problem(f"{name} is missing.", name))
        elif size != entry.size:
            problems.append(Problem(f"{name} has {size} bytes, {entry.size} in the manifest.", name))
    for name in sorted(files):
        if name not in manifest.files:
            problems.append(Problem(f"{name} is not in the manifest.", name))
    return problems
