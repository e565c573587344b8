# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the collection: who may import whom, and what the code of a managed host may need at all."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
MODULE_UTILS = PLUGINS / "module_utils"
PACKAGE = "ansible_collections.dba.mariabackup.plugins"

# Open to every room; they import each other only in this order, left to right is down.
COMMON = ("locks", "context", "files", "errors")
# Between the modules and the jobs: for modules alone.
GLUE = frozenset({"argspec", "task"})
# Each room with the rooms that it may call. There is no other room.
ROOMS = {
    "job": {"restore", "tables", "datadir", "server", "repository", "backup", "stream", "tool"},
    "restore": {"datadir", "server", "repository", "backup", "stream", "tool"},
    "tables": {"datadir", "server", "repository", "backup", "stream", "tool"},
    "datadir": {"tool"},
    "server": {"tool"},
    "repository": {"backup", "stream", "tool"},
    "backup": {"stream", "tool"},
    "stream": {"tool"},
    "tool": set[str](),
}


def sources() -> list[Path]:
    return sorted(path for path in MODULE_UTILS.rglob("*.py") if path.stat().st_size)


def imports(tree: ast.AST, guarded: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield the dotted names that the code imports, and whether its import may fail or be skipped.

    Guarded is what stands in a ``try``, in a function, or under ``if TYPE_CHECKING``.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, guarded
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, by the name of the collection"
            for name in node.names:
                yield f"{node.module}.{name.name}", guarded
        else:
            checking = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            inside = isinstance(node, (ast.Try, ast.FunctionDef)) or checking
            yield from imports(node, guarded or inside)


def place(dotted: str) -> str:
    """Return the room or the common file below module_utils that a dotted name is in."""
    return dotted[len(f"{PACKAGE}.module_utils.") :].split(".")[0]


def home(path: Path) -> str:
    parts = path.relative_to(MODULE_UTILS).with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(MODULE_UTILS)))
def test_imports_go_down(path: Path) -> None:
    own = home(path)
    for dotted, guarded in imports(ast.parse(path.read_text())):
        top = dotted.split(".")[0]
        if top == "ansible_collections":
            assert dotted.startswith(f"{PACKAGE}.module_utils."), f"{dotted} is outside of module_utils"
            other = place(dotted)
            if own in COMMON:
                below = set(COMMON[COMMON.index(own) + 1 :])
            elif own in GLUE:
                below = {*ROOMS, *COMMON, *GLUE}
            else:
                below = {own, *ROOMS[own], *COMMON}
            assert other in below, f"{own} imports {other}, which is not below it"
        elif top == "ansible":
            assert own in GLUE, f"{dotted}: this code also runs where there is no Ansible"
        elif top == "pymysql":
            assert guarded, "PyMySQL may be missing: import it in a try or in a function"
        else:
            assert top in sys.stdlib_module_names, f"{dotted} is not in the standard library"


def test_rooms_are_the_known_ones() -> None:
    rooms = {path.name for path in MODULE_UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.stem for path in MODULE_UTILS.glob("*.py")} - {"__init__"}
    assert rooms == set(ROOMS)
    assert files <= {*COMMON, *GLUE}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_are_packages_without_code(room: str) -> None:
    assert (MODULE_UTILS / room / "__init__.py").read_bytes() == b""


@pytest.mark.parametrize("path", sorted((PLUGINS / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_modules_are_thin(path: Path) -> None:
    """A module states its options and hands over; what it does lies in a room."""
    for dotted, _guarded in imports(ast.parse(path.read_text())):
        top = dotted.split(".")[0]
        assert top in {"__future__", "typing", "ansible", "ansible_collections"}, f"{dotted} in a module"
        if top == "ansible":
            assert dotted.startswith("ansible.module_utils.basic.")
        if top == "ansible_collections":
            assert place(dotted) in {*GLUE, *COMMON, *ROOMS}


CONTROLLER = sorted(path for name in ("action", "filter", "plugin_utils") for path in (PLUGINS / name).rglob("*.py"))
#: what the two sides agree on: of a job, of an age and a size, of an error
SHARED = {"job.control", "repository.measures", "errors"}


@pytest.mark.parametrize("path", CONTROLLER, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_the_controller_needs_nothing_of_the_host(path: Path) -> None:
    """What runs on the controller imports no room; action plugins and filters are thin, and call ``plugin_utils``."""
    for dotted, _guarded in imports(ast.parse(path.read_text())):
        if dotted.split(".")[0] == "ansible_collections":
            rest = dotted[len(f"{PACKAGE}.") :]
            shared = any(rest.startswith(f"module_utils.{name}.") for name in SHARED)
            assert shared or rest.startswith("plugin_utils."), f"{dotted} on the controller"
        else:
            assert dotted.split(".")[0] in {"ansible", *sys.stdlib_module_names}, f"{dotted} on the controller"


def test_files_stay_small() -> None:
    """A file has one subject and stays small enough to hold in the head."""
    long = {
        str(path.relative_to(ROOT)): lines for path in sources() if (lines := len(path.read_text().splitlines())) >= 400
    }
    assert not long


def test_no_shell_and_no_argument_that_looks_like_a_password() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                pytest.fail(f"{path}:{node.value.lineno}: shell=")
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("--password="):
                pytest.fail(f"{path}:{node.lineno}: a password in an argument list")
