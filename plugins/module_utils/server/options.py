# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options a server starts with: from its option files, its command line and its built-in defaults.

The server itself is asked, because it alone knows every rule of its option files. Two of its habits need care
(seen with strace on 10.5, 10.11 and 11.8): ``--verbose --help`` creates and removes ``<host>.lower-test`` in the
datadir, and opens ``aria_log_control`` and ``mysql/plugin`` there for writing, waiting for a running server's lock.
So it is always given a datadir that cannot exist, and the real one is put into the answer afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import Completed, run

SERVER_NAMES = ("mariadbd", "mysqld")
_SERVER_PATHS = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/mysql/bin", "/opt/mariadb/bin")
# No process has the id 0: nothing can be created below it, by root neither.
_NOWHERE = "/proc/0/datadir"
_NO_VALUE = "(No default value)"
_FILE_ARGUMENT = re.compile(r"^--(defaults-file|defaults-extra-file|defaults-group-suffix|no-defaults)\b")
_SHORT = {"-h": "datadir", "-u": "user", "-P": "port", "-b": "basedir", "-t": "tmpdir", "-T": "debug_exit_info"}


def find_server_binary() -> str:
    """Return the path of the server program, the new name first.

    Raises:
        MariabackupError: there is none.
    """
    places = os.pathsep.join([os.environ.get("PATH", ""), *_SERVER_PATHS])
    for name in SERVER_NAMES:
        found = shutil.which(name, path=places)
        if found:
            return found
    raise MariabackupError(
        "No MariaDB server program (mariadbd or mysqld) was found on this host.",
        "Install the server of the version that the backup comes from, for example the package mariadb-server.",
    )


def option_file_args(defaults_file: str | None = None, defaults_group_suffix: str | None = None) -> list[str]:
    """Return the arguments that choose option files and groups; they must come first in any argument list."""
    args = []
    if defaults_file:
        args.append(f"--defaults-file={defaults_file}")
    if defaults_group_suffix:
        args.append(f"--defaults-group-suffix={defaults_group_suffix}")
    return args


