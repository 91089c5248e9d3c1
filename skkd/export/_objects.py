"""Plain Python objects as bytes and back, by skops.

skops names a type by its module, and an object by its address. A saved file has the names of
``_saved_types`` and consecutive numbers instead, so that it outlives a module and its bytes repeat.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from ..exceptions import LoadError
from ._archive import unzipped, zipped
from ._require import require
from ._saved_types import OF_SKKD, is_net, name_of
from ._stand_ins import with_arrays, with_tensors

_SCHEMA = "schema.json"

_NONE = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null"}


def dumped(content) -> bytes:
    """Write objects as bytes; raise an error of any kind if that needs a pickle."""
    parts = _read_zip(require("skops.io", "save").dumps(with_arrays(content)))
    schema = json.loads(parts.pop(_SCHEMA))
    stable_names = {name_of(kind): name for name, kind in reversed(OF_SKKD.items())}
    numbers: dict[Any, int] = {}
    files = {}
    for node in _nodes(schema):
        _rename(node, stable_names)
        if _memory_of(node) is not None:
            node["content"]["content"]["memory"] = _NONE
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if "file" in node:
            was, ending = node["file"], node["file"].rpartition(".")[2]
            node["file"] = f"{numbers.setdefault(was, len(numbers) + 1)}.{ending}"
            # scipy compresses its matrices, and what is compressed can't be bounded.
            files[node["file"]] = zipped(_read_zip(parts[was])) if ending == "npz" else parts[was]
    return zipped({_SCHEMA: json.dumps(schema, separators=(",", ":")).encode(), **files})


def current(data: bytes) -> bytes:
    """Check what :func:`dumped` wrote, and give each type the module it has now.

    Raises
    ------
    LoadError
        If the bytes would unpack to more than their size, or name a folder to keep pickles in.
    """
    parts = unzipped(data)
    schema = json.loads(parts.pop(_SCHEMA))
    modules = {name: name_of(kind) for name, kind in OF_SKKD.items()}
    owners: dict[str, Any] = {}
    for node in _nodes(schema):
        if _memory_of(node) is not None:
            raise LoadError("it sets memory, which would make a later fit read pickles")
        if node["__loader__"] == "ConstructorFromReduceNode" and _name(node).startswith("skkd."):
            raise LoadError(f"it calls {_name(node)}")
        if "file" in node and owners.setdefault(node["file"], node["__id__"]) != node["__id__"]:
            raise LoadError(f"it reads {node['file']} more than once")
        _rename(node, modules)
    for name, part in parts.items():
        if name.endswith(".npz"):
            unzipped(part)
    return zipped({_SCHEMA: json.dumps(schema).encode(), **parts})


def types_in(data: bytes) -> list[str]:
    """Return the names of the types that skops does not trust."""
    return require("skops.io", "save").get_untrusted_types(data=data)


def loaded(data: bytes, trusted: list[str]) -> Any:
    """Make the objects again; nothing is imported but what is trusted."""
    # A net of skorch is never made by skops, because it would read a pickle.
    plain = [name for name in trusted if not is_net(name)]
    return with_tensors(require("skops.io", "save").loads(data, trusted=plain))


def _read_zip(data: bytes) -> dict[str, bytes]:
    """Return the parts of a zip file that skops or scipy wrote."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _nodes(schema) -> Iterator[dict]:
    """Yield the nodes of a schema, parents first."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("__loader__"), str):
                yield value
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)


def _name(node: dict) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def _rename(node: dict, names: dict[str, str]) -> None:
    if new := names.get(_name(node)):
        node["__module__"], _, node["__class__"] = new.rpartition(".")


def _memory_of(node: dict) -> dict | None:
    """Return the node of a folder in which an estimator of scikit-learn would keep pickles."""
    if node["__loader__"] != "ObjectNode" or not _name(node).startswith("sklearn."):
        return None
    attributes = (node.get("content") or {}).get("content") or {}
    memory = attributes.get("memory")
    return None if memory is None or memory.get("content") == "null" else memory
