# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to restore a backup by hand, as a text that lies beside it, for the night when Ansible is gone too (pure)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    DATA,
    FILE_LIST,
    Manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import parse_version

NAME = "RESTORE.txt"

_HEAD = """\
How to restore this backup by hand
==================================

backup    {id} ({type}{prepared}{increment_of})
of        {instance}, host {host}, MariaDB {server}
taken     {created}
GTID      {gtid}
binlog    {binlog}

It needs a host with MariaDB {series} and the program mariadb-backup of the same series, room for the data beside the
datadir, and root. The lines that are indented are commands: start a new shell (bash) and put them into it, in
this order; it ends at the first error. Correct the first ones if the backup or the datadir lie elsewhere by now, or the
service has another name.

    BACKUP={backup}
    DATADIR={datadir}
    SERVICE={service}
{chain}    set -eu
    test ! -e "$DATADIR.new"
    test ! -e "$DATADIR.old"

The last two stop here when an earlier attempt has left something: remove $DATADIR.new; look at $DATADIR.old, and move it away.

1. Check every file. A line that does not end in OK names a damaged file: use another backup then.

{check}

2. Copy it beside the datadir{and_prepare}. The server may still run.

{copy}
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
innodb_log_group_home_dir or aria_log_dir_path, stop the server before step 2, and move the contents of all these directories
away. After the preparation, instead of the commands from "rm -f" to "restorecon":
mariadb-backup --copy-back --target-dir="$DATADIR.new", and chown -R mysql:mysql all these directories.

A server that writes binary logs numbers its transactions anew after this. If it has replicas, set them up anew too.
"""
# In one line each: they are pasted with the spaces before them.
_LIST_SUMS = 'import json,sys; [print(e["sha256"], "", n) for n, e in json.load(open(sys.argv[1])).items()]'
_COMPARE_SIZES = (
    "import json,os,sys; [sys.exit(n) for n, e in json.load(open(sys.argv[1])).items()"
    ' if os.stat(n).st_size != e["size"]]'
)
_CHECK = """\
    python3 -c '{list_sums}' \\
      "$BACKUP/{file_list}" | (cd "$BACKUP/{data}" && sha256sum --check --quiet)"""
_CHECK_CHAIN = """\
    for ID in $FULL $INCREMENTS; do
      python3 -c '{list_sums}' \\
        "$BACKUP/../$ID/{file_list}" | (cd "$BACKUP/../$ID/{data}" && sha256sum --check --quiet)
    done"""
_COPY = '    cp -a --reflink=auto "$BACKUP/{data}" "$DATADIR.new"'
_COPY_FULL = '    cp -a --reflink=auto "$BACKUP/../$FULL/{data}" "$DATADIR.new"'
_CHAIN = """\
    FULL={full}
    INCREMENTS="{increments}"
"""
# The program consumes the directory of an increment, hence the copies.
_APPLY = """
    for ID in $INCREMENTS; do
      rm -rf "$DATADIR.increment"
      cp -a --reflink=auto "$BACKUP/../$ID/{data}" "$DATADIR.increment"
      mariadb-backup --prepare --target-dir="$DATADIR.new" --incremental-dir="$DATADIR.increment"
      rm -rf "$DATADIR.increment"
    done"""
# mbstream does not notice files that are missing, so the sizes of all are compared.
_EXTRACT = """\
    rm -rf "{target}"; mkdir -m 700 "{target}"; set -o pipefail
    {reader} | mbstream -x -C "{target}"
    (cd "{target}" && python3 -c '{compare_sizes}' \\
      "{unit}/{file_list}"); set +o pipefail"""
_FETCH = """\
    rclone copy {remote} "{unit}"
"""
_IDENTITY = """\
    IDENTITY=/root/identity.txt  # the file with a secret key of one of its recipients
"""
_RCLONE = """\
    export RCLONE_CONFIG={config}  # the file that names the remote
"""
_OWN_CONFIG = '"${RCLONE_CONFIG:-$HOME/.config/rclone/rclone.conf}"'
_UNPACK = {"zstd": "zstd -dc", "lz4": "lz4 -dc", "gzip": "gzip -dc"}
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


