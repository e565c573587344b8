# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that change what a run of the tool means: found in option files and in extra arguments, and refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import which

# In these groups the tool takes its own options (seen on 10.5, 10.11, 11.8). The client groups count as well:
# a harmless looking ``compress`` under [client] makes every file of the backup a qpress archive, and no
# argument turns that off again. Under [mariadbd] and the like the tool's own options are ignored.
CLIENT_GROUPS = ("client", "client-server", "client-mariadb")
TOOL_GROUPS = ("xtrabackup", "mariabackup", "mariadb-backup")

# What the backup is, or whether it is whole.
MEANING = frozenset(
    """
    stream compress compress-threads compress-chunk-size decompress encrypt encrypt-key encrypt-key-file
    databases databases-file databases-exclude tables tables-file tables-exclude rocksdb-backup skip-rocksdb-backup
    incremental incremental-basedir incremental-lsn incremental-dir incremental-force-scan
    incremental-history-name incremental-history-uuid
    backup prepare copy-back move-back apply-log apply-log-only export print-param innobackupex
    no-lock log-innodb-page-corruption innodb-force-recovery skip-binlog help version print-defaults mysqld-args
    """.split()
)
# What the modules set themselves, or what decides where a login goes or a secret is shown.
OWNED = frozenset(
    """
    target-dir datadir parallel throttle use-memory open-files-limit galera-info slave-info safe-slave-backup
    safe-slave-backup-timeout binlog-info force-non-empty-directories remove-original extra-lsndir
    user password host port socket protocol login-path defaults-file defaults-extra-file defaults-group
    defaults-group-suffix no-defaults
    innodb-data-home-dir innodb-data-file-path innodb-undo-directory innodb-log-group-home-dir aria-log-dir-path
    innodb-page-size innodb-undo-tablespaces
    """.split()
)
_PREFIXES = ("loose-", "skip-", "enable-", "disable-", "maximum-")
_OFF = frozenset({"0", "off", "false", "no"})
# Options whose plain negation is what we want anyway.
_HARMLESS_WHEN_OFF = MEANING - {"rocksdb-backup", "stream", "compress", "encrypt"}


@dataclass(frozen=True)
class GivenOption:
    """One option as an option file or a list of arguments gives it, its name made comparable."""

    name: str
    value: str | None
    off: bool


def read_option(argument: str) -> GivenOption | None:
    """Split ``--loose-Tables_File=x`` into its parts; None for what is not a long option."""
    if not argument.startswith("--") or argument == "--":
        return None
    name, separator, value = argument[2:].partition("=")
    name = name.replace("_", "-").lower()
    off = False
    while name not in MEANING and name not in OWNED:
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
        if prefix is None:
            break
        name = name[len(prefix) :]
        off = off or prefix in ("skip-", "disable-")
    if separator and value.strip().lower() in _OFF:
        off = True
    return GivenOption(name, value if separator else None, off)


def changes_meaning(argument: str) -> bool:
    """Say whether this argument makes something else than a whole, plain, consistent backup."""
    option = read_option(argument)
    if option is None:
        return False
    if option.name == "rocksdb-backup":
        return option.off
    if option.name == "binlog-info":
        # Without it the backup has no position to replay or to seed a replica from.
        return option.off
    if option.name in MEANING:
        return not (option.off and option.name in _HARMLESS_WHEN_OFF)
    return False


def forbidden_options(print_defaults_argv: list[str]) -> list[str]:
    """Return the options, as ``name`` or ``name=value``, that would change what a backup is (pure).

    Args:
        print_defaults_argv: lines of my_print_defaults for the groups that the tool reads.
    """
    found: list[str] = []
    for argument in print_defaults_argv:
        text = argument.strip()
        if changes_meaning(text) and text[2:] not in found:
            found.append(text[2:])
    return found


def read_groups(
    defaults_argument: str, groups: Sequence[str], *, suffix: str | None = None, pass_fds: Iterable[int] = ()
) -> list[str]:
    """Return what option files give in these groups, one argument per entry; may hold passwords, so never show it.

    The tool's own ``--print-defaults`` is of no use for this: it prints the server's groups only (seen on 10.5,
    10.11 and 11.8). ``my_print_defaults`` comes with the packages that the tool and the server depend on.

    Args:
        defaults_argument: the value for ``--defaults-file``.
        suffix: the group suffix; groups with it are read too.

    Raises:
        MariabackupError: the program is missing, or an option file is broken.
    """
    program = which(("my_print_defaults", "mariadb-print-defaults"))
    if program is None:
        raise MariabackupError(
            "my_print_defaults is not installed, so the option files cannot be read.",
            "Install the package mariadb-client-core (Debian, Ubuntu), mariadb-server-core-10.5 (Debian 11) or "
            "MariaDB-client (rpm).",
        )
    arguments = [program, f"--defaults-file={defaults_argument}"]
    if suffix:
        arguments.append(f"--defaults-group-suffix={suffix}")
    answer = subprocess.run(
        [*arguments, *groups],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=tuple(pass_fds),
        check=False,
        timeout=30,
    )
    if answer.returncode != 0:
        lines = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        raise MariabackupError(
            "The option files cannot be read" + (f": {lines[0]}" if lines else "."),
            "Correct the option file.",
            rc=answer.returncode,
            log_tail=lines[-5:],
        )
    return answer.stdout.decode("utf-8", "surrogateescape").splitlines()


def check_option_groups(client: list[str], tool: list[str]) -> None:
    """Refuse option files that would make the tool take another backup than the task asks for (pure).

    Args:
        client: what the client groups give.
        tool: what the tool's own groups give.

    Raises:
        MariabackupError: with the options and the groups in which they stand.
    """
    in_client, in_tool = forbidden_options(client), forbidden_options(tool)
    if not in_client and not in_tool:
        return
    places = []
    if in_client:
        places.append(f"in [client] or [client-server]: {', '.join(in_client)}")
    if in_tool:
        places.append(f"in [mariadb-backup], [mariabackup] or [xtrabackup]: {', '.join(in_tool)}")
    action = "Remove these options from the option files, or name an option file without them with defaults_file."
    if any(read_option(f"--{text}") == GivenOption("compress", None, False) for text in in_client):
        action += " For the command line clients, put compress under [mariadb] instead of [client]."
    raise MariabackupError(
        "Option files change what a backup is: " + "; ".join(places) + ".",
        action,
        details={"forbidden_options": in_client + in_tool},
    )


def names_user(arguments: Iterable[str]) -> bool:
    """Say whether option files name the account to log in with."""
    return any(argument.startswith(("--user=", "--loose-user=")) for argument in arguments)


def check_extra_args(extra_args: Sequence[str]) -> None:
    """Refuse extra arguments that a module owns, that change what a run means, or that hold a secret (pure).

    Raises:
        MariabackupError: with the argument's name, never with a value.
    """
    for argument in extra_args:
        option = read_option(argument)
        if option is None:
            shown = argument[:2] if argument.startswith("-") else "a word that is not an option"
            raise MariabackupError(
                f"extra_args holds {shown}.", "Write every option in its long form with its value, --name=value."
            )
        if "password" in option.name:
            raise MariabackupError(
                f"extra_args holds a secret: --{option.name}.",
                "Use login_password or an option file: arguments can be read by every user of the host.",
            )
        if option.name in OWNED:
            raise MariabackupError(
                f"extra_args holds --{option.name}, which the module sets itself.",
                "Use the module's option for it, or leave it out.",
            )
        if option.name in MEANING or changes_meaning(argument):
            raise MariabackupError(
                f"extra_args holds --{option.name}, which changes what the run means.", "Leave it out."
            )
