# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the tool's log (pure): did it succeed, how far did recovery get, and what do its complaints mean.

The texts were collected from runs of 10.5, 10.11 and 11.8. The word "error" alone means nothing: file names
contain it, and the tool prints harmless "Error: cannot open ..." lines while it looks for both generations of
metadata names.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

COMPLETED = "completed OK!"
TAIL_LINES = 20
_END_OF_LOG = re.compile(r"InnoDB: End of log at LSN=(\d+)")
_TOOL_LINE = re.compile(
    r"^(?:\[\d\d\] (?:FATAL ERROR: )?)?\d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d ?(?:\d+ \[[A-Z][A-Za-z]+\] )?(.*)$"
)
_FATAL = re.compile(r"FATAL ERROR: |\[ERROR\] |^mariadb-?backup: (unknown|Error|ambiguous)|unknown (option|variable) '")
_MISSING_PRIVILEGE = re.compile(r"missing required privilege ([A-Z ]+?) on (\S+)")
_DENIED_PRIVILEGES = re.compile(r"you need \(at least one of\) the (.+?) privilege\(s\) for this operation")
_DATABASE_DENIED = re.compile(r"(Access denied for user '[^']*'(?:@'[^']*')?[^\n]*)")
# The tool shows the account's grants, with the hash of its password, when one is missing.
_SECRET = re.compile(
    r"(IDENTIFIED (?:BY PASSWORD|BY|(?:VIA|WITH) \S+ (?:USING|AS|BY)) )(?:PASSWORD\()?'[^']*'\)?(?: OR .*)?"
)
_LOG_OVERRUN = re.compile(r"Was only able to copy log from (\d+) to (\d+), not (\d+)")


@dataclass(frozen=True)
class Finding:
    """What a failed run died of, in words, and what to do about it."""

    cause: str
    action: str


