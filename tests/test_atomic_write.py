"""A file is written as a whole or not at all."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from skkd._atomic_write import write


def test_file_has_the_bytes(tmp_path):
    write(tmp_path / "file", b"\0\xff\n")
    write(str(tmp_path / "file"), b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    write(tmp_path / "file", b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        write(tmp_path / "missing" / "file", b"")


def test_writers_do_not_disturb_each_other(tmp_path):
    contents = [bytes([i]) * 100_000 for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: write(tmp_path / "file", data), contents))
    assert (tmp_path / "file").read_bytes() in contents
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_permissions_follow_the_umask_and_the_old_file(tmp_path):
    code = f"""
import os
os.umask(0o027)
from skkd._atomic_write import write
write({str(tmp_path / "new")!r}, b"")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    write(tmp_path / "new", b"secret")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_symbolic_link_keeps_pointing_to_the_file(tmp_path):
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link", b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"data"
