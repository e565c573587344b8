# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest beside a backup: what it is, where it comes from, and every file with its size and checksum.

The format is described in docs/manifest.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import is_id
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import write_atomic, write_json

SCHEMA_VERSION = 1
SUFFIX = ".manifest.json"
#: in a repository: the directory with a backup's files, its manifest, and the list of its files
DATA, MANIFEST, FILE_LIST = "data", "manifest.json", "files.json"
#: in a repository: the file of a backup in the stream format, before its endings, and the directory of its metadata files
STREAM, METADATA = "backup.mbstream", "metadata"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STREAM_NAME = re.compile(r"backup[.]mbstream([.][a-z0-9]+)*")
# Settings of backup-my.cnf that can hold a secret: this one may be a password in clear.
_SECRET_OPTIONS = frozenset({"file_key_management_filekey", "aws_key_management_master_key_id"})


@dataclass(frozen=True)
class FileEntry:
    """One file of a backup: its size in bytes and, unless the backup was taken without, its checksum."""

    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class StoredStream:
    """The one file that holds a backup in the stream format, beside its manifest.

    Attributes:
        file: its name: ``backup.mbstream``, with the endings of its compression and encryption.
        size: in bytes, as it lies there.
        sha256: of these bytes; None where the backup was taken without checksums.
    """

    file: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Manifest:
    """What is known of a backup at the moment when it was proven.

    Attributes:
        id: sorts by time, ends in a random suffix.
        uuid: of the tool's info file.
        host, datadir: where it was taken: host name, and the server's datadir.
        instance: whose backup it is in a repository; None for a bare directory.
        created: end of the run, UTC, ISO 8601.
        base_id: the backup that this one is an increment of.
        timeline: one word for the history of the datadir at that time; None where it could not be told.
        layout: the settings by which the files were written (``backup-my.cnf``), secrets left out.
        checksum: ``sha256`` or ``none``. In the stream format it is that of the stream, and files have none of their own.
        stream: the file that holds the backup; None in the directory format.
        recipients: the public keys that it is encrypted for.
        prepared, exported: the state in which ``files`` describes it.
        selection: what was chosen for a partial backup, by option; None for a whole one.
        server_id: by which the server is known in replication; None where it could not be told.
        files: by path inside of the backup, ``/`` between the parts.
    """

    id: str
    type: str
    created: str
    host: str
    datadir: str | None
    server_version: str | None
    tool_version: str | None
    from_lsn: int
    to_lsn: int
    last_lsn: int
    uuid: str | None = None
    base_id: str | None = None
    timeline: str | None = None
    instance: str | None = None
    label: str | None = None
    gtid: str = ""
    binlog_file: str | None = None
    binlog_position: int | None = None
    duration_seconds: float = 0.0
    prepared: bool = False
    exported: bool = False
    checksum: str = "none"
    compression: str = "none"
    encrypted: bool = False
    stream: StoredStream | None = None
    recipients: list[str] = field(default_factory=list)
    selection: dict[str, list[str]] | None = None
    server_id: int | None = None
    schemas: list[str] = field(default_factory=list)
    layout: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileEntry] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        """Whether it holds a choice of schemas or tables, so that no server can start on it."""
        return self.selection is not None

    @property
    def size_bytes(self) -> int:
        """The sum of the files' sizes."""
        return sum(entry.size for entry in self.files.values())

    def unpacked(self) -> Manifest:
        """Return the manifest of what comes out of the stream."""
        return replace(self, stream=None, compression="none", encrypted=False, recipients=[])

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as it is written."""
        value = asdict(self)
        value["files"] = {
            path: {"size": entry.size, **({"sha256": entry.sha256} if entry.sha256 else {})}
            for path, entry in self.files.items()
        }
        return {"schema_version": SCHEMA_VERSION, **value, "size_bytes": self.size_bytes, "file_count": len(self.files)}


# Every field of one simple type, and whether it may be null or missing.
_FIELDS: tuple[tuple[str, type, bool], ...] = (
    *((name, str, False) for name in ("id", "type", "created", "host", "gtid", "checksum", "compression")),
    *((name, str, True) for name in ("datadir", "instance", "server_version", "tool_version", "uuid", "base_id")),
    *((name, str, True) for name in ("timeline", "label", "binlog_file")),
    *((name, int, False) for name in ("from_lsn", "to_lsn", "last_lsn", "size_bytes", "file_count")),
    ("binlog_position", int, True),
    ("server_id", int, True),
    *((name, bool, False) for name in ("prepared", "exported", "encrypted")),
)
_NAMES = tuple(name for name in Manifest.__dataclass_fields__ if name != "files")


@dataclass(frozen=True)
class Head:
    """A manifest without its list of files: what a catalogue reads of thousands of them."""

    manifest: Manifest
    size_bytes: int
    file_count: int

    @property
    def stored_bytes(self) -> int:
        """What it takes where it lies: the size of its stream, else the sum of its files' sizes."""
        return self.manifest.stream.size if self.manifest.stream is not None else self.size_bytes


