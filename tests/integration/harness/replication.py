# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A primary and its replicas."""

from __future__ import annotations

from tests.integration.harness.server import Server, wait_for


def replicate(primary: Server, replica: Server, mode: str = "slave_pos") -> None:
    """Make ``replica`` follow ``primary``; both start with the same data and no binary log of it."""
    primary.sql("CREATE TABLE dba_empty.t (id INT PRIMARY KEY) ENGINE=InnoDB;"
                "CREATE USER repl@'%' IDENTIFIED BY 'r'; GRANT REPLICATION SLAVE ON *.* TO repl@'%'")  # fmt: skip
    ssl = ", MASTER_SSL=0, MASTER_SSL_VERIFY_SERVER_CERT=0"
    start = f"MASTER_USE_GTID={mode}"
    if mode == "no":
        name = primary.out("ls /var/lib/mysql | grep -m1 -E 'mysqld-bin[.][0-9]+$'")
        start += f", MASTER_LOG_FILE='{name}', MASTER_LOG_POS=4"
    replica.sql(f"CHANGE MASTER TO MASTER_HOST='{primary.host.address}', MASTER_USER='repl', MASTER_PASSWORD='r',"
                f" MASTER_CONNECT_RETRY=1, {start}{ssl}; START SLAVE")  # fmt: skip
    primary.sql("INSERT INTO dba_empty.t VALUES (1)")
    follow(replica, "1")


def follow(replica: Server, number: str) -> None:
    """Wait until a row has come."""
    count = f"SELECT COUNT(*) FROM dba_empty.t WHERE id = {number}"

    def there() -> bool:
        done = replica.run(["mariadb", "-BNe", count], check=False)
        return done.stdout.strip() == "1"

    wait_for(there, f"{replica.name}: row {number} has come; {status(replica)}", timeout=40, pause=0.1)


def status(replica: Server) -> dict[str, str]:
    """Return SHOW SLAVE STATUS."""
    lines = replica.out(["mariadb", "-e", "SHOW SLAVE STATUS\\G"]).splitlines()
    return {name.strip(): value.strip() for name, _colon, value in (line.partition(": ") for line in lines)}
