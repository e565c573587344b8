# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remote storage, whichever it is, through the program rclone: lists, small files, and streams that nobody stores in between.

Its configuration is a file of mode 0600 (stream/remotes.py makes one), never a part of an argument list.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter, find_program

# NAME:path, as rclone has it. A local directory is an absolute path.
_REMOTE = re.compile(r"[A-Za-z0-9_.+@-][A-Za-z0-9_.+@ -]*:.*")
_MIB = 1 << 20
_S3_PARTS = 10_000
# How many aliases and the like may lie before the storage itself.
_DEEPEST = 8
_NOT_FOUND = (3, 4)
# Longer than any upload takes: the storage tells of a bucket's uploads, and not whose they are.
_UNFINISHED = "7d"
_TIMEOUT = 3600
_OPTIONS = ("--ask-password=false", "--contimeout=30s", "--timeout=5m", "--low-level-retries=5", "--stats=0")
# What rclone says, and what to do about it.
_KNOWN = (
    (
        re.compile(r"didn't find section in config file|couldn't find configuration section", re.IGNORECASE),
        "Correct repository, or configure the remote: with the file rclone_config, or with rclone_remotes.",
    ),
    (
        re.compile(
            r"connection (?:refused|lost|reset)|no such host|i/o timeout|network is unreachable|no route to host|EOF",
            re.IGNORECASE,
        ),
        "See that the storage answers from this host, then run the task again.",
    ),
    (
        re.compile(
            r"AccessDenied|Forbidden|InvalidAccessKey|SignatureDoesNotMatch|permission denied|unable to authenticate|\b40[13]\b",
            re.IGNORECASE,
        ),
        "Correct the credentials (rclone_config or rclone_remotes), or what they are allowed.",
    ),
    (
        re.compile(r"Part number must be|TooManyParts", re.IGNORECASE),
        "Say how many parts the storage takes, with max_upload_parts in the configuration of the remote.",
    ),
    (re.compile(r"NoSuchBucket", re.IGNORECASE), "Make the bucket, or correct repository."),
    (
        re.compile(r"no space left|quota|InsufficientStorage|XMinioStorageFull", re.IGNORECASE),
        "Make room in the storage, then run the task again.",
    ),
    (
        re.compile(r"SSH_FX_FAILURE"),
        "An SFTP server says no more than this: see whether the storage has room, then run the task again.",
    ),
)  # fmt: skip


def is_remote(repository: str) -> bool:
    """Tell whether a repository is a remote of rclone, ``NAME:path``, and not a directory of this host."""
    return bool(_REMOTE.fullmatch(repository))


def repository_name(repository: str) -> str:
    """Return a repository's name as it is compared: a remote as it is written, a directory by its absolute path."""
    return repository if is_remote(repository) else os.path.abspath(repository)