def manifest_path(target_dir: str) -> str:
    """Return where the manifest of a backup's directory lies: never inside, or it would be copied into datadirs.

    In a repository it is ``<id>/manifest.json`` for ``<id>/data`` and, of a stream, for ``<id>/metadata``; else
    ``<target_dir>.manifest.json``.
    """
    parent, name = os.path.split(target_dir.rstrip("/"))
    if name in (DATA, METADATA) and is_id(os.path.basename(parent)):
        return os.path.join(parent, MANIFEST)
    return target_dir.rstrip("/") + SUFFIX


def safe_layout(options: Mapping[str, str]) -> dict[str, str]:
    """Leave out what may be secret."""
    return {name: value for name, value in sorted(options.items()) if name not in _SECRET_OPTIONS}


def parse_manifest(value: Any) -> Manifest:
    """Check a decoded manifest, with its list of files, and build it (pure).

    Raises:
        ValueError: what is wrong with it.
    """
    head = parse_head(value)
    with_checksum = head.manifest.checksum == "sha256" and head.manifest.stream is None
    files = _parse_files(value.get("files"), with_checksum)
    if len(files) != head.file_count or sum(entry.size for entry in files.values()) != head.size_bytes:
        raise ValueError("its list of files does not add up to size_bytes and file_count")
    return replace(head.manifest, files=files)


def parse_head(value: Any) -> Head:
    """Check a decoded manifest but for its list of files (pure). Errors as in ``parse_manifest``."""
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    version = value.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is {version!r}, this release reads {SCHEMA_VERSION}")
    for name, kind, optional in _FIELDS:
        found = value.get(name)
        # A truth value is no number here.
        fits = isinstance(found, kind) and (kind is bool or not isinstance(found, bool))
        if not fits and not (optional and found is None):
            raise ValueError(f"{name} is {'missing' if found is None else 'not ' + kind.__name__}")
        if isinstance(found, int) and found < 0:
            raise ValueError(f"{name} is not int")
    base = value.get("base_id")
    # It is joined to the directory of the instance.
    if base is not None and not is_id(base):
        raise ValueError(f"base_id is {base!r}, which is not the id of a backup")
    if value["checksum"] not in ("sha256", "none"):
        raise ValueError(f"checksum is {value['checksum']!r}")
    duration = value.get("duration_seconds")
    if isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise ValueError("duration_seconds is not a number")
    layout, schemas = value.get("layout"), value.get("schemas")
    if not isinstance(layout, dict) or not all(isinstance(text, str) for text in layout.values()):
        raise ValueError("layout is not a list of settings")
    if not isinstance(schemas, list) or not all(isinstance(name, str) for name in schemas):
        raise ValueError("schemas is not a list of names")
    recipients = value.get("recipients", [])
    if not isinstance(recipients, list) or not all(isinstance(key, str) for key in recipients):
        raise ValueError("recipients is not a list of keys")
    _check_selection(value.get("selection"))
    # A catalogue holds thousands of manifests whose texts are mostly the same: one copy of each is kept.
    known = {name: value[name] for name in _NAMES if name in value}
    for name, kind, _optional in _FIELDS:
        if kind is str and known.get(name):
            known[name] = sys.intern(known[name])
    known["layout"] = {sys.intern(name): sys.intern(text) for name, text in layout.items()}
    known["schemas"] = [sys.intern(name) for name in schemas]
    known["stream"] = _parse_stream(value.get("stream"), value["checksum"] == "sha256")
    return Head(Manifest(**known), value["size_bytes"], value["file_count"])


