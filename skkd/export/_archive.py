"""Pack named parts into a zip file, with a manifest of their hashes."""

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
FORMAT_VERSION = 2

_MANIFEST = "manifest.json"


def zipped(parts: dict[str, bytes]) -> bytes:
    """Put parts into an uncompressed zip file: same parts, same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    return file.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    """Return the parts of a zip file of :func:`zipped`, not larger than the file.

    Raises
    ------
    LoadError
        If a part is compressed, occurs twice, or overlaps another one.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise LoadError("it has compressed parts, which save never writes")
        names = {member.filename for member in members}
        if len(names) < len(members) or sum(one.file_size for one in members) > len(data):
            raise LoadError("it has parts that occur twice or overlap")
        return {member.filename: archive.read(member) for member in members}


def written_with() -> dict[str, str]:
    """Return the versions of the packages that a file depends on."""
    from .. import __version__  # late, because skkd imports this module

    versions = {one.__name__: one.__version__ for one in (numpy, sklearn, skorch, torch)}
    return {"skkd": __version__, "python": platform.python_version(), **versions}


def packed(parts: dict[str, bytes]) -> bytes:
    """Put parts and a manifest of their hashes into one file."""
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_with": written_with(),
        "sha256": {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()},
    }
    return zipped({_MANIFEST: json.dumps(manifest, indent=2).encode(), **parts})


def unpacked(path, names: tuple[str, ...]) -> tuple[dict[str, bytes], dict]:
    """Return the parts of a file, and the versions that wrote it.

    Raises
    ------
    LoadError
        If the file is damaged, was changed, or has another format, version or other parts.
    """
    data = Path(path).read_bytes()
    try:
        found = unzipped(data)
        manifest = json.loads(found.pop(_MANIFEST))
        kind, version = manifest["format"], manifest["format_version"]
        hashes, written_with = dict(manifest["sha256"]), dict(manifest["written_with"])
    except Exception as error:  # a damaged file fails in any way
        raise LoadError(
            f"{path} is not a file that skkd.export.save wrote, or is damaged: {error}. Save the "
            "classifier again."
        ) from error
    if kind != FORMAT:
        raise LoadError(f"{path} is a {kind!r} file; expected a {FORMAT!r} file.")
    if version != FORMAT_VERSION:
        raise LoadError(
            f"{path} has version {version!r} of the format, and this skkd reads version "
            f"{FORMAT_VERSION}. Install the skkd that wrote it: {written_with!r}."
        )
    if set(found) != set(names):
        raise LoadError(f"{path} has the parts {sorted(found)}; expected {sorted(names)}.")
    for name, part in found.items():
        if hashlib.sha256(part).hexdigest() != hashes.get(name):
            raise LoadError(
                f"{name} in {path} was changed after it was saved: its SHA-256 differs from the "
                "manifest. Use the original file."
            )
    return found, written_with
