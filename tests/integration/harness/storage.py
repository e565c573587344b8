# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host that is remote storage: S3 (moto, which keeps its objects in memory) and SFTP (its sshd)."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from tests.integration.harness.server import Server, wait_for
from tests.lab.config import Settings
from tests.lab.s3 import s3_server

PORT = 8333
KEY, SECRET = "test-access", "test-secret"
CONFIG = "/root/test-rclone.conf"
FOLDER = "/srv/sftp"
_SERVER = "/opt/moto"
#: what an account for SFTP has to be allowed, so that backups can be taken and restored, and none is removed
WRITING = "open,close,read,write,stat,lstat,fstat,setstat,fsetstat,opendir,readdir,mkdir,realpath"
_KEY_FILE = "/root/test-sftp"
# Moto takes every number of parts. The real one answers like this, from part 10,001 on.
_LIMITED = """
import sys
from urllib.parse import parse_qs
from moto import server
limit = int(sys.argv.pop(1))
anything = server.DomainDispatcherApplication.__call__
def limited(self, environ, start_response):
    number = parse_qs(environ.get("QUERY_STRING", "")).get("partNumber", ["1"])[0]
    if environ["REQUEST_METHOD"] != "PUT" or int(number) <= limit:
        return anything(self, environ, start_response)
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("400 Bad Request", [("Content-Type", "application/xml")])
    return [f"<Error><Code>InvalidArgument</Code><Message>Part number must be an integer between 1 and {limit}, inclusive"
            f"</Message><ArgumentName>partNumber</ArgumentName><ArgumentValue>{number}</ArgumentValue></Error>".encode()]
server.DomainDispatcherApplication.__call__ = limited
server.main()
"""


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

    def start(self, parts: int = 10_000) -> None:
        """Start the S3 server with an empty bucket, and wait until it answers.

        Args:
            parts: the highest number of a part that it takes.
        """
        address = f"http://{self.host.host.address}:{PORT}/backups"
        self.host.run(
            ["systemd-run", "--quiet", "--collect", "--unit=test-s3", f"--setenv=PYTHONPATH={_SERVER}",
             "/usr/bin/python3", "-c", _LIMITED, str(parts), "-H", self.host.host.address, "-p", str(PORT)]
        )  # fmt: skip
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

    def configure(self, server: Server, secret: str = SECRET, parts: int | None = None) -> None:
        """Write the configuration that names the storage as ``store:`` (S3) and ``shell:`` (SFTP) on a database host.

        Args:
            secret: of the account in S3.
            parts: how many parts an upload to S3 may have, if that is to be said.
        """
        server.run(f"test -e {_KEY_FILE} || ssh-keygen -q -t ed25519 -N '' -f {_KEY_FILE}")
        public = server.out(["cat", f"{_KEY_FILE}.pub"])
        self.host.run(
            f"grep -qF '{public}' /root/.ssh/authorized_keys || echo '{public}' >> /root/.ssh/authorized_keys"
        )
        remotes = self.remotes(secret, **({"max_upload_parts": parts} if parts else {}))
        sections = (
            "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in options.items()), ""])
            for name, options in remotes.items()
        )
        server.host.put("\n".join(sections), CONFIG, 0o600)

    def remotes(self, secret: str = SECRET, **more: Any) -> dict[str, dict[str, Any]]:
        """Return the same as an option of a module; the key for SFTP lies on a host that was configured.

        Args:
            secret: of the account in S3.
            more: options of S3.
        """
        address = self.host.host.address
        return {
            "store": {"type": "s3", "provider": "Other", "access_key_id": KEY, "secret_access_key": secret,
                      "endpoint": f"http://{address}:{PORT}", "force_path_style": True, **more},
            "shell": {"type": "sftp", "host": address, "user": "root", "key_file": _KEY_FILE},
        }  # fmt: skip

    def forbid_removing(self, server: Server) -> None:
        """Name the SFTP of a host that was configured ``keep:`` as well, for an account that may remove and rename nothing."""
        key = f"{_KEY_FILE}-keep"
        server.run(f"rm -f {key} && ssh-keygen -q -t ed25519 -N '' -f {key}")
        command = f'restrict,command="/usr/lib/openssh/sftp-server -p {WRITING}" {server.out(["cat", f"{key}.pub"])}'
        self.host.run(f"echo '{command}' >> /root/.ssh/authorized_keys")
        section = f"[keep]\ntype = sftp\nhost = {self.host.host.address}\nuser = root\nkey_file = {key}\n"
        server.run(f"printf '\n%s' '{section}' >> {CONFIG}")

    @contextlib.contextmanager
    def disconnected(self) -> Iterator[None]:
        """Cut every session of SFTP, and let nobody in for as long as the block lasts."""
        self.host.run("systemctl stop ssh; pkill -KILL -x sshd; pkill -KILL -x sftp-server", check=False)
        try:
            yield
        finally:
            self.host.run("systemctl start ssh")

    def names(self, server: Server, where: str) -> list[str]:
        """Return the files below a remote directory, sorted, as rclone on a database host lists them."""
        found = server.run(["rclone", f"--config={CONFIG}", "lsf", "-R", "--files-only", where], check=False)
        return sorted(found.stdout.split())
