# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of our own on a prepared copy: it rolls back what was not committed, and does to the copy what it is asked.

It has no accounts and no network, and its socket lies in a private directory. It ends with us, also when we are killed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree, write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import Login, NoServer, connect, query
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import starter

OPTION_FILE = ".mariabackup-scratch.cnf"
TEMPORARY = ".mariabackup-tmp"
_LONGEST_SOCKET = 100
# The server has gone away, or was lost during a query.
_LOST = (2006, 2013)
# By these the files were written.
_LAYOUT = ("innodb_page_size", "innodb_data_file_path")
_LOOSE = ("innodb_undo_tablespaces", "innodb_checksum_algorithm", "innodb_compression_algorithm")


def option_text(
    directory: str, socket: str, log: str, layout: Mapping[str, str], lower_case: str, memory: int, temporary: str
) -> str:
    """Return the server's option file (pure).

    Args:
        directory: the prepared copy; everything that the server writes lies in it.
        socket: its socket.
        log: its error log.
        layout: the settings by which the files were written (``backup-my.cnf``). Its directories are those of the server
            the backup was taken from: none is used.
        lower_case: ``lower_case_table_names``.
        memory: for the buffer pool, in bytes.
        temporary: a directory for temporary files.
    """
    lines = ["[mysqld]"]
    lines += [f"{name} = {layout[name]}" for name in _LAYOUT if name in layout]
    lines += [f"loose_{name} = {layout[name]}" for name in _LOOSE if name in layout]
    # Plugins that encrypt, or compress pages, with their settings; these may hold a secret, so this is a file.
    lines += [
        f"{'' if name == 'plugin_load' else 'loose_'}{name} = {value}"
        for name, value in layout.items()
        if not name.startswith("innodb_")
    ]
    lines += [
        f"datadir = {directory}",
        f"innodb_data_home_dir = {directory}",
        f"innodb_log_group_home_dir = {directory}",
        f"innodb_undo_directory = {directory}",
        f"aria_log_dir_path = {directory}",
        f"tmpdir = {temporary}",
        f"innodb_tmpdir = {temporary}",
        f"socket = {socket}",
        f"pid_file = {temporary}/pid",
        f"log_error = {log}",
        f"lower_case_table_names = {lower_case}",
        f"innodb_buffer_pool_size = {max(memory, 64 << 20)}",
        "innodb_log_file_size = 50331648",
        "innodb_buffer_pool_load_at_startup = OFF",
        "innodb_buffer_pool_dump_at_shutdown = OFF",
        "innodb_fast_shutdown = 1",
        "innodb_stats_auto_recalc = OFF",
        "innodb_flush_method = fsync",
        "loose_innodb_flush_log_at_trx_commit = 2",
        "skip_grant_tables",
        "skip_networking",
        "skip_log_bin",
        "skip_slave_start",
        "skip_external_locking",
        "loose_performance_schema = OFF",
        "loose_feedback = OFF",
        "loose_wsrep_on = OFF",
        "loose_wsrep_provider = none",
    ]
    if os.geteuid() == 0:
        # With --user=mysql the kernel would forget that this server has to end with us.
        lines.append("user = root")
    return "\n".join(lines) + "\n"


class Scratch:
    """A running scratch server; ``connection`` is logged in to it."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Any) -> None:
        self.process = process
        self.connection = connection

    def query(self, sql: str, args: Sequence[Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement and return its rows; errors as in ``server.login.query``."""
        return query(self.connection, sql, args)

    def kill(self) -> None:
        """End it at once; what was flushed for an export is whole."""
        self.process.kill()
        self.process.wait()

    def shut_down(self, timeout: float) -> None:
        """Let it write everything to the copy and end.

        Raises:
            MariabackupError: it does not end in time, or not well: the copy cannot be used.
        """
        with contextlib.suppress(MariabackupError):
            self.query("SHUTDOWN")  # the answer may be lost with the connection
        try:
            ended: int | None = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            ended = None
        if ended != 0:
            how = f"ended with return code {ended}" if ended is not None else f"did not end within {timeout:g} s"
            raise MariabackupError(
                f"The server that was started on the prepared copy was shut down, and {how}.",
                "Read its log, then run this task again. The server in service has not been touched.",
                rc=ended,
            )