def restore_text(
    manifest: Manifest,
    path: str,
    bases: Sequence[Manifest] = (),
    remote: str | None = None,
    rclone_config: str | None = None,
) -> str:
    """Return the text for a backup.

    Args:
        manifest: the backup's.
        path: the backup's directory in the repository.
        bases: of an increment: the backups that it is built on, from the full one on.
        remote: where the backups of the instance lie in remote storage, ``NAME:path``; ``path`` is of no use then.
        rclone_config: the file that names the remote; None where rclone's own place is, or where it was the caller's variables.
    """
    if manifest.partial:
        return _partial_text(manifest, path)
    version = parse_version(manifest.server_version) if manifest.server_version else None
    names = [base.id for base in bases] + [manifest.id]
    places = {"data": DATA, "file_list": FILE_LIST, "list_sums": _LIST_SUMS}
    and_prepare = ', and prepare the copy: its last line has to be "completed OK!"'
    if bases:
        and_prepare = (
            ", prepare the copy, and apply the increments from copies of their own, in their order:\n   each time the last"
            ' line has to be "completed OK!". When one fails, remove both copies and begin anew'
        )
    text = _HEAD.format(
        id=manifest.id,
        type=manifest.type,
        prepared=", prepared" if manifest.prepared else "",
        increment_of=f" of {manifest.base_id}" if bases else "",
        chain=_CHAIN.format(full=names[0], increments=" ".join(names[1:])) if bases else "",
        instance=manifest.instance,
        host=manifest.host,
        server=manifest.server_version,
        created=manifest.created,
        gtid=manifest.gtid or "none",
        binlog=f"{manifest.binlog_file}, position {manifest.binlog_position}" if manifest.binlog_file else "none",
        series=f"{version.series_number[0]}.{version.series_number[1]}" if version else "the same series",
        backup=shlex.quote(f"/var/tmp/{manifest.id}" if remote else path),
        datadir=shlex.quote(manifest.datadir or "/var/lib/mysql"),
        service=shlex.quote(_service(manifest.instance or "")),
        check=_check(manifest, bases).format(**places),
        copy=(_COPY_FULL if bases else _COPY).format(**places),
        and_prepare="" if manifest.prepared else and_prepare,
        prepare="" if manifest.prepared else _PREPARE + (_APPLY.format(**places) if bases else ""),
    )
    if any(link.stream is not None for link in (*bases, manifest)):
        return _of_streams(text, (*bases, manifest), remote, rclone_config)
    return text


def _check(manifest: Manifest, bases: Sequence[Manifest]) -> str:
    if any(link.checksum == "none" for link in (*bases, manifest)):
        return _NO_CHECKSUMS
    return _CHECK_CHAIN if bases else _CHECK


def _of_streams(text: str, links: Sequence[Manifest], remote: str | None, rclone_config: str | None) -> str:
    """Replace checking and copying files by what streams need."""
    units = {link.id: "$BACKUP" if len(links) == 1 else f"$BACKUP/../{link.id}" for link in links}
    check = '    mkdir -p "$BACKUP"\n' if remote else ""
    check += "".join(
        _FETCH.format(remote=shlex.quote(f"{remote}/{link.id}"), unit=units[link.id]) for link in links if remote
    )
    place = []
    for number, link in enumerate(links):
        unit, target = units[link.id], "$DATADIR.increment" if number else "$DATADIR.new"
        if link.stream is None:
            check += (
                ""
                if link.checksum == "none"
                else _CHECK.replace("$BACKUP", unit).format(data=DATA, file_list=FILE_LIST, list_sums=_LIST_SUMS) + "\n"
            )
            place.append(f'    rm -rf "{target}"; cp -a --reflink=auto "{unit}/{DATA}" "{target}"')
        else:
            file = f"{unit}/{link.stream.file}"
            check += f'    echo "{link.stream.sha256}  {file}" | sha256sum --check\n' if link.stream.sha256 else ""
            reader = _reader(link, file)
            place.append(
                _EXTRACT.format(
                    target=target, reader=reader, unit=unit, file_list=FILE_LIST, compare_sizes=_COMPARE_SIZES
                )
            )
        if not link.prepared:
            increment = ' --incremental-dir="$DATADIR.increment"' if number else ""
            place.append(f'    mariadb-backup --prepare --target-dir="$DATADIR.new"{increment}')
    if len(links) > 1:
        place.append('    rm -rf "$DATADIR.increment"')
    begin, end = text.index("then.\n\n", text.index("1. Check")) + len("then.\n\n"), text.index("\n2. Copy")
    text = text[:begin] + (check or _NO_CHECKSUMS + "\n") + text[end:]
    begin, end = text.index("still run.\n\n") + len("still run.\n\n"), text.index('\n    rm -f "$DATADIR.new"')
    text = text[:begin] + "\n".join(place) + text[end:]
    if remote:
        config = shlex.quote(rclone_config) if rclone_config else _OWN_CONFIG
        text = text.replace("    set -eu\n", _RCLONE.format(config=config) + "    set -eu\n", 1)
    if any(link.encrypted for link in links):
        text = text.replace("    set -eu\n", _IDENTITY + "    set -eu\n", 1)
    programs = sorted(
        {
            *(link.compression for link in links),
            *("age" for link in links if link.encrypted),
            *(["rclone"] if remote else []),
        }
        - {"none"}
    )
    if programs:
        text = text.replace("of the same series, room", f"of the same series, {', '.join(programs)}, room", 1)
    return text


def _reader(link: Manifest, file: str) -> str:
    """Return the commands that write the stream of a backup as mbstream wants it."""
    unpack = _UNPACK.get(link.compression)
    if not link.encrypted:
        return f'{unpack or "cat"} "{file}"'
    return f'age -d -i "$IDENTITY" "{file}"' + (f" | {unpack}" if unpack else "")


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
