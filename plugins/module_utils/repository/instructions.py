# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to restore a backup by hand, as a text that lies beside it, for the night when Ansible is gone too (pure)."""

from __future__ import annotations

import shlex

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import DATA, FILE_LIST, Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import parse_version

NAME = "RESTORE.txt"

_HEAD = """\
How to restore this backup by hand
==================================

backup    {id} ({type}{prepared})
of        {instance}, host {host}, MariaDB {server}
taken     {created}
GTID      {gtid}
binlog    {binlog}

It needs a host with MariaDB {series} and the program mariadb-backup of the same series, room for the data beside the
datadir, and root. The lines that are indented are commands; put them into one shell, in this order, and stop at
the first error. Correct the first two if the backup or the datadir lie elsewhere by now.

    set -eu
    BACKUP={backup}
    DATADIR={datadir}

1. Check every file. A line that does not end in OK names a damaged file: use another backup then.

    python3 -c 'import json,sys
    for name, entry in json.load(open(sys.argv[1])).items(): print(entry["sha256"], "", name)' \\
      "$BACKUP/{file_list}" | (cd "$BACKUP/{data}" && sha256sum --check --quiet)

2. Copy it beside the datadir{and_prepare}. The server may still run.

    cp -a --reflink=auto "$BACKUP/{data}" "$DATADIR.new"
{prepare}
    rm -f "$DATADIR.new"/xtrabackup_* "$DATADIR.new"/mariadb_backup_* "$DATADIR.new"/backup-my.cnf
    chown -R mysql:mysql "$DATADIR.new"
    chmod 700 "$DATADIR.new"
    sync -f "$DATADIR.new"

3. Stop the server, and exchange the directories. The old data stays in $DATADIR.old.

    systemctl stop 'mariadb*.socket' mariadb.service
    if [ -e "$DATADIR" ]; then mv "$DATADIR" "$DATADIR.old"; fi
    mv "$DATADIR.new" "$DATADIR"
    if command -v restorecon; then restorecon -R "$DATADIR"; fi
    systemctl start mariadb.service

4. Look whether it is your data. Accounts and passwords are those of the backup.

    mariadb -e 'SHOW DATABASES'

When something is wrong: stop the server, move $DATADIR away, move $DATADIR.old back, start the server.

Where the datadir is a mount point, or option files name innodb_data_home_dir, innodb_undo_directory,
innodb_log_group_home_dir or aria_log_dir_path, stop the server before step 2, move the contents of all these directories
away, and replace "cp" and both "mv" by: mariadb-backup --copy-back --target-dir=(the prepared copy).

A server that writes binary logs numbers its transactions anew after this. If it has replicas, set them up anew too.
"""
_PREPARE = '    mariadb-backup --prepare --target-dir="$DATADIR.new"'
_NO_CHECKSUMS = '    echo "this backup was taken without checksums"'


def restore_text(manifest: Manifest, path: str) -> str:
    """Return the text for a full backup in the directory format.

    Args:
        manifest: the backup's.
        path: the backup's directory in the repository.
    """
    version = parse_version(manifest.server_version or "")
    text = _HEAD.format(
        id=manifest.id,
        type=manifest.type,
        prepared=", prepared" if manifest.prepared else "",
        instance=manifest.instance,
        host=manifest.host,
        server=manifest.server_version,
        created=manifest.created,
        gtid=manifest.gtid or "none",
        binlog=f"{manifest.binlog_file}, position {manifest.binlog_position}" if manifest.binlog_file else "none",
        series=f"{version.series_number[0]}.{version.series_number[1]}" if version else "the same series",
        backup=shlex.quote(path),
        datadir=shlex.quote(manifest.datadir or "/var/lib/mysql"),
        file_list=FILE_LIST,
        data=DATA,
        and_prepare="" if manifest.prepared else ', and prepare the copy: its last line has to be "completed OK!"',
        prepare="" if manifest.prepared else _PREPARE,
    )
    if manifest.checksum == "none":
        begin, end = text.index("    python3 -c"), text.index("2. Copy")
        text = f"{text[:begin]}{_NO_CHECKSUMS}\n\n{text[end:]}"
    return text


def commands(text: str) -> str:
    """Return the commands of such a text as one script."""
    return "".join(line[4:] for line in text.splitlines(keepends=True) if line.startswith("    "))