def _tail(path: str, lines: int = 30) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()[-200_000:].splitlines()[-lines:]
    except OSError:
        return []


@contextlib.contextmanager
def scratch_server(
    binary: str,
    directory: str,
    layout: Mapping[str, str],
    ctx: Context,
    *,
    lower_case: str,
    memory: int,
    timeout: float,
    statements: Sequence[str],
) -> Iterator[Scratch]:
    """Start a server on a prepared copy, and end it with the block.

    Args:
        binary: the server program.
        directory: the copy; the server changes it.
        layout: as in ``option_text``.
        ctx: the job.
        lower_case: ``lower_case_table_names`` of the server in service.
        memory: for its buffer pool, in bytes.
        timeout: seconds until it has to answer.
        statements: run after the login.

    Raises:
        MariabackupError: it does not start; the end of its error log is in the message.
    """
    temporary = os.path.join(directory, TEMPORARY)
    os.makedirs(temporary, 0o700, exist_ok=True)
    private = ctx.job_dir if len(ctx.job_dir) + 16 < _LONGEST_SOCKET else tempfile.mkdtemp(prefix="mariabackup-")
    socket, log = os.path.join(private, "scratch.sock"), os.path.join(ctx.job_dir, "scratch.log")
    option_file = os.path.join(directory, OPTION_FILE)
    write_atomic(option_file, option_text(directory, socket, log, layout, lower_case, memory, temporary))
    argv = [binary, f"--defaults-file={option_file}"]
    ctx.log(f"starting a scratch server on {directory}; its log is {log}")
    with open(log, "ab") as stream:
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*starter(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=directory,
            start_new_session=True,
        )
    try:
        connection = _login(process, socket, timeout, argv, log)
        for statement in statements:
            query(connection, statement)
        yield Scratch(process, connection)
    except MariabackupError as error:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1 if error.details.get("errno") in _LOST else 0)
        if process.returncode is None or error.details.get("errno") not in _LOST:
            raise
        raise MariabackupError(
            f"The server that was started on the prepared copy has ended, return code {process.returncode}. {error.cause}",
            "Read its messages below; the kernel's log tells whether it ran out of memory. The server in service has not"
            " been touched.",
            cmd=argv,
            rc=process.returncode,
            log_tail=_tail(log),
        ) from error
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for path in (socket, f"{socket}.lock"):
            with contextlib.suppress(OSError):
                os.unlink(path)
        if private != ctx.job_dir:
            delete_tree(private, ignore_errors=True)


def _login(process: subprocess.Popen[bytes], socket: str, timeout: float, argv: Sequence[str], log: str) -> Any:
    login = Login(user="root", unix_socket=socket, config_file="", label="the scratch server")
    deadline = time.monotonic() + timeout
    while True:
        try:
            return connect(login)
        except NoServer:
            pass
        ended = process.poll()
        if ended is not None or time.monotonic() > deadline:
            cause = f"ended, return code {ended}" if ended is not None else f"did not come up within {timeout:g} s"
            raise MariabackupError(
                f"The server that was started on the prepared copy {cause}.",
                "Read its messages below. The server in service has not been touched.",
                cmd=list(argv),
                rc=ended,
                log_tail=_tail(log),
            )
        time.sleep(0.05)


def wait_for_rollback(scratch: Scratch, timeout: float) -> None:
    """Wait until everything that was not committed when the backup was taken is rolled back.

    Raises:
        MariabackupError: it takes too long, or a transaction is prepared (XA) and nobody has decided about it.
    """
    prepared = scratch.query("XA RECOVER")
    if prepared:
        raise MariabackupError(
            f"The backup holds {len(prepared)} transactions that were prepared (XA) and neither committed nor rolled back.",
            "Take a backup after they have been decided, or use another one.",
        )
    deadline = time.monotonic() + timeout
    while True:
        (row,) = scratch.query("SELECT COUNT(*) AS n FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = 0")
        if not int(row["n"]):
            return
        if time.monotonic() > deadline:
            raise MariabackupError(
                f"{row['n']} transactions of the backup were not rolled back within {timeout:g} s.",
                "Raise start_timeout. The server in service has not been touched.",
            )
        time.sleep(0.1)