# Pattern, cause ({0} is the matched line, {1} the first group), action. The first that matches any line wins.
_KNOWN: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"No space left on device|[Ee]rrno: 28|Disk is full|OS error: 28|error 28\b"),
        "The disk is full: {0}",
        "Free space or choose a place on a larger file system, then run the task again.",
    ),
    (
        re.compile(r"Disk quota exceeded|[Ee]rrno: 122"),
        "The disk quota is used up: {0}",
        "Raise the quota or choose another place, then run the task again.",
    ),
    (
        re.compile(r"Read-only file system|[Ee]rrno: 30\b"),
        "The file system is read-only: {0}",
        "Mount it for writing, or choose another place.",
    ),
    (
        re.compile(r"Too many open files|[Ee]rrno: 24\b|OS error: 24\b|Error number 24\b"),
        "The tool ran out of file descriptors: {0}",
        "Set open_files_limit above the number of tables and partitions of the server.",
    ),
    (
        re.compile(r"Unsupported redo log format|redo log was created with|Upgrade after a crash is not supported"),
        "The redo log in the backup is of a format that this tool does not read: {0}",
        "Prepare the backup with the tool of the series that took it.",
    ),
    (
        re.compile(r"cannot process redo log before MariaDB|Unsupported server version"),
        "The tool does not fit the server: {0}",
        "Install mariadb-backup of the server's own series.",
    ),
    (
        re.compile(
            r"cannot be decrypted|[Cc]annot decrypt|Decryption failed|encryption plugin is not (available|loaded)"
            r"|Obtaining redo log encryption key version|Invalid encryption key|Failed to decrypt|key_version \d+ .*not"
            r"|Error loading encryption plugin|can't load encryption plugin|read_wkb_key"
        ),
        "Encrypted data cannot be read: {0}",
        "Put the encryption plugin and the same key file in place that the server had, readable for this process.",
    ),
    (
        re.compile(r"Missing (MLOG|FILE)_CHECKPOINT|No valid checkpoint|Log file .*corrupt|ib_logfile0 .*is too small"),
        "The redo log in the backup is damaged: {0}",
        "Use another backup.",
    ),
    (
        re.compile(r"File (\S*ib_logfile0) was not found|cannot open ib_logfile0|ib_logfile0.* was not found"),
        "The backup has no redo log: {0}",
        "Use another backup; without its redo log a backup cannot be made consistent.",
    ),
    (
        re.compile(r"(page \d+|Database page).*(corrupt|checksum)|[Cc]orrupted? (page|database page)|is corrupted"),
        "A data file holds damaged pages: {0}",
        "Check the table on the server (CHECK TABLE, the error log, the disk) before the next backup.",
    ),
    (
        re.compile(r"[Ff]ile exists|[Ee]rrno: 17\b"),
        "The target directory holds files: {0}",
        "Choose an empty or missing directory.",
    ),
    (
        re.compile(r"Permission denied|[Ee]rrno: 13\b|OS error: 13\b|Operation not permitted"),
        "A file could not be read or written: {0}",
        "Run the task as root, or as a user who may read the datadir and write the target.",
    ),
    (
        re.compile(r"failed to execute query BACKUP LOCK .*error in your SQL syntax"),
        "The tool cannot lock a table, because it does not double the backquote in its name: {0}",
        "Rename the table or its schema, or convert it (ALTER TABLE ... ENGINE=InnoDB): InnoDB tables need no such lock.",
    ),
    (
        re.compile(r"innodb_log_archive"),
        "The server archives its redo log, which mariadb-backup does not support: {0}",
        "Set innodb_log_archive=OFF.",
    ),
    (
        re.compile(r"unknown (?:option|variable) '(?P<option>[^'=]+)"),
        "The tool does not know an option: {0}",
        "Remove it from extra_args or from the [mariadb-backup] group of the option files.",
    ),
    (
        re.compile(
            r"Can't open backup-my\.cnf|does not have correct metadata|Can't open dir|can't my_setwd"
            r"|failed to read metadata from"
        ),
        "The directory is not a complete backup: {0}",
        "Point at the directory of a finished backup.",
    ),
    (
        re.compile(r"applying incremental backup needs a prepared target|does not seem to be|seems not to be proper"),
        "The increment does not fit its base: {0}",
        "Prepare the full backup first, then its increments in the order in which they were taken.",
    ),
    (
        re.compile(r"Failed to connect|Can't connect to (local )?(MariaDB|MySQL|server)|Can't connect to .* through"),
        "The server cannot be reached: {0}",
        "Start the server, or correct login_unix_socket or login_host.",
    ),
    (
        re.compile(r"[Ss]erver has gone away|Lost connection|Server shutdown in progress|Connection was killed"),
        "The connection to the server broke: {0}",
        "See that the server runs, then run the task again.",
    ),
    (
        re.compile(r"Not a replica|Failed to get .*slave|Slave_open_temp_tables|slave sql thread"),
        "The replica could not be brought to a safe point: {0}",
        "Raise the timeout of safe_slave_backup, or take the backup without it.",
    ),
    (
        re.compile(
            r"mmap\(\d+ bytes\) failed|Cannot allocate memory|cannot allocate|Out of memory|Cannot map innodb_buffer_pool_size_max"
        ),
        "There was not enough memory: {0}",
        "Lower use_memory, or free memory.",
    ),
)


@dataclass
class LogReport:
    """What one run of the tool said.

    Attributes:
        completed: the last line is ``completed OK!``.
        end_of_log_lsn: how far recovery read the redo log; 10.5 does not print it.
        missing_privileges: by name, in the order of the log.
        access_denied: the server's words when it refused the login.
        fatal: lines that the tool itself calls fatal.
        finding: the known cause, if a line matches one.
        tail: the last lines.
    """

    completed: bool = False
    end_of_log_lsn: int | None = None
    missing_privileges: list[str] = field(default_factory=list)
    access_denied: str | None = None
    overrun: str | None = None
    fatal: list[str] = field(default_factory=list)
    finding: Finding | None = None
    tail: list[str] = field(default_factory=list)


