# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host that is remote storage: S3 (moto, which keeps its objects in memory) and SFTP (its sshd)."""

from __future__ import annotations

import shutil

from tests.integration.harness.server import Server, wait_for
from tests.lab.config import Settings
from tests.lab.s3 import s3_server

PORT = 8333
KEY, SECRET = "test-access", "test-secret"
CONFIG = "/root/test-rclone.conf"
FOLDER = "/srv/sftp"
_SERVER = "/opt/moto"
_KEY_FILE = "/root/test-sftp"


class Storage:
    """The storage on a host that runs no database.

    Args:
        host: the host, reset without a server.
    """

    def __init__(self, host: Server) -> None:
        self.host = host
        if not host.exists(_SERVER):
            shutil.copytree(s3_server(Settings.from_environment("storage")), host.path(_SERVER))
        host.run(["mkdir", "-p", FOLDER])
        self.start()

    def start(self) -> None:
        """Start the S3 server with an empty bucket, and wait until it answers."""
        address = f"http://{self.host.host.address}:{PORT}/backups"
        self.host.run(
            f"systemd-run --quiet --collect --unit=test-s3 --setenv=PYTHONPATH={_SERVER} "
            f"/usr/bin/python3 -m moto.server -H {self.host.host.address} -p {PORT}"
        )
        # Without versions moto names one all the same ("null"), and fails when rclone asks for it.
        versions = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        put = (
            f"import urllib.request as u; u.urlopen(u.Request({address!r}, method='PUT'));"
            f"u.urlopen(u.Request({address!r} + '?versioning', data={versions!r}, method='PUT', "
            "headers={'Content-Type': 'application/xml'}))"
        )
        wait_for(lambda: self.host.run(["python3", "-c", put], check=False).returncode == 0, "the S3 server answers")

    def stop(self, number: str = "KILL") -> None:
        """End the S3 server at once, with all that it holds."""
        self.host.run(f"systemctl kill --signal={number} test-s3; systemctl stop test-s3", check=False)

    def configure(self, server: Server, secret: str = SECRET) -> None:
        """Write the configuration that names the storage as ``store:`` (S3) and ``shell:`` (SFTP) on a database host."""
        server.run(f"test -e {_KEY_FILE} || ssh-keygen -q -t ed25519 -N '' -f {_KEY_FILE}")
        public = server.out(["cat", f"{_KEY_FILE}.pub"])
        self.host.run(
            f"grep -qF '{public}' /root/.ssh/authorized_keys || echo '{public}' >> /root/.ssh/authorized_keys"
        )
        address = self.host.host.address
        server.host.put(
            f"[store]\ntype = s3\nprovider = Other\naccess_key_id = {KEY}\nsecret_access_key = {secret}\n"
            f"endpoint = http://{address}:{PORT}\nforce_path_style = true\n\n"
            f"[shell]\ntype = sftp\nhost = {address}\nuser = root\nkey_file = {_KEY_FILE}\n",
            CONFIG,
            0o600,
        )

    def names(self, server: Server, where: str) -> list[str]:
        """Return the files below a remote directory, sorted, as rclone on a database host lists them."""
        found = server.run(["rclone", f"--config={CONFIG}", "lsf", "-R", "--files-only", where], check=False)
        return sorted(found.stdout.split())