def split_args(args: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split an argument list into those that choose option files, which must come first, and the others."""
    first: list[str] = []
    rest: list[str] = []
    for arg in args:
        (first if _FILE_ARGUMENT.match(arg) else rest).append(arg)
    return first, rest


def option_name(text: str) -> str:
    """Return an option's name as it is a key here: underscores, no ``loose-``."""
    name = text.lstrip("-").replace("-", "_")
    return name[6:] if name.startswith("loose_") else name


def parse_table(text: str) -> dict[str, str]:
    """Read the table at the end of ``--verbose --help``; options without a value get an empty text."""
    values: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if not inside:
            inside = line.startswith("---------")
            continue
        if not line.strip():
            break
        name, _space, value = line.partition(" ")
        value = value.strip()
        values[option_name(name)] = "" if value == _NO_VALUE else value
    return values


def parse_print_defaults(text: str) -> list[str]:
    """Read ``--print-defaults``: the arguments that the option files add, in their order.

    The server prints them in one line without quotes. A value that holds a space and two dashes is cut; no path
    of a sane server does.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if "would have been started with the following arguments" in line:
            return [part.strip() for part in re.split(r" (?=--)", " ".join(lines[number + 1 :])) if part.strip()]
    return []


def explicit_options(args: Sequence[str]) -> dict[str, str]:
    """Return what an argument list sets; the last one wins, an option without a value is ``TRUE``."""
    values: dict[str, str] = {}
    position = 0
    while position < len(args):
        arg = args[position]
        position += 1
        if arg.startswith("--"):
            name, equal, value = arg[2:].partition("=")
            key = option_name(name)
            if equal:
                values[key] = value
            elif key.startswith(("skip_", "disable_")):
                values[key.partition("_")[2]] = "FALSE"
                values[key] = "TRUE"
            else:
                values[key] = "TRUE"
        elif arg[:2] in _SHORT:
            if arg[2:]:
                values[_SHORT[arg[:2]]] = arg[2:]
            elif position < len(args):
                values[_SHORT[arg[:2]]] = args[position]
                position += 1
    return values


def is_on(value: str | None) -> bool:
    """Tell whether the text of an option means on."""
    return (value or "").strip().upper() in ("1", "ON", "TRUE", "YES")


def _failed(done: Completed) -> MariabackupError:
    said = [line for line in done.tail(20) if "[ERROR]" in line or "error" in line.lower()]
    reason = said[-1] if said else f"it ended with return code {done.rc}"
    return done.failure(
        f"The server program cannot read its own options: {reason}",
        "Correct the option files, so that the server could start, and run again.",
    )


def _built_in_datadir(server_binary: str) -> str:
    """Return the datadir that was compiled in.

    A log basename that no file system takes keeps the program from creating its test file in that directory, and
    ends it (rc 1, table printed) before it opens any table.
    """
    done = run([server_binary, "--no-defaults", "--log-basename=" + "x" * 260, "--verbose", "--help"])
    return parse_table(done.out).get("datadir") or "/var/lib/mysql/"


def _put_datadir(values: Mapping[str, str], datadir: str) -> dict[str, str]:
    base = datadir.rstrip("/") or "/"
    return {
        name: base + value[len(_NOWHERE) :] if value.startswith(_NOWHERE) else value for name, value in values.items()
    }


def read_options(server_binary: str, args: Sequence[str] = ()) -> dict[str, str]:
    """Return every option with the value the server would start with, by name with underscores.

    ``user`` is there when it is set. Numbers are text, switches are ``TRUE`` or ``FALSE``, "no value" is an empty
    text, ``datadir`` is absolute and ends in a slash. Options of a plugin that only the table ``mysql.plugin``
    loads appear as the option files spell them. The result may hold secrets: never show it whole.

    Args:
        server_binary: the program, see `find_server_binary`.
        args: what the service passes to it, option file arguments included.

    Raises:
        MariabackupError: the program refuses its options, as the server would at its start.
    """
    first, rest = split_args(args)
    printed = run([server_binary, *first, "--print-defaults"])
    if printed.rc != 0:
        raise _failed(printed)
    from_files = parse_print_defaults(printed.out)
    explicit = explicit_options([*from_files, *rest])
    datadir = explicit.get("datadir") or _built_in_datadir(server_binary)
    datadir = os.path.join("/", datadir)
    nowhere = [f"--datadir={_NOWHERE}", "--verbose", "--help"]
    done = run([server_binary, *first, *rest, *nowhere])
    table = parse_table(done.out)
    if done.rc != 0 and re.search(r"unknown (variable|option)", done.err):
        # An option of a plugin that the server finds in a table of its datadir, which was not opened.
        loose = [re.sub(r"^--(?!loose)", "--loose-", arg) for arg in [*from_files, *rest]]
        done = run([server_binary, "--no-defaults", *loose, *nowhere])
        table = parse_table(done.out)
        first_error = re.search(r"unknown (?:variable|option) '([^'=]*)", done.err)
        if not table or (first_error and not _plugin_may_know(datadir)):
            raise _failed(done)
    if not table:
        raise _failed(done)
    values = dict(explicit)
    values.update(_put_datadir(table, datadir))
    if explicit.get("log_bin") == "FALSE" and values.get("log_bin") == "0":
        values["log_bin"] = ""  # The table shows --skip-log-bin as if the logs were named "0".
    return values


def _plugin_may_know(datadir: str) -> bool:
    """Tell whether the datadir has a table of plugins, whose options only the running server knows."""
    return any(os.path.exists(os.path.join(datadir, "mysql", "plugin" + suffix)) for suffix in (".frm", ".MAD"))


def option_files(server_binary: str, args: Sequence[str] = ()) -> list[str]:
    """Return the option files that exist and are read, includes too, in reading order; for messages."""
    first = split_args(args)[0]
    chosen = dict(arg[2:].partition("=")[::2] for arg in first)
    if "no-defaults" in chosen:
        return []
    if chosen.get("defaults-file"):
        names = [chosen["defaults-file"]]
    else:
        done = run([server_binary, "--no-defaults", f"--datadir={_NOWHERE}", "--verbose", "--help"])
        found = re.search(r"^Default options are read from the following files.*\n(.*)$", done.out, re.MULTILINE)
        names = found.group(1).split() if found else []
        if chosen.get("defaults-extra-file"):
            names.insert(max(len(names) - 1, 0), chosen["defaults-extra-file"])
    result: list[str] = []
    for name in names:
        _collect(os.path.expanduser(name), result)
    return result


def _collect(path: str, into: list[str]) -> None:
    """Add an option file and what it includes, as the server follows ``!include`` and ``!includedir``."""
    if path in into or not os.path.isfile(path):
        return
    into.append(path)
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            lines = stream.readlines()
    except OSError:
        return
    for line in lines:
        words = line.split(None, 1)
        if len(words) != 2:
            continue
        target = words[1].strip()
        if words[0] == "!include":
            _collect(target, into)
        elif words[0] == "!includedir" and os.path.isdir(target):
            for name in sorted(os.listdir(target)):
                if name.endswith(".cnf"):
                    _collect(os.path.join(target, name), into)
