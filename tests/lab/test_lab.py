# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab tests itself: a host of each kind, its power cut, and nothing left behind.

Run as root: python3 -m pytest tests/lab
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import SUITES, HostSpec, Lab, LabError, Settings
from tests.lab.mirror import apt_options

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab(Settings.from_environment(f"selftest-{os.getpid()}"))
    try:
        yield made
    finally:
        made.down()
        assert leftovers(made) == ""


def leftovers(lab: Lab) -> str:
    """Whatever the machine still has of a lab: mounts, loop devices, control groups, interfaces, files."""
    settings = lab.settings
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"{settings.directory}/" in line]
    loops = subprocess.run(["losetup", "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found += [line for line in loops.splitlines() if f"{settings.directory}/" in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{settings.cgroup}")]
    found += [name for name in os.listdir("/sys/class/net") if name == settings.bridge]
    found += [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{settings.tag[:5]}-*")]
    found += [str(path) for path in settings.state.glob(f"{settings.lab_id}*")]
    return "\n".join(found)


@pytest.mark.parametrize("suite", SUITES)
def test_a_power_cut_loses_what_was_not_synced(lab: Lab, suite: str) -> None:
    host = lab.up({"one": HostSpec(suite, disk="4G")})["one"]
    assert SUITES[suite].mariadb in host.sql("SELECT VERSION()")
    assert host.run(["hostname"], ssh=True).stdout == "one\n"
    assert host.run("systemd-run --quiet --pipe --wait id -un").stdout == "root\n"

    host.loop_fs("xfs", "300M", "/srv/data", owner="mysql:mysql")
    host.sql("CREATE DATABASE t; CREATE TABLE t.a (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO t.a VALUES (1)")
    for folder in ("/root", "/srv/data"):
        host.run(f"echo kept > {folder}/kept; sync {folder}/kept {folder}; echo lost > {folder}/lost")
    sleeper = host.start("sleep 600")
    started = host.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout

    host.power_cut()
    assert sleeper.wait(timeout=10) != 0
    assert not host.running()
    assert host.get("/root/kept") == "kept\n"
    with pytest.raises(LabError, match="is off"):
        host.run("true")
    host.put("written while off\n", "/root/note", 0o600)

    host.boot()
    assert host.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout != started
    assert host.run("cat /root/kept /srv/data/kept /root/note").stdout == "kept\nkept\nwritten while off\n"
    assert "lost" not in host.run("cat /root/lost /srv/data/lost", check=False).stdout
    assert host.run("stat -c %U /srv/data; findmnt -no FSTYPE /srv/data").stdout == "mysql\nxfs\n"
    assert host.sql("SELECT a FROM t.a") == "1\n"

    host.remove_fs("/srv/data")
    host.reboot()
    assert not host.disks
    host.destroy()
    assert lab.hosts() == []


def test_hosts_know_each_other_and_may_lack_redirect_dir(lab: Lab) -> None:
    hosts = lab.up({"plain": HostSpec("bookworm", redirect_dir=False), "other": "trixie"})
    hosts["plain"].run("getent hosts other && bash -c '</dev/tcp/other/22'")
    rename = "systemctl stop mariadb; python3 -c \"import os; os.rename('/var/lib/mysql', '/var/lib/moved')\""
    refused = hosts["plain"].run(rename, check=False)
    assert "Invalid cross-device link" in refused.stderr
    hosts["other"].run(rename)


def test_a_host_without_mariadb_installs_it_from_its_pool(lab: Lab) -> None:
    host = lab.up({"bare": HostSpec("bookworm", flavour="plain")})["bare"]
    assert host.run("command -v mariadbd mariadb-backup", check=False).stdout == ""
    host.run("DEBIAN_FRONTEND=noninteractive apt-get install -y -q mariadb-server mariadb-backup", timeout=300)
    assert host.sql("SELECT 1") == "1\n"


def test_a_command_ends_at_its_timeout(lab: Lab) -> None:
    host = lab.up({"one": "bookworm"})["one"]
    with pytest.raises(LabError, match="took more than"):
        host.run("sleep 611", timeout=0.5)
    assert host.run("pgrep -f '^sleep 611'", check=False).stdout == ""


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.6])
def test_a_killed_owner_leaves_nothing_that_down_does_not_find(lab: Lab, seconds: float) -> None:
    script = (
        "import sys; from tests.lab import HostSpec, Lab, Settings\n"
        "hosts = Lab(Settings.from_environment(sys.argv[1])).up({'a': HostSpec('bookworm', disk='2G'), 'b': 'trixie'})\n"
        "hosts['b'].loop_fs('ext4', '64M', '/mnt/x')"
    )
    command = [sys.executable, "-c", script, lab.settings.lab_id]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], start_new_session=True) as owner:
        time.sleep(seconds)
        os.killpg(owner.pid, signal.SIGKILL)
    lab.down()
    assert leftovers(lab) == ""
    assert lab.up({"a": "bookworm"})["a"].running()


def test_the_options_for_apt_are_whole_lines() -> None:
    assert all(line.endswith('";') for line in apt_options())
