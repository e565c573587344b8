# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bases: whole Debian trees, built once and shared by all hosts as the lower layer of an overlay."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .config import Settings
from .mirror import apt_options, source_lines
from .mounts import unmount_below
from .pool import add_pool
from .shell import LabError, execute, locked
from .suites import SUITES, base_name, packages

# Program the lab needs on the machine -> Debian package that has it.
_TOOLS = {
    "apt-ftparchive": "apt-utils",
    "btrfs": "btrfs-progs",
    "ip": "iproute2",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}

# Units that have nothing to do in a host of the lab, want a network, or wake up in the middle of a test.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
    "xfs_scrub_all.timer",
)

# A reload of systemd runs every generator, and there are a dozen that find nothing in a container: a fifth of the
# processor time of the tests. These two make units that a server's host may have.
_KEPT_GENERATORS = ("systemd-fstab-generator", "systemd-sysv-generator")

# A server without a key of its own makes an RSA key at each start, for 0.2 to 1.3 s of a processor: the most that a start of
# a small server takes, and another time at each. So the server gets one.
_TLS_KEY = """
mkdir -m 0755 /etc/mysql/tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=lab \
  -keyout /etc/mysql/tls/key.pem -out /etc/mysql/tls/cert.pem 2>/dev/null
chown mysql:mysql /etc/mysql/tls/key.pem
printf '[mariadbd]\\nssl_key = /etc/mysql/tls/key.pem\\nssl_cert = /etc/mysql/tls/cert.pem\\n' \
  > /etc/mysql/mariadb.conf.d/60-tls.cnf
"""

# As the Debian installer does; from bookworm on the packages themselves do it.
_MERGE_USR = '--setup-hook=cd "$1" && for d in bin sbin lib lib64; do mkdir -p usr/$d && ln -s usr/$d $d; done'


def install_tools() -> None:
    """Install on the machine what the lab itself needs, if it is missing."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    missing = sorted({package for tool, package in _TOOLS.items() if not shutil.which(tool, path=path)})
    if not missing:
        return
    print(f"installing on this machine: {' '.join(missing)}", file=sys.stderr)
    execute(["apt-get", "update", "-q"], timeout=300)
    execute(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], timeout=600)


def build(settings: Settings, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Path]:
    """Make the bases that are not in the cache yet, at the same time.

    :param wanted: pairs of suite and flavour (``mariadb`` or ``plain``)
    :returns: the root folder of each
    """
    pairs = sorted(set(wanted))
    for suite, flavour in pairs:
        if suite not in SUITES or flavour not in ("mariadb", "plain"):
            raise LabError(f"there is no base {suite}/{flavour}; suites: {', '.join(SUITES)}")
    with locked(settings.cache / "tools.lock"):
        install_tools()
    with ThreadPoolExecutor(max_workers=max(1, len(pairs))) as pool:
        roots = list(pool.map(lambda pair: _build_one(settings, *pair), pairs))
    return dict(zip(pairs, roots))


def _build_one(settings: Settings, suite: str, flavour: str) -> Path:
    name = base_name(suite, flavour)
    target = settings.cache / name
    if target.is_dir():
        return target
    with locked(settings.cache / f"{name}.lock"):
        if target.is_dir():
            return target
        for left in settings.cache.glob(f".{name}.*"):
            # an earlier build was killed
            remove_tree(left)
        print(f"building {suite} ({flavour})", file=sys.stderr)
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=settings.cache))
        root = work / "root"
        try:
            _bootstrap(suite, flavour, root)
            _adjust(root)
            if flavour == "plain":
                add_pool(suite, root)
            elif SUITES[suite].makes_keys:
                execute(["chroot", str(root), "sh", "-ec", _TLS_KEY])
            os.sync()
            os.rename(root, target)
        finally:
            remove_tree(work)
    return target


def _bootstrap(suite: str, flavour: str, root: Path) -> None:
    argv: list[str] = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--dpkgopt=force-unsafe-io",
        *([_MERGE_USR] if suite == "bullseye" else []),
        f"--include={','.join(packages(flavour))}",
    ]
    argv += [f"--aptopt={line}" for line in apt_options()]
    argv += [suite, str(root), *source_lines(suite)]
    execute(argv, timeout=1800)


def _adjust(root: Path) -> None:
    """Make a tree fit for a host: nothing of the machine in it, and no unit that cannot work."""
    (root / "etc/apt/sources.list").write_text("", encoding="utf-8")
    (root / "etc/resolv.conf").write_text("", encoding="utf-8")
    (root / "etc/machine-id").write_text("", encoding="utf-8")
    units = root / "etc/systemd/system"
    for unit in _MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    masks = root / "etc/systemd/system-generators"
    masks.mkdir(parents=True, exist_ok=True)
    for generator in (root / "usr/lib/systemd/system-generators").iterdir():
        if generator.name not in _KEPT_GENERATORS:
            (masks / generator.name).symlink_to("/dev/null")
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    networkd = wants / "systemd-networkd.service"
    if not networkd.is_symlink():
        networkd.symlink_to("/lib/systemd/system/systemd-networkd.service")
    # Name look-ups would wait for a server that nobody runs.
    (root / "etc/ssh/sshd_config.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/ssh/sshd_config.d/lab.conf").write_text("UseDNS no\nMaxStartups 100\n", encoding="utf-8")


def remove_tree(path: Path) -> None:
    """Remove a folder and whatever is still mounted below it."""
    unmount_below(path)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        raise LabError(f"cannot remove {path}")
