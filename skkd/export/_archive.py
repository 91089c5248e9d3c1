"""A zip of named parts with a manifest that says what they must be."""

import hashlib
import io
import json
import platform
import zipfile
from pathlib import Path

import numpy
import sklearn
import skorch
import torch

from ..exceptions import LoadError

FORMAT = "skkd student"
FORMAT_VERSION = 1

_MANIFEST = "manifest.json"


def packed(parts: dict[str, bytes]) -> bytes:
    """Parts by name, and a manifest of their hashes, in one file.

    They are stored as they are: a file can't unpack to more than its own size.
    """
    from .. import __version__  # late, so that skkd can import this module

    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_with": {
            "skkd": __version__,
            "python": platform.python_version(),
            **{one.__name__: one.__version__ for one in (numpy, sklearn, skorch, torch)},
        },
        "sha256": {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()},
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, part in {_MANIFEST: json.dumps(manifest, indent=2).encode(), **parts}.items():
            archive.writestr(zipfile.ZipInfo(name), part)  # without a date: the same bytes again
    return file.getvalue()


def unpacked(path, names: tuple[str, ...]) -> tuple[dict[str, bytes], dict[str, str]]:
    """The parts of a file with these names, and the versions it was written with.

    Raises
    ------
    LoadError
        Unless the file is whole and in a format that is known here.
    """
    data = Path(path).read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise LoadError(f"{path} has compressed parts, which save never writes.")
            found = {member.filename: archive.read(member) for member in members}
        manifest = json.loads(found.pop(_MANIFEST))
        kind, version = manifest["format"], manifest["format_version"]
        hashes, written_with = manifest["sha256"], manifest["written_with"]
    except LoadError:
        raise
    except Exception as error:  # a damaged file fails in any way
        raise LoadError(
            f"{path} is not a file that skkd.export.save wrote, or is damaged: {error}"
        ) from error
    if kind != FORMAT:
        raise LoadError(f"{path} is a {kind!r} file, not a {FORMAT!r} file.")
    if version != FORMAT_VERSION:
        raise LoadError(
            f"{path} is in version {version!r} of the format, and this skkd reads version "
            f"{FORMAT_VERSION}. It was written with {written_with!r}; install that skkd."
        )
    if len(members) != len(names) + 1 or set(found) != set(names):
        raise LoadError(f"{path} has the parts {sorted(found)}; expected are {sorted(names)}.")
    for name, part in found.items():
        if hashlib.sha256(part).hexdigest() != hashes.get(name):
            raise LoadError(
                f"{name} in {path} was changed after it was saved: its SHA-256 is not that of the "
                "manifest. Take the original file."
            )
    return found, written_with
