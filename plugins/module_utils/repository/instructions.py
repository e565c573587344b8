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
datadir, and root. The lines that are indented are commands: start a new shell (bash) and put them into it, in
this order; it ends at the first error. Correct the first three if the backup or the datadir lie elsewhere by now, or the
service has another name.

    BACKUP={backup}
    DATADIR={datadir}
    SERVICE={service}
    set -eu
    test ! -e "$DATADIR.new"
    test ! -e "$DATADIR.old"

The last two stop here when an earlier attempt has left something: remove $DATADIR.new; look at $DATADIR.old, and move it away.

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

    systemctl stop 'mariadb*.socket' "$SERVICE"
    if ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -q -e "-> $(readlink -f "$DATADIR")$"; then echo "in use: $DATADIR"; false; fi
    if [ -e "$DATADIR" ]; then mv "$DATADIR" "$DATADIR.old"; fi
    mv "$DATADIR.new" "$DATADIR"
    if command -v restorecon; then restorecon -R "$DATADIR"; fi
    systemctl start "$SERVICE"

   Start the sockets of other servers on this host again, if it has any.

4. Look whether it is your data. Accounts and passwords are those of the backup. One of several servers wants --socket=... here.

    mariadb -e 'SHOW DATABASES'

When something is wrong: stop the server, move $DATADIR away, move $DATADIR.old back, start the server.

Where the datadir is a mount point, or option files name innodb_data_home_dir, innodb_undo_directory,
innodb_log_group_home_dir or aria_log_dir_path, stop the server before step 2, move the contents of all these directories
away, and replace "cp" and both "mv" by: mariadb-backup --copy-back --target-dir=(the prepared copy).

A server that writes binary logs numbers its transactions anew after this. If it has replicas, set them up anew too.
"""
_PARTIAL = """\
This backup holds some tables and no whole server
=================================================

backup    {id} (partial)
of        {instance}, host {host}, MariaDB {server}
taken     {created}
{chosen}

No server can be restored from it. Its tables are brought into a running server one by one: the module import_tables does it. By
hand, for each InnoDB table T of the schema S, on a host with MariaDB and mariadb-backup of the same series:

1. Copy the backup, and prepare the copy. The last line has to be "completed OK!".

    cp -a {data} /var/tmp/export
    mariadb-backup --prepare --export --target-dir=/var/tmp/export

2. In the server, create the table as it was when the backup was taken, without foreign keys and FULLTEXT indexes, and give
   its file away. The definition is not in the backup as text: take it from a dump, or from another server.

    CREATE TABLE S.T (...) ENGINE=InnoDB ROW_FORMAT=...;
    ALTER TABLE S.T DISCARD TABLESPACE;

3. Bring the files in. In the names of files every character that is not a letter of ASCII, a digit or _ is encoded.

    cp /var/tmp/export/S/T.ibd /var/tmp/export/S/T.cfg (datadir)/S/
    chown mysql:mysql (datadir)/S/T.ibd (datadir)/S/T.cfg

4. Import it, and look whether it is whole.

    ALTER TABLE S.T IMPORT TABLESPACE;
    CHECK TABLE S.T;
"""
_PREPARE = '    mariadb-backup --prepare --target-dir="$DATADIR.new"'
_NO_CHECKSUMS = '    echo "this backup was taken without checksums"'


def restore_text(manifest: Manifest, path: str) -> str:
    """Return the text for a full backup in the directory format.

    Args:
        manifest: the backup's.
        path: the backup's directory in the repository.
    """
    if manifest.partial:
        return _partial_text(manifest, path)
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
        service=shlex.quote(_service(manifest.instance or "")),
        file_list=FILE_LIST,
        data=DATA,
        and_prepare="" if manifest.prepared else ', and prepare the copy: its last line has to be "completed OK!"',
        prepare="" if manifest.prepared else _PREPARE,
    )
    if manifest.checksum == "none":
        begin, end = text.index("    python3 -c"), text.index("2. Copy")
        text = f"{text[:begin]}{_NO_CHECKSUMS}\n\n{text[end:]}"
    return text


def _partial_text(manifest: Manifest, path: str) -> str:
    chosen = manifest.selection or {}
    return _PARTIAL.format(
        id=manifest.id,
        instance=manifest.instance,
        host=manifest.host,
        server=manifest.server_version,
        created=manifest.created,
        chosen="\n".join(f"{name:<19}{', '.join(names)}" for name, names in chosen.items()),
        data=shlex.quote(f"{path}/{DATA}"),
    )


def _service(instance: str) -> str:
    """Return the service of an instance that is named after its host; ``db1@x`` is ``mariadb@x`` there."""
    _host, separator, suffix = instance.partition("@")
    return f"mariadb{separator}{suffix}.service"


def commands(text: str) -> str:
    """Return the commands of such a text as one script."""
    return "".join(line[4:] for line in text.splitlines(keepends=True) if line.startswith("    "))