def _parse_stream(value: Any, with_checksum: bool) -> StoredStream | None:
    if value is None:
        return None
    file = value.get("file") if isinstance(value, dict) else None
    # It is opened, and removed with the backup: it must not lead elsewhere.
    if not isinstance(file, str) or not _STREAM_NAME.fullmatch(file):
        raise ValueError(f"stream has the file {file!r}")
    size, digest = value.get("size"), value.get("sha256")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError("stream has no size")
    if (digest is not None or with_checksum) and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise ValueError("stream has no sha256")
    return StoredStream(file, size, digest)


def _check_selection(value: Any) -> None:
    if value is None:
        return
    lists = list(value.values()) if isinstance(value, dict) else [None]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise ValueError("selection is not an object of lists of names")


def _parse_files(value: Any, with_checksum: bool) -> dict[str, FileEntry]:
    if not isinstance(value, dict):
        raise ValueError("files is missing")
    files: dict[str, FileEntry] = {}
    for path, entry in value.items():
        # The paths are joined to directories that we read and delete from: none may lead out of them.
        if not path or path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
            raise ValueError(f"files has the path {path!r}")
        size = entry.get("size") if isinstance(entry, dict) else None
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ValueError(f"files has no size for {path!r}")
        digest = entry.get("sha256")
        if (digest is not None or with_checksum) and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            raise ValueError(f"files has no sha256 for {path!r}")
        files[path] = FileEntry(size, digest)
    return files


def read_manifest(path: str) -> Manifest | None:
    """Read a manifest; None when there is no such file.

    Raises:
        MariabackupError: it is damaged, of another schema version, or cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, error) from error
    try:
        if isinstance(value, dict) and "file_list_sha256" in value:
            value["files"] = _read_file_list(os.path.join(os.path.dirname(path), FILE_LIST), value["file_list_sha256"])
        return parse_manifest(value)
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, error) from error


def read_head(path: str) -> Head:
    """Read a manifest without its list of files.

    Raises:
        OSError, ValueError, RecursionError: it is not there, damaged, or of another schema version.
    """
    with open(path, "rb", buffering=0) as stream:
        return parse_head(json.loads(stream.read().decode("utf-8")))


def _read_file_list(path: str, sha256: Any) -> Any:
    with open(path, "rb") as stream:
        text = stream.read()
    if hashlib.sha256(text).hexdigest() != sha256:
        raise ValueError(f"its list of files, {path}, was changed")
    return json.loads(text)


def _unusable(path: str, error: BaseException) -> MariabackupError:
    text = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
    return MariabackupError(
        f"The manifest {path} cannot be used: {text}.",
        "Use another backup. If you trust this one, move the manifest away: it is then checked like a backup "
        "that was made by hand.",
    )


def write_manifest(path: str, manifest: Manifest) -> None:
    """Write a manifest, 0600, whole or not at all.

    In a repository the list of files has a file of its own, which is there before the manifest names its checksum: a catalogue
    of thousands of backups reads the short part alone.

    Raises:
        OSError: it cannot be written.
    """
    value = manifest.to_dict()
    if os.path.basename(path) == MANIFEST:
        text = json.dumps(value.pop("files"), indent=1, sort_keys=True) + "\n"
        write_atomic(os.path.join(os.path.dirname(path), FILE_LIST), text)
        value["file_list_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    write_json(path, value)


def remove_manifest(path: str) -> None:
    """Remove a manifest that no longer describes anything."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