def part_size(expected_bytes: int, most: int = _S3_PARTS, least: int = 5 * _MIB) -> int:
    """Return how large the parts of an upload have to be, in bytes, so that a stream of that length fits into their number.

    Args:
        expected_bytes: about how long it will be; a fifth more is allowed for.
        most: how many parts the storage takes; a tenth of them is left.
        least: the smallest part that it takes, or that is of use.
    """
    needed = -(-expected_bytes * 6 // 5 // max(1, most * 9 // 10))
    return max(least, -(-needed // _MIB) * _MIB)


def part_options(expected_bytes: int, s3_parts: int = _S3_PARTS) -> tuple[str, ...]:
    """Return the options that choose the parts of an upload whose length rclone does not know, so that it cannot do it itself.

    All of them, whatever the remote is: rclone heeds those of the storage that lies behind it. The limits are those of the
    services; what is least is rclone's own choice, and of Azure rclone 1.53 takes no larger blocks.
    """
    sizes = {
        "s3": part_size(expected_bytes, s3_parts),
        "b2": part_size(expected_bytes, 10_000, 96 * _MIB),
        "azureblob": min(part_size(expected_bytes, 50_000, 4 * _MIB), 100 * _MIB),
    }
    return (*(f"--{kind}-chunk-size={size}B" for kind, size in sizes.items()), "--s3-upload-concurrency=2")


def most_parts(remotes: Mapping[str, Mapping[str, str]], where: str) -> int:
    """Return how many parts an upload to the remote of ``where`` may have (pure).

    Args:
        remotes: rclone's configuration. ``max_upload_parts`` says so of an S3 storage that takes fewer than S3 itself; it may lie
            behind remotes that encrypt, or are other names.
    """
    for _step in range(_DEEPEST):
        remote = remotes.get(where.partition(":")[0], {})
        if "max_upload_parts" in remote:
            with contextlib.suppress(ValueError):
                return min(_S3_PARTS, max(1, int(remote["max_upload_parts"])))
        where = remote.get("remote", "")
    return _S3_PARTS


@dataclass(frozen=True)
class RemoteFile:
    """A file of a remote: its path below what was listed, its size in bytes, and when it was written (ISO 8601)."""

    path: str
    size: int
    modified: str


class Rclone:
    """rclone with one configuration.

    Args:
        config: the configuration file; None for rclone's own place, which is the account's ``~/.config/rclone``.

    Raises:
        MariabackupError: rclone is not installed, or the file is missing or open to others.
    """

    def __init__(self, config: str | None) -> None:
        self._program = find_program("rclone", "rclone")
        self._config = config
        if config is not None:
            _check_config(config)

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """Return a command line of rclone."""
        config = (f"--config={self._config}",) if self._config else ()
        return (self._program, *arguments[:1], *config, *_OPTIONS, *arguments[1:])

    def reader(self, where: str) -> Filter:
        """Return the program that writes a stored file to its stdout."""
        return Filter("rclone cat", self.argv("cat", "--", where), advice=_KNOWN)

    def writer(self, where: str, expected_bytes: int) -> Filter:
        """Return the program that stores its stdin as one file; see ``part_options``."""
        options = part_options(expected_bytes, most_parts(self._remotes(), where))
        return Filter("rclone rcat", self.argv("rcat", *options, "--", where), advice=_KNOWN)

    def _remotes(self) -> dict[str, dict[str, str]]:
        """Return the whole configuration, secrets too: it is for looking a value up, and never for showing."""
        found = self._json("its configuration", self._run("config", "dump"))
        remotes = found.items() if isinstance(found, dict) else ()
        return {name: remote for name, remote in remotes if isinstance(remote, dict)}

    def files(self, where: str) -> list[RemoteFile]:
        """Return every file below ``where``; none where there is nothing."""
        found = self._list(where, "--recursive", "--files-only")
        return [RemoteFile(entry["Path"], int(entry["Size"]), str(entry["ModTime"])) for entry in found]

    def directories(self, where: str) -> list[str]:
        """Return the names of the directories in ``where``."""
        return sorted(entry["Name"] for entry in self._list(where, "--dirs-only"))

    def _list(self, where: str, *options: str) -> list[dict[str, Any]]:
        done = self._run("lsjson", *options, "--no-mimetype", "--", where, accept=_NOT_FOUND)
        found = self._json(f"the files in {where}", done) if done.returncode == 0 else []
        return [entry for entry in found or [] if isinstance(entry, dict)]

    @staticmethod
    def _json(what: str, done: subprocess.CompletedProcess[str]) -> Any:
        try:
            return json.loads(done.stdout or "null")
        except ValueError:
            raise MariabackupError(f"What rclone says of {what} cannot be read.", "Try a newer rclone.") from None

    def fetch(self, where: str, directory: str, names: Iterable[str]) -> None:
        """Copy files below ``where`` into a local directory, under their names."""
        self._run(
            "copy", "--files-from-raw=-", "--no-traverse", "--ignore-times", "--", where, directory, text="\n".join(names)
        )  # fmt: skip

    def store(self, directory: str, where: str, names: Iterable[str]) -> None:
        """Copy files of a local directory to below ``where``, under their names; rclone compares sizes and checksums."""
        self._run(
            "copy", "--files-from-raw=-", "--no-traverse", "--ignore-times", "--", directory, where, text="\n".join(names)
        )  # fmt: skip

    def copy_file(self, source: str, target: str) -> None:
        """Copy one file, on this host or in any remote, to another name; rclone compares sizes and checksums."""
        self._run("copyto", "--ignore-times", "--", source, target, timeout=None)

    def remove_file(self, where: str) -> None:
        """Remove one file; nothing happens when it is not there."""
        try:
            self._run("deletefile", "--", where, accept=_NOT_FOUND)
        except MariabackupError as error:
            # Of a missing file rclone 1.60 says so in words, with the return code of every error.
            if "doesn't exist" not in error.cause:
                raise

    def purge(self, where: str) -> None:
        """Remove a directory with all that is in it; nothing happens when it is not there."""
        self._run("purge", "--", where, accept=_NOT_FOUND)

    def clean_up(self, where: str) -> None:
        """End uploads of many parts that nobody has finished within a week: they are no files, and cost as much as files.

        Raises:
            MariabackupError: the storage knows no such uploads (only S3 and its like do), or refuses.
        """
        self._run("backend", "cleanup", "-o", f"max-age={_UNFINISHED}", where)

    def _run(
        self, *arguments: str, text: str | None = None, accept: tuple[int, ...] = (), timeout: float | None = _TIMEOUT
    ) -> subprocess.CompletedProcess[str]:
        argv = self.argv(*arguments)
        try:
            done = subprocess.run(
                argv, input=text, stdin=None if text is not None else subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", check=False, timeout=timeout, env={**os.environ, "LC_ALL": "C"}, umask=0o077,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise MariabackupError(
                f"rclone {arguments[0]} of {arguments[-1]} did not end within {timeout} s.", "Look at the storage."
            ) from None
        if done.returncode != 0 and done.returncode not in accept:
            raise failure(argv, done.returncode, done.stderr)
        return done


def failure(argv: Iterable[str], rc: int, stderr: str) -> MariabackupError:
    """Make the error of a run of rclone from its words."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if "ERROR" in line or "Fatal" in line or "Failed" in line), "")
    said = re.sub(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", said or (lines[-1] if lines else "it said nothing"))
    said = re.sub(r"^(ERROR|CRITICAL|NOTICE)\s*:\s*", "", said).strip().rstrip(".")
    action = next(
        (advice for pattern, advice in _KNOWN if pattern.search(stderr)), "Mend what it says, then run the task again."
    )
    return MariabackupError(f"rclone failed: {said}.", action, cmd=list(argv), rc=rc, log_tail=lines[-10:])


def _check_config(path: str) -> None:
    try:
        status = os.stat(path)
    except OSError as error:
        raise MariabackupError(
            f"The rclone configuration {path} cannot be read: {error.strerror}.", "Correct rclone_config."
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise MariabackupError(f"The rclone configuration {path} is not a file.", "Correct rclone_config.")
    if status.st_mode & 0o077:
        raise MariabackupError(
            f"The rclone configuration {path} is open to others: its mode is {stat.S_IMODE(status.st_mode):04o}.",
            f"Close it (chmod 0600 {path}), and replace the secrets in it if others may have read them.",
        )


def from_params(params: Mapping[str, Any]) -> Rclone:
    """Return rclone as the options of a module configure it."""
    return Rclone(params.get("rclone_config"))
