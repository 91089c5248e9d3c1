"""Write a file as a whole or not at all."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file, such that a reader finds the old content or the new one, never a part.

    A failed write leaves no file behind. Two writers at once don't disturb each other.
    """
    path = Path(path).resolve()  # a symbolic link keeps pointing to the file
    # In a folder of its own, because a named temporary file would ignore the user's umask.
    with TemporaryDirectory(dir=path.parent, prefix=".skkd-") as folder:
        unfinished = Path(folder, "unfinished")
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, unfinished)
        os.replace(unfinished, path)
