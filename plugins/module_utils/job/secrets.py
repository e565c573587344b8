# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets among a job's parameters, and a result without them.

A result is read on the controller as it lies in the job's directory, past the masking of the module that started it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.stream import remotes

#: options that are a secret as a whole
PASSWORDS = ("login_password", "restored_login_password")
#: what stands for a secret, as in Ansible's own results
MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def secrets_in(params: Mapping[str, Any]) -> set[str]:
    """Return the values among the parameters of a job that must be told to nobody (pure)."""
    found = {str(params[name]) for name in PASSWORDS if params.get(name)}
    return found | remotes.secrets_of(params.get(remotes.OPTION) or {})


def without(value: Any, secrets: set[str]) -> Any:
    """Return a JSON value in which no text holds a secret; keys stay as they are (pure)."""
    if isinstance(value, str):
        if value in secrets:
            return MASK
        # The longer first: one may hold another.
        for secret in sorted(secrets, key=len, reverse=True):
            value = value.replace(secret, "********")
        return value
    if isinstance(value, Mapping):
        return {key: without(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without(item, secrets) for item in value]
    return value
