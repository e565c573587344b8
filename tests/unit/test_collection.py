# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection says of itself agrees: action group, argument specifications, fragments, licence headers."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.dba.mariabackup.plugins"


def modules() -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")


def test_action_group_holds_exactly_the_modules() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert runtime["action_groups"]["mariabackup"] == modules()


@pytest.mark.parametrize("name", ["tool", "login", "repository", "rclone", "source", "service"])
def test_fragment_documents_the_shared_options(name: str) -> None:
    """validate-modules compares per module; this names the fragment that is wrong."""
    fragment = importlib.import_module(f"{PACKAGE}.doc_fragments.{name}").ModuleDocFragment.DOCUMENTATION
    documented = yaml.safe_load(fragment)["options"]
    spec = getattr(importlib.import_module(f"{PACKAGE}.module_utils.argspec"), f"{name}_spec")()

    def facts(option: dict[str, Any]) -> dict[str, Any]:
        kept = {key: option.get(key) for key in ("type", "elements", "default", "required", "aliases")}
        return {**kept, "choices": sorted(option.get("choices", ()))}

    assert {key: facts(option) for key, option in documented.items()} == {
        key: facts(option) for key, option in spec.items()
    }


def test_galaxy_names_no_dependency() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert galaxy["dependencies"] == {}
    assert len(galaxy["tags"]) <= 20


def test_no_file_names_a_package_registry() -> None:
    """Packages come from wherever the machine is set up to take them from."""
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "deb.debian" + ".org", "galaxy.ansible" + ".com"]
    pattern = "|".join(host.replace(".", r"\.") for host in hosts)
    found = subprocess.run(
        ["git", "-C", str(ROOT), "grep", "-lE", pattern], stdout=subprocess.PIPE, text=True, check=False
    )
    assert found.returncode in (0, 1)
    assert found.stdout.split() == []
