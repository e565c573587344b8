# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as it is published, and what Ansible would send of it for each module.

python -m tests.integration.harness.payload TOP

builds the collection, installs it offline below TOP/collections, and unpacks the payload of every module, put
together by Ansible's own code, into TOP/payload/<module>. A host then runs a module without waiting for ssh.
"""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import zipfile
from base64 import b64decode
from pathlib import Path

from tests.tools.tree import PLACE, copy_to

DRIVER = """# Runs one module: python3 -B driver.py MODULE ARGUMENTS.json
import sys

top = __file__.rsplit("/", 1)[0]
module, arguments = sys.argv[1:]
sys.path[0] = top + "/" + module
with open(arguments, "rb") as stream:
    text = stream.read()
name = "ansible_collections.dba.mariabackup.plugins.modules." + module
from ansible.module_utils._internal._ansiballz import _loader
_loader.run_module(json_params=text, profile="legacy", module_fqn=name, modlib_path=sys.path[0], extensions={})
"""


def publish(top: Path) -> Path:
    """Build the collection from the checkout, install it offline, and return the directory of collections."""
    installed = top / "collections"
    source = copy_to(top / "source")
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ANSIBLE_CONFIG")}
    env["ANSIBLE_COLLECTIONS_PATH"] = str(installed)
    galaxy = ["ansible-galaxy", "collection"]
    subprocess.run(
        [*galaxy, "build", "--output-path", str(top)], cwd=source, env=env, check=True, stdout=subprocess.DEVNULL
    )
    (archive,) = top.glob("dba-mariabackup-*.tar.gz")
    subprocess.run(
        [*galaxy, "install", "--offline", "--collections-path", str(installed), str(archive)],
        cwd=top,
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return installed


def _payloads(collections: Path, target: Path) -> None:
    # ansible reads its configuration when it is imported, so only now
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
    from ansible.errors import AnsibleError
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar

    init_plugin_loader([str(collections)])  # type: ignore[no-untyped-call]
    variables = {"ansible_python_interpreter": "/usr/bin/python3"}
    for path in sorted((collections / PLACE / "plugins" / "modules").glob("*.py")):
        try:
            built = modify_module(
                module_name=f"dba.mariabackup.{path.stem}",
                module_path=str(path),
                module_args={},
                templar=Templar(DataLoader(), variables=variables),  # type: ignore[no-untyped-call]
                task_vars=variables,
            )
        except AnsibleError as error:
            # The tests of this module fail with this text; those of the others run.
            (target / f"{path.stem}.error").write_text(str(error), encoding="utf-8")
            continue
        (line,) = [line for line in built.b_module_data.decode().splitlines() if line.startswith("zip_data=")]
        packed = b64decode(ast.literal_eval(line[len("zip_data=") :].rstrip(",")))
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(target / path.stem)


def main(top: Path) -> None:
    """Write TOP/collections and TOP/payload."""
    collections = publish(top)
    target = top / "payload"
    target.mkdir()
    _payloads(collections, target)
    (target / "driver.py").write_text(DRIVER, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
