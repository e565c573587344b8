# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipes, with real programs: what arrives, who is blamed when it does not, and what is left behind (nothing)."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import children, plumbing, pump
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.pipe import InputPipe, OutputPipe
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter

MIB = 1024 * 1024


def program(name: str, *arguments: str) -> Filter:
    path = shutil.which(name)
    assert path is not None
    return Filter(name, (path, *arguments))


def sh(script: str, name: str = "sh") -> Filter:
    return Filter(name, ("/bin/sh", "-c", script))


CAT = program("cat")
GZIP = program("gzip", "-1", "-c")
GUNZIP = program("gzip", "-dc")
# Reads a little, then the rest of the stream finds it dead.
DIES = sh("head -c 100000 >/dev/null; echo 'mill: it broke' >&2; exit 3", "mill")
IGNORES_EOF = sh("trap '' TERM; cat >/dev/null; while :; do sleep 0.2; done")


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    descriptors = sorted(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    yield
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plumbing, "_GRACE_SECONDS", 1)
    monkeypatch.setattr(children, "_TERMINATE_SECONDS", 0.5)


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "stream.log")


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(1).randbytes(6 * MIB)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[int]:
    with open(tmp_path / "stored", "w+b") as stream:
        yield stream.fileno()


def stored(fd: int) -> bytes:
    return os.pread(fd, 100 * MIB, 0)


def feed(fd: int, content: bytes) -> int:
    """Write as the tool does: another process, which stops at a broken pipe."""
    return subprocess.run(["/bin/cat"], input=content, stdout=fd, stderr=subprocess.DEVNULL, check=False).returncode


def drain(fd: int) -> bytes:
    """Read as the tool does."""
    return subprocess.run(["/bin/cat"], stdin=fd, stdout=subprocess.PIPE, check=True).stdout


def file_of(tmp_path: Path, content: bytes) -> int:
    path = tmp_path / "source"
    path.write_bytes(content)
    return os.open(path, os.O_RDONLY)


@pytest.fixture
def source(tmp_path: Path, data: bytes) -> Iterator[int]:
    fd = file_of(tmp_path, gzip.compress(data, 1))
    yield fd
    os.close(fd)


# ---- storing


def test_fifty_megabytes_through_two_filters(tmp_path: Path, sink: int, log: str) -> None:
    big = random.Random(2).randbytes(MIB) * 50
    pieces: list[int] = []
    with OutputPipe([GZIP, CAT], sink, log, pieces.append) as pipe:
        assert feed(pipe.fd, big) == 0
        passed = pipe.finish()
        assert pipe.fd == -1
    content = stored(sink)
    assert passed.stored_bytes == len(content) == sum(pieces)
    assert passed.sha256 == hashlib.sha256(content).hexdigest()
    assert gzip.decompress(content) == big
    os.lseek(sink, 0, os.SEEK_SET)
    with InputPipe(sink, [CAT, GUNZIP], log, expected_bytes=passed.stored_bytes, expected_sha256=passed.sha256) as pipe:
        assert drain(pipe.fd) == big
        assert pipe.finish() == passed


@pytest.mark.parametrize("size", [0, 1, 70_000, 6 * MIB])
def test_without_filters(sink: int, log: str, data: bytes, size: int) -> None:
    with OutputPipe([], sink, log) as pipe:
        feed(pipe.fd, data[:size])
        passed = pipe.finish()
    assert (passed.stored_bytes, stored(sink)) == (size, data[:size])
    assert passed.sha256 == hashlib.sha256(data[:size]).hexdigest()
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600


def test_without_a_checksum(sink: int, log: str) -> None:
    with OutputPipe([CAT], sink, log, checksum=False) as pipe:
        feed(pipe.fd, b"abc")
        assert pipe.finish().sha256 is None


