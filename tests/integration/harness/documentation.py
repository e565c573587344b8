# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say of themselves, to hold results against."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from typing import Any

import yaml

from tests.integration.harness.seeds import ROOT

#: keys that Ansible itself puts into results, and no module documents; one that names a path gets the path's attributes
ANSIBLE_ADDS = frozenset(
    {"ansible_facts", "changed", "deprecations", "diff", "failed", "failed_when_result", "gid", "group", "invocation",
     "mode", "msg", "owner", "secontext", "size", "state", "uid", "warnings"}
)  # fmt: skip


@functools.cache
def documented(module: str, name: str) -> Any:
    """Return what a module says in ``EXAMPLES`` or ``RETURN``."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no {name}")


def undocumented(module: str, result: Mapping[str, Any]) -> list[str]:
    """Return the keys of a result, of a failure as well, that the module's RETURN does not describe."""
    found = {name for name in result if not name.startswith("_")} - ANSIBLE_ADDS
    return sorted(found - set(documented(module, "RETURN")))
