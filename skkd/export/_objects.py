"""Plain Python objects as bytes and back, by skops.

skops names a type by its module, and an object by its address. A saved file has the names of
``_saved_types`` and consecutive numbers instead: it outlives a module, and its bytes repeat.
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

# In place of loader, module and class, a node has the place of its type in a list.
_TYPE = "is"

_NONE = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null"}


def dumped(content) -> bytes:
    """Write objects as bytes; raise an error of any kind if that needs a pickle."""
    parts = _read_zip(require("skops.io", "save").dumps(with_arrays(content)))
    schema = json.loads(parts.pop(_SCHEMA))
    stable_names = {name_of(kind): name for name, kind in reversed(OF_SKKD.items())}
    numbers: dict[Any, int] = {}
    types: dict[tuple[str, str], int] = {}
    files = {}
    for node in _nodes(schema):
        if _memory_of(node) is not None:
            node["content"]["content"]["memory"] = dict(_NONE)
        name = _name(node)
        kind = node.pop("__loader__"), stable_names.get(name, name)
        del node["__module__"], node["__class__"]
        node[_TYPE] = types.setdefault(kind, len(types))
        node.pop("is_json", None)
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if "file" in node:
            was, ending = node["file"], node["file"].rpartition(".")[2]
            node["file"] = f"{numbers.setdefault(was, len(numbers) + 1)}.{ending}"
            # scipy compresses its matrices, and what is compressed can't be bounded.
            files[node["file"]] = zipped(_read_zip(parts[was])) if ending == "npz" else parts[was]
    written = json.dumps({"types": list(types), "schema": schema}, separators=(",", ":"))
    return zipped({_SCHEMA: written.encode(), **files})


def current(data: bytes) -> bytes:
    """Return what :func:`dumped` wrote as skops wrote it, with the modules of today.

    Raises
    ------
    LoadError
        If the bytes would unpack to more than their size, or name a folder to keep pickles in.
    """
    parts = unzipped(data)
    written = json.loads(parts[_SCHEMA])
    modules = {name: name_of(kind) for name, kind in OF_SKKD.items()}
    types = [(loader, modules.get(name, name)) for loader, name in written["types"]]
    schema = written["schema"]
    owners: dict = {}
    for node in _nodes(schema, _TYPE, int):
        node["__loader__"], name = types[node.pop(_TYPE)]
        node["__module__"], _, node["__class__"] = name.rpartition(".")
        if node["__loader__"] == "ConstructorFromReduceNode" and name.startswith("skkd."):
            raise LoadError(f"it calls {name}")
        if "file" in node and owners.setdefault(node["file"], node["__id__"]) != node["__id__"]:
            raise LoadError(f"it reads {node['file']} more than once")
    if any(_memory_of(node) is not None for node in _nodes(schema)):
        raise LoadError("it sets memory, which would make a later fit read pickles")
    for name, part in parts.items():
        if name.endswith(".npz"):
            unzipped(part)
    return zipped(parts | {_SCHEMA: json.dumps(schema).encode()})


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


def _nodes(schema, key: str = "__loader__", kind: type = str) -> Iterator[dict]:
    """Yield nodes of a schema with a value of a kind under a key; parents first."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get(key), kind):
                yield value
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)


def _name(node: dict) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def _memory_of(node: dict) -> dict | None:
    """Return the node of a scikit-learn estimator's folder of pickles, if any."""
    if node["__loader__"] != "ObjectNode" or not _name(node).startswith("sklearn."):
        return None
    attributes = (node.get("content") or {}).get("content") or {}
    memory = attributes.get("memory")
    return None if memory is None or memory.get("content") == "null" else memory