def test_a_file_goes_to_the_disk_while_it_is_written(sink: int, log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piece by piece from where it began, without gaps; the sync at the end has the rest."""
    pieces: list[tuple[int, int]] = []
    monkeypatch.setattr(pump, "start_writeback", lambda fd, offset, count: pieces.append((offset, count)))
    os.write(sink, b"head")
    with OutputPipe([], sink, log) as pipe:
        feed(pipe.fd, bytes(20 * MIB))
        pipe.finish()
    assert [offset for offset, _count in pieces] == [4, *(offset + count for offset, count in pieces[:-1])]
    assert min(count for _offset, count in pieces) >= 8 * MIB
    assert 12 * MIB < sum(count for _offset, count in pieces) <= 20 * MIB


def test_the_sink_stays_open_and_may_be_a_pipe(log: str, data: bytes) -> None:
    reader, writer = os.pipe()
    found: list[bytes] = []
    listener = threading.Thread(target=lambda: found.append(drain(reader)))
    listener.start()
    with OutputPipe([CAT], writer, log) as pipe:
        feed(pipe.fd, data)
        pipe.finish()
    assert os.get_blocking(writer)
    os.close(writer)
    listener.join()
    os.close(reader)
    assert found == [data]


def test_a_program_as_sink(tmp_path: Path, log: str, data: bytes) -> None:
    target = tmp_path / "uploaded"
    with OutputPipe([GZIP], sh(f"echo talk; cat > {target}"), log) as pipe:
        feed(pipe.fd, data)
        passed = pipe.finish()
    assert gzip.decompress(target.read_bytes()) == data
    assert passed.stored_bytes == target.stat().st_size
    assert "talk" in Path(log).read_text()


@pytest.mark.parametrize("before", [[], [CAT], [CAT, GZIP]])
@pytest.mark.parametrize("after", [[], [CAT], [GZIP, CAT]])
def test_the_filter_that_died_is_blamed(
    sink: int, log: str, data: bytes, before: list[Filter], after: list[Filter]
) -> None:
    with OutputPipe([*before, DIES, *after], sink, log) as pipe:
        assert feed(pipe.fd, data) != 0
        with pytest.raises(MariabackupError) as caught:
            pipe.finish(writer_failed=True)
    error = caught.value
    assert error.cause == "mill failed with return code 3: mill: it broke."
    assert (error.rc, error.log_tail[-1], error.log_path) == (3, "mill: it broke", log)
    assert error.cmd is not None
    assert error.cmd[0] == "/bin/sh"


def test_the_end_of_the_filter_is_noticed_when_the_tool_saw_nothing(sink: int, log: str) -> None:
    with OutputPipe([CAT, sh("cat; exit 3")], sink, log) as pipe:
        assert feed(pipe.fd, b"little") == 0
        with pytest.raises(MariabackupError, match="sh failed with return code 3 and said nothing"):
            pipe.finish()
    with OutputPipe([CAT, sh("exit 3")], sink, log) as pipe:
        assert feed(pipe.fd, b"little") == 0
        with pytest.raises(MariabackupError, match="sh failed with return code 3"):
            pipe.finish()


def test_a_filter_that_is_killed(sink: int, log: str) -> None:
    with OutputPipe([CAT, sh("kill -9 $$"), CAT], sink, log) as pipe:
        feed(pipe.fd, b"little")
        with pytest.raises(MariabackupError, match="sh was ended by SIGKILL") as caught:
            pipe.finish()
    assert caught.value.rc == 137
    assert "kernel log" in caught.value.action


def test_a_filter_that_stops_early_without_complaint(sink: int, log: str, data: bytes) -> None:
    head = program("head", "-c", "1000")
    for filters in ([head], [CAT, head], [head, CAT]):
        with OutputPipe(filters, sink, log) as pipe:
            assert feed(pipe.fd, data) != 0
            with pytest.raises(MariabackupError, match="head stopped before the end of the stream"):
                pipe.finish(writer_failed=True)


def test_a_filter_that_does_not_read_a_short_stream(sink: int, log: str) -> None:
    with OutputPipe([program("true")], sink, log) as pipe:
        time.sleep(0.3)
        with pytest.raises(MariabackupError, match="true stopped before the end of the stream"):
            pipe.finish()


def test_a_program_that_is_missing(sink: int, log: str) -> None:
    with OutputPipe([Filter("zstd", ("/none/zstd", "-c"))], sink, log) as pipe:
        feed(pipe.fd, b"x")
        with pytest.raises(MariabackupError, match="zstd could not be started: cannot run /none/zstd") as caught:
            pipe.finish()
    assert caught.value.rc == 127


@pytest.mark.parametrize("filters", [[], [CAT], [CAT, CAT]])
def test_a_full_disk(log: str, data: bytes, filters: list[Filter]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with OutputPipe(filters, full, log) as pipe:
        assert feed(pipe.fd, data) != 0
        with pytest.raises(MariabackupError, match="No space left for /dev/full") as caught:
            pipe.finish(writer_failed=True)
    assert "Make room" in caught.value.action
    with OutputPipe(filters, full, log) as pipe:
        assert feed(pipe.fd, b"little") == 0
        with pytest.raises(MariabackupError, match="No space left"):
            pipe.finish()
    os.close(full)


def test_a_sink_that_cannot_be_written(log: str, tmp_path: Path) -> None:
    fd = file_of(tmp_path, b"")
    with OutputPipe([], fd, log) as pipe:
        feed(pipe.fd, b"little")
        with pytest.raises(MariabackupError, match=r"Could not write .*/source after"):
            pipe.finish()
    os.close(fd)


def test_an_upload_that_fails(log: str, data: bytes) -> None:
    for script in ("head -c 1000 >/dev/null; echo 'no such bucket' >&2; exit 5", "cat >/dev/null; exit 5", "exit 5"):
        with OutputPipe([CAT], sh(script, "rclone"), log) as pipe:
            failed = feed(pipe.fd, data) != 0
            with pytest.raises(MariabackupError, match="rclone failed with return code 5"):
                pipe.finish(writer_failed=failed)


def test_an_upload_that_fails_says_why(log: str, data: bytes) -> None:
    """The last line of an error of S3 is its status and no more."""
    script = r"cat >/dev/null; printf 'Failed to rcat: InvalidArgument: no\n\tstatus code: 400\n' >&2; exit 1"
    with OutputPipe([CAT], sh(script, "rclone"), log) as pipe:
        failed = feed(pipe.fd, data) != 0
        with pytest.raises(MariabackupError, match="return code 1: Failed to rcat: InvalidArgument: no"):
            pipe.finish(writer_failed=failed)


def test_an_upload_that_stops_early(log: str, data: bytes) -> None:
    with OutputPipe([CAT], program("head", "-c", "5"), log) as pipe:
        feed(pipe.fd, data)
        with pytest.raises(MariabackupError, match="head stopped before the end of the stream"):
            pipe.finish(writer_failed=True)
    with OutputPipe([], program("head", "-c", "5"), log) as pipe:
        feed(pipe.fd, b"ten bytes.")
        time.sleep(0.3)
        with pytest.raises(MariabackupError, match="head stopped before the end of the stream"):
            pipe.finish()


@pytest.mark.parametrize("reason", ["filter", "tool", "abort"])
def test_an_upload_never_sees_the_end_of_a_broken_stream(tmp_path: Path, log: str, data: bytes, reason: str) -> None:
    done = tmp_path / "uploaded"
    filters = [DIES] if reason == "filter" else [CAT]
    with OutputPipe([CAT, *filters], sh(f"cat >/dev/null; touch {done}"), log) as pipe:
        feed(pipe.fd, data)
        if reason == "filter":
            with pytest.raises(MariabackupError, match="mill failed"):
                pipe.finish()
        elif reason == "tool":
            pipe.finish(writer_failed=True)
    time.sleep(0.2)
    assert not done.exists()


def test_a_failed_tool_is_not_blamed_on_the_pipe(sink: int, log: str, data: bytes) -> None:
    with OutputPipe([GZIP, CAT], sink, log) as pipe:
        feed(pipe.fd, data)
        pipe.finish(writer_failed=True)


def test_a_listener_that_fails(sink: int, log: str, data: bytes) -> None:
    def cancel(_count: int) -> None:
        raise MariabackupError("cancelled", "nothing")

    with OutputPipe([CAT], sink, log, cancel) as pipe:
        feed(pipe.fd, data)
        with pytest.raises(MariabackupError, match="cancelled"):
            pipe.finish(writer_failed=True)


@pytest.mark.parametrize("filters", [[IGNORES_EOF], [CAT, IGNORES_EOF, CAT], [program("sleep", "1000")]])
def test_abort_ends_what_ignores_the_end_of_its_input(sink: int, log: str, filters: list[Filter]) -> None:
    started = time.monotonic()
    with OutputPipe(filters, sink, log) as pipe:
        feed(pipe.fd, b"little")
        pipe.abort()
        pipe.abort()
    with pytest.raises(ZeroDivisionError), OutputPipe(filters, sink, log):
        raise ZeroDivisionError
    assert time.monotonic() - started < 10


def test_abort_while_everything_is_stuck(log: str, data: bytes) -> None:
    """The sink is a pipe that nobody reads, so all pipes are full and the pump waits."""
    reader, writer = os.pipe()
    with OutputPipe([CAT, CAT], writer, log) as pipe:
        tool = subprocess.Popen(["/bin/cat", "/dev/zero"], stdout=pipe.fd)
        time.sleep(0.3)
        pipe.abort()
    tool.wait()
    os.close(reader)
    os.close(writer)


def test_what_a_failed_filter_leaves_running_is_ended(sink: int, log: str) -> None:
    with OutputPipe([sh("cat; exit 4"), IGNORES_EOF], sink, log) as pipe:
        feed(pipe.fd, b"little")
        with pytest.raises(MariabackupError, match="return code 4"):
            pipe.finish()


def test_a_grandchild_that_holds_the_pipe(sink: int, log: str) -> None:
    started = time.monotonic()
    with OutputPipe([sh("sleep 20 & echo $! >&2; cat >/dev/null; exit 6")], sink, log) as pipe:
        feed(pipe.fd, b"little")
        with pytest.raises(MariabackupError, match="code 6"):
            pipe.finish()
    assert time.monotonic() - started < 10
    os.kill(int(Path(log).read_text()), signal.SIGKILL)


def test_a_signal_ends_the_waiting(sink: int, log: str) -> None:
    def stop(_number: int, _frame: object) -> None:
        raise MariabackupError("asked to stop", "nothing")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with OutputPipe([IGNORES_EOF], sink, log) as pipe:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            with pytest.raises(MariabackupError, match="asked to stop"):
                pipe.finish()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_surroundings(sink: int, log: str) -> None:
    script = "umask; nice; cat /proc/self/oom_score_adj; ps -o pgid= -p $$; cat /proc/$$/stat | cut -d' ' -f6; cat"
    with OutputPipe([sh(script)], sink, log) as pipe:
        pipe.finish()
    umask, nice, score, group, session = stored(sink).decode().split()
    assert (umask, nice, score) == ("0077", str(max(os.nice(0), 10)), "500")
    assert (int(group), int(session)) == (os.getpgid(0), os.getsid(0))


def test_descriptors_are_passed_and_no_others(sink: int, log: str) -> None:
    fd = os.memfd_create("x")
    os.write(fd, b"inside")
    listing = Filter("ls", ("/bin/sh", "-c", f"cat /proc/self/fd/{fd}; echo; ls /proc/$$/fd; cat"), (fd,))
    with OutputPipe([listing, CAT], sink, log) as pipe:
        pipe.finish()
    os.close(fd)
    assert sorted(stored(sink).decode().split()) == sorted(["inside", "0", "1", "2", str(fd)])


def test_arguments_arrive_as_they_are(sink: int, log: str) -> None:
    odd = os.fsdecode(b"a \xff \xc3\xa4 '\"")
    with OutputPipe([Filter("x", ("/bin/sh", "-c", 'printf %s "$1"; cat', "x", odd))], sink, log) as pipe:
        pipe.finish()
    assert stored(sink) == os.fsencode(odd)


PARENT = """
import sys, time, os
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.pipe import OutputPipe
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter
with OutputPipe([Filter("sh", ("/bin/sh", "-c", "echo $$ >&2; exec sleep 60"))], os.open("/dev/null", 1), sys.argv[1]):
    time.sleep(60)
"""


def test_filters_die_with_their_parent(log: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, log])
    for _attempt in range(200):
        time.sleep(0.05)
        if os.path.exists(log) and Path(log).read_text().strip():
            break
    child = int(Path(log).read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _attempt in range(100):
        status = Path(f"/proc/{child}/stat")
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the filter outlived its parent")


# ---- reading


def test_a_program_as_source(tmp_path: Path, log: str, data: bytes, source: int) -> None:
    pieces: list[int] = []
    size = os.fstat(source).st_size
    with InputPipe(
        program("cat", str(tmp_path / "source")), [GUNZIP], log, expected_bytes=size, on_bytes=pieces.append
    ) as pipe:
        assert drain(pipe.fd) == data
        assert pipe.finish().stored_bytes == size == sum(pieces)


@pytest.mark.parametrize("size", [0, 1, 70_000, 6 * MIB])
def test_reading_without_filters(tmp_path: Path, log: str, data: bytes, size: int) -> None:
    fd = file_of(tmp_path, data[:size])
    digest = hashlib.sha256(data[:size]).hexdigest()
    with InputPipe(fd, [], log, expected_bytes=size, expected_sha256=digest.upper()) as pipe:
        assert drain(pipe.fd) == data[:size]
        pipe.finish()
    os.close(fd)


def test_a_limiter_slows_it_down(log: str, source: int) -> None:
    class Limiter:
        taken = 0

        def take(self, count: int) -> None:
            self.taken += count

    limiter = Limiter()
    with InputPipe(source, [GUNZIP], log, limiter=limiter) as pipe:
        drain(pipe.fd)
        assert pipe.finish().stored_bytes == limiter.taken


@pytest.mark.parametrize("cut", [1, 1000, 2 * MIB])
def test_a_source_that_was_cut_short(log: str, tmp_path: Path, data: bytes, cut: int) -> None:
    whole = gzip.compress(data, 1)
    fd = file_of(tmp_path, whole[:-cut])
    with InputPipe(fd, [GUNZIP], log, expected_bytes=len(whole)) as pipe:
        drain(pipe.fd)
        with pytest.raises(MariabackupError, match=f"ends after {len(whole) - cut} of {len(whole)} bytes") as caught:
            pipe.finish()
    assert caught.value.action == "Use another backup, and check the storage that holds this one."
    os.lseek(fd, 0, os.SEEK_SET)
    with InputPipe(fd, [GUNZIP], log) as pipe:
        drain(pipe.fd)
        with pytest.raises(MariabackupError, match="gzip failed with return code 1: gzip: stdin: unexpected end"):
            pipe.finish()
    os.close(fd)


def test_a_source_that_is_too_long(log: str, tmp_path: Path, data: bytes) -> None:
    fd = file_of(tmp_path, data)
    for filters in ([], [CAT]):
        os.lseek(fd, 0, os.SEEK_SET)
        with InputPipe(fd, filters, log, expected_bytes=len(data) - 1) as pipe:
            drain(pipe.fd)
            with pytest.raises(MariabackupError, match=f"longer than the {len(data) - 1} bytes"):
                pipe.finish()
    os.close(fd)


def test_a_flipped_byte(log: str, tmp_path: Path, data: bytes) -> None:
    changed = bytearray(data)
    changed[2 * MIB] ^= 1
    fd = file_of(tmp_path, bytes(changed))
    with InputPipe(fd, [CAT], log, expected_sha256=hashlib.sha256(data).hexdigest()) as pipe:
        drain(pipe.fd)
        with pytest.raises(MariabackupError, match=r"/source has been altered: its SHA-256 is [0-9a-f]{64}, not"):
            pipe.finish()
    os.close(fd)


def test_a_flipped_byte_is_the_cause_when_the_filter_fails_of_it(log: str, tmp_path: Path, data: bytes) -> None:
    whole = gzip.compress(data, 1)
    changed = bytearray(whole)
    changed[-5] ^= 1
    fd = file_of(tmp_path, bytes(changed))
    digest = hashlib.sha256(whole).hexdigest()
    for reader_failed in (False, True):
        os.lseek(fd, 0, os.SEEK_SET)
        with InputPipe(fd, [GUNZIP], log, expected_sha256=digest) as pipe:
            drain(pipe.fd)
            with pytest.raises(MariabackupError, match="has been altered"):
                pipe.finish(reader_failed)
    os.close(fd)


def test_garbage_is_the_filter_s_to_tell(log: str, tmp_path: Path, data: bytes) -> None:
    fd = file_of(tmp_path, data)
    with InputPipe(fd, [GUNZIP, CAT], log) as pipe:
        assert drain(pipe.fd) == b""
        with pytest.raises(MariabackupError, match=r"gzip failed .* not in gzip format") as caught:
            pipe.finish(reader_failed=True)
    assert caught.value.action == "Use another backup, and check the storage that holds this one."
    os.close(fd)


def test_a_source_that_cannot_be_read(log: str, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with InputPipe(fd, [CAT], log) as pipe:
        assert drain(pipe.fd) == b""
        with pytest.raises(MariabackupError, match=f"Could not read {tmp_path} after 0 bytes: Is a directory"):
            pipe.finish()
    os.close(fd)


def test_a_download_that_fails(log: str, data: bytes) -> None:
    script = "head -c 100000 /dev/zero; echo 'rclone: network is unreachable' >&2; exit 1"
    with InputPipe(sh(script, "rclone"), [GUNZIP], log, expected_bytes=MIB) as pipe:
        drain(pipe.fd)
        with pytest.raises(MariabackupError, match="rclone failed with return code 1: rclone: network is unreachable"):
            pipe.finish()


def test_the_reader_failed_and_the_filters_are_not_blamed(log: str, source: int) -> None:
    with InputPipe(source, [CAT, GUNZIP, CAT], log) as pipe:
        subprocess.run(["head", "-c", "10"], stdin=pipe.fd, stdout=subprocess.DEVNULL, check=True)
        passed = pipe.finish(reader_failed=True)
    assert passed.stored_bytes > 0


@pytest.mark.parametrize("size", [100, 3 * MIB, 6 * MIB])
@pytest.mark.parametrize("filters", [[], [CAT], [CAT, CAT]])
def test_the_reader_stops_early_without_complaint(
    log: str, tmp_path: Path, data: bytes, filters: list[Filter], size: int
) -> None:
    fd = file_of(tmp_path, data[:size])
    with InputPipe(fd, filters, log) as pipe:
        assert os.read(pipe.fd, 10) == data[:10]
        time.sleep(0.2)
        with pytest.raises(MariabackupError, match="The program that was given the stream stopped before the end"):
            pipe.finish()
    os.close(fd)


def test_the_reader_stops_early_while_the_source_is_slow(log: str) -> None:
    with InputPipe(sh("echo begin; exec sleep 1000"), [CAT], log) as pipe:
        assert os.read(pipe.fd, 10) == b"begin\n"
        with pytest.raises(MariabackupError, match="The program that was given the stream stopped before the end"):
            pipe.finish()


def test_a_filter_stops_reading_early(log: str, tmp_path: Path, data: bytes) -> None:
    head = program("head", "-c", "1000")
    fd = file_of(tmp_path, data)
    for filters in ([head], [CAT, head], [head, CAT], [CAT, CAT, head, CAT]):
        os.lseek(fd, 0, os.SEEK_SET)
        with InputPipe(fd, filters, log) as pipe:
            assert drain(pipe.fd) == data[:1000]
            with pytest.raises(MariabackupError, match="head stopped before the end of the stream"):
                pipe.finish()
    os.close(fd)


def test_a_filter_that_does_not_end(log: str, source: int) -> None:
    with InputPipe(source, [GUNZIP, sh("cat; exec >&-; exec sleep 1000", "sleepy")], log) as pipe:
        drain(pipe.fd)
        with pytest.raises(MariabackupError, match="sleepy did not end after the stream"):
            pipe.finish()


def test_leaving_the_reader_s_pipe_in_the_middle(log: str, source: int, tmp_path: Path) -> None:
    with InputPipe(source, [GUNZIP, IGNORES_EOF], log):
        pass
    with InputPipe(sh("sleep 1000"), [CAT], log) as pipe:
        pipe.abort()
    os.mkfifo(tmp_path / "fifo")
    silent = os.open(tmp_path / "fifo", os.O_RDWR)
    with InputPipe(silent, [CAT], log):
        time.sleep(0.1)
    assert os.get_blocking(silent)
    os.close(silent)


def test_age_is_explained(log: str, tmp_path: Path, data: bytes) -> None:
    script = "echo 'age: error: no identity matched any of the recipients' >&2; echo 'age: report it' >&2; exit 1"
    fd = file_of(tmp_path, data)
    with InputPipe(fd, [sh(script, "age"), GUNZIP], log) as pipe:
        assert drain(pipe.fd) == b""
        with pytest.raises(MariabackupError, match="identity file does not fit this backup") as caught:
            pipe.finish(reader_failed=True)
    assert caught.value.rc == 1
    os.close(fd)


def test_only_this_pipe_s_lines_are_shown(log: str, sink: int) -> None:
    Path(log).write_text("sh: of another run\n")
    with OutputPipe([sh("exit 2")], sink, log) as pipe:
        feed(pipe.fd, b"x")
        with pytest.raises(MariabackupError, match="said nothing") as caught:
            pipe.finish()
    assert caught.value.log_tail == []
    assert Path(log).read_text() == "sh: of another run\n"


def test_a_process_that_cannot_be_started(sink: int, log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/none/python")
    with pytest.raises(MariabackupError, match="cat could not be started: No such file"):
        OutputPipe([CAT], sink, log).__enter__()
