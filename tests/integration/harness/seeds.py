# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stored datadirs with the data set loaded: made once for each suite and kept beside the bases of the lab.

A test then starts from a copy, which takes a tenth of a second, instead of from an installation and a load.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from tests.integration.harness.layouts import DATADIR, LAYOUTS, Layout
from tests.lab import Host
from tests.lab.suites import base_name

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data" / "everything.sql"
COMPARE = ROOT / "tests" / "support" / "compare.py"

# Raise it when the way a seed is made changes.
RECIPE = 1

# On the hosts.
TOOLS = "/opt/mariabackup-tests"
STORE = f"{TOOLS}/seed"
OPTION_FILE = "/etc/mysql/mariadb.conf.d/90-lab.cnf"

_STOP = """
cd /
systemctl stop mariadb.socket mariadb-extra.socket 2>/dev/null || true
systemctl stop mariadb
"""
_NEW_DATADIR = """
cd /
rm -rf {directories}
install -d -o mysql -g mysql -m 0755 {directories}
mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db >/var/tmp/install-db 2>&1 \
  || {{ cat /var/tmp/install-db; exit 1; }}
touch {datadir}/$(cat {tools}/pristine/flag)
"""


def _key(suite: str, layout: Layout) -> str:
    digest = hashlib.sha256()
    digest.update(f"{RECIPE} {base_name(suite, 'mariadb')} {layout.option_file()}".encode())
    for path in (DATA, COMPARE):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def install_seed(host: Host, layout: Layout) -> dict[str, Any]:
    """Put the stored datadir of ``layout`` on a host, below ``STORE``, and return the snapshot of its data.

    The first caller on the machine makes it, on its host, whose server is stopped afterwards.
    """
    seed = LAYOUTS[layout.seed]
    cache = host.settings.cache / f"seed-{host.suite}-{seed.name}-{_key(host.suite, seed)}"
    archive, snapshot = cache.with_suffix(".tar"), cache.with_suffix(".json")
    with open(cache.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not snapshot.exists():
            for old in host.settings.cache.glob(f"seed-{host.suite}-{seed.name}-*"):
                if not old.name.startswith(cache.name):
                    old.unlink(missing_ok=True)
            _make(host, seed, archive, snapshot)
    target = f"{STORE}/{seed.name}"
    if not (host.root / target.lstrip("/")).is_dir():
        host.run(["mkdir", "-p", f"{target}.new"])
        with open(archive, "rb") as packed:
            host.run(["tar", "-xSf", "-", "-C", f"{target}.new"], input=packed.read())
        host.run(["mv", f"{target}.new", target])
    return dict(json.loads(snapshot.read_text(encoding="utf-8")))


def _make(host: Host, seed: Layout, archive: Path, snapshot: Path) -> None:
    host.put(seed.option_file(), OPTION_FILE)
    host.run(_STOP)
    host.run(_NEW_DATADIR.format(datadir=DATADIR, tools=TOOLS, directories=" ".join([DATADIR, *seed.elsewhere])))
    host.run("systemctl start mariadb")
    host.run(["mariadb"], input=DATA.read_bytes(), timeout=300)
    host.put(COMPARE.read_bytes(), f"{TOOLS}/compare.py")
    # A server that comes back from the disk says what it really holds.
    host.run("systemctl restart mariadb")
    text = host.run(["python3", f"{TOOLS}/compare.py", "snapshot", "--check"]).stdout
    host.run(_STOP)
    names = [path.lstrip("/") for path in (DATADIR, *seed.elsewhere)]
    # The binary logs of the load are not part of it: each test's history begins with its server's first start.
    if "log_bin" in seed.options:
        host.run(["find", str(Path(seed.options["log_bin"]).parent), "-name", "mysqld-bin.*", "-delete"])
    temporary = archive.with_suffix(f".{os.getpid()}")
    host.run(["tar", "-cSf", "/var/tmp/seed.tar", "-C", "/", *names])
    temporary.write_bytes(host.get_bytes("/var/tmp/seed.tar"))
    host.run(["rm", "/var/tmp/seed.tar"])
    os.replace(temporary, archive)
    snapshot.write_text(text, encoding="utf-8")
