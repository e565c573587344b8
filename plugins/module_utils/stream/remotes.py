# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rclone's configuration from a caller's variables: as a file of mode 0600, for as long as it is needed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import write_atomic

OPTION = "rclone_remotes"
#: the file's name in the directory of a job
FILE = "rclone.conf"

_BRIEF = "_rclone_config_is_brief"

_NAME = re.compile(r"[A-Za-z0-9_.+@-](?:[A-Za-z0-9_.+@ -]*[A-Za-z0-9_.+@-])?")
_KEY = re.compile(r"[A-Za-z0-9_]+")
# rclone would end the value there, or put another one in its place; a line break would begin another option.
_UNFIT = re.compile(r'[\x00-\x1f\x7f]|"""|%\(')
# What these say is no secret. All others are taken for one, if they are long enough.
_PLAIN = frozenset(
    {"type", "provider", "endpoint", "region", "location_constraint", "acl", "storage_class", "host", "user", "port", "remote",
     "bucket_acl", "server_side_encryption", "shell_type", "md5sum_command", "sha1sum_command", "url", "vendor", "domain", "account",
     "project_number", "location", "key_file", "service_account_file", "known_hosts_file"}
)  # fmt: skip
_SHORTEST_SECRET = 8


def config_text(remotes: Mapping[str, Any]) -> str:
    """Return the configuration as rclone reads it (pure).

    Args:
        remotes: the options of each remote by its name, as rclone names them.

    Raises:
        MariabackupError: what cannot be written; without the value, which may be a secret.
    """
    lines = []
    for name, options in remotes.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise MariabackupError(
                f"{OPTION} has a remote {name!r}.",
                "Use letters, digits, spaces and the characters _ . + @ - in its name.",
            )
        if not isinstance(options, Mapping) or not options.get("type"):
            raise MariabackupError(
                f"{OPTION} does not say of what type {name} is.", "Set type, such as s3 or sftp, among its options."
            )
        # In three quotation marks rclone takes every other character for itself, blanks at the ends too.
        lines += [f"[{name}]", *(f'{key} = """{_value(name, key, value)}"""' for key, value in options.items()), ""]
    return "\n".join(lines)


def _value(name: str, key: Any, value: Any) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise MariabackupError(
            f"{OPTION} has an option {key!r} of {name}.", "Name it as rclone does in its configuration."
        )
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int)) or _UNFIT.search(str(value)):
        raise MariabackupError(
            f"The option {key} of {name} in {OPTION} cannot be written into a configuration of rclone.",
            'Set it to a text of one line, without """ and %(; or put the file on the host and name it with rclone_config.',
        )
    return str(value)


def secrets_of(remotes: Mapping[str, Any]) -> set[str]:
    """Return the values that must be told to nobody."""
    return {
        str(value)
        for options in remotes.values()
        for key, value in (options.items() if isinstance(options, Mapping) else ())
        if key not in _PLAIN and len(str(value)) >= _SHORTEST_SECRET
    }


def words_of(remotes: Mapping[str, Any]) -> set[str]:
    """Return all the values."""
    values = (options.values() if isinstance(options, Mapping) else (options,) for options in remotes.values())
    return {str(value) for found in values for value in found}


def lasting_config(params: Mapping[str, Any]) -> str | None:
    """Return the configuration file that is still there when the task has ended; None where there is none."""
    return None if params.get(_BRIEF) else params.get("rclone_config")


@contextlib.contextmanager
def in_file(params: Mapping[str, Any], directory: str) -> Iterator[dict[str, Any]]:
    """Give the options of a module with the remotes in a file, ``rclone_config``, which is removed when the block ends.

    rclone is given a path, so no secret is in an argument list or an environment.

    Args:
        directory: a private one.

    Raises:
        MariabackupError: something in the remotes cannot be written.
    """
    if not params.get(OPTION):
        yield dict(params)
        return
    path = os.path.join(directory, FILE)
    write_atomic(path, config_text(params[OPTION]))
    try:
        yield {**params, OPTION: None, "rclone_config": path, _BRIEF: True}
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