class LogReader:
    """Collects a report from lines, in constant memory."""

    def __init__(self) -> None:
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._report = LogReport()
        self._rank = len(_KNOWN)
        self._last = ""

    def feed(self, line: str) -> None:
        """Take one line, with or without its line end."""
        line = hide_secrets(line.rstrip("\r\n"))
        if not line.strip():
            return
        self._last = line
        self._tail.append(line)
        report = self._report
        message = tool_message(line)
        if message.lstrip().startswith(("Copying ", "...done", "Streaming ", "DDL tracking")):
            return
        match = _END_OF_LOG.search(line)
        if match:
            report.end_of_log_lsn = int(match.group(1))
        if _FATAL.search(line) and len(report.fatal) < TAIL_LINES:
            report.fatal.append(line)
        for pattern in (_MISSING_PRIVILEGE, _DENIED_PRIVILEGES):
            match = pattern.search(line)
            if match and match.group(1) not in report.missing_privileges and "not used" not in line:
                if pattern is _DENIED_PRIVILEGES or "Error" in line:
                    report.missing_privileges.append(match.group(1))
        match = _DATABASE_DENIED.search(line)
        if match and report.access_denied is None:
            report.access_denied = match.group(1)
        match = _LOG_OVERRUN.search(line)
        if match:
            report.overrun = message
        self._match_known(line, message)

    def _match_known(self, line: str, message: str) -> None:
        # Looked for by rank, so that "disk full" wins over the "cannot write" that follows from it.
        for rank, (pattern, cause, action) in enumerate(_KNOWN[: self._rank]):
            if pattern.search(line):
                self._rank = rank
                self._report.finding = Finding(cause.format(_sentence(message)), action)
                return

    def report(self) -> LogReport:
        """Return the report of all lines so far."""
        self._report.completed = self._last.rstrip().endswith(COMPLETED)
        self._report.tail = list(self._tail)
        return self._report


def read_log(lines: Iterable[str]) -> LogReport:
    """Read a whole log."""
    reader = LogReader()
    for line in lines:
        reader.feed(line)
    return reader.report()


def hide_secrets(line: str) -> str:
    """Replace what identifies an account in a line of ``SHOW GRANTS``."""
    return _SECRET.sub(r"\1'********'", line) if "IDENTIFIED" in line else line


def tool_message(line: str) -> str:
    """Return a line without its beginning, ``[00] 2026-01-01 10:00:00`` or ``2026-01-01 10:00:00 0 [ERROR]``."""
    match = _TOOL_LINE.match(line)
    return match.group(1) if match else line


def _sentence(message: str) -> str:
    # The tool rings the bell in some of its errors.
    text = "".join(character for character in message if character.isprintable()).strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def explain(report: LogReport, mode: str) -> Finding:
    """Say in words why a run failed (pure); ``mode`` is ``backup``, ``prepare`` or ``copy-back``.

    Missing privileges and refused logins come first: everything after them in the log follows from them.
    """
    if report.missing_privileges:
        names = grantable(report.missing_privileges)
        return Finding(
            f"The backup account lacks a privilege: {names}.",
            f"As an administrator of the server: GRANT {names} ON *.* TO the account that the task logs in with.",
        )
    if report.access_denied:
        return Finding(
            f"The server refuses the login: {_sentence(report.access_denied)}",
            "Correct login_user and login_password, or the [client] or [mariadb-backup] group of the option file.",
        )
    if report.overrun:
        return Finding(
            f"The server overwrote its redo log before it was copied: {_sentence(report.overrun)}",
            "Take the backup when the server writes less, raise parallel, or raise innodb_log_file_size.",
        )
    if report.finding:
        return report.finding
    if report.fatal:
        return Finding(_sentence(tool_message(report.fatal[0])), f"Read the log of the {mode}.")
    last = f": {_sentence(tool_message(report.tail[-1]))}" if report.tail else "."
    return Finding(f"mariadb-backup did not finish its {mode}{last}", f"Read the log of the {mode}.")


def grantable(privileges: Iterable[str]) -> str:
    """Turn ``SUPER, REPLICA MONITOR`` of an error message into what a GRANT statement takes."""
    names: list[str] = []
    for text in privileges:
        # "you need (at least one of) the SUPER, BINLOG MONITOR": the narrowest comes last.
        name = text.split(",")[-1].strip()
        if name not in names:
            names.append(name)
    return ", ".join(names)
