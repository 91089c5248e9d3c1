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

# Nodes of an object that was written before hold its number only, but for these short ones.
_ALWAYS_WHOLE = ("JsonNode", "TypeNode")

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
            node["content"]["content"]["memory"] = dict(_NONE)  # a TypeError for other states
        name, loader = _name(node), node.pop("__loader__")
        del node["__module__"], node["__class__"]
        node.pop("is_json", None)
        node[_TYPE] = types.setdefault((loader, stable_names.get(name, name)), len(types))
        was_written = node.get("__id__") in numbers
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if was_written and loader not in _ALWAYS_WHOLE:
            for key in node.keys() - {_TYPE, "__id__"}:
                del node[key]
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
    if not isinstance(schema, dict):
        raise LoadError("its objects are not a dict")
    owners: dict[str, Any] = {}
    known: dict[Any, dict] = {}
    for node in _nodes(schema, _TYPE, int):
        # skops takes the first of two nodes with one number, whatever the second one holds.
        number = node.get("__id__")
        if number is not None and len(node) > 2 and known.setdefault(number, node) != node:
            raise LoadError("two of its objects have one number")
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
    """Return the node of a folder in which an estimator would keep pickles, or may hide one."""
    is_estimator = _name(node).startswith("sklearn.")
    if node["__loader__"] != "ObjectNode" or not is_estimator or _is_none(node.get("content")):
        return None
    if node["content"]["__loader__"] != "DictNode":
        return node["content"]
    memory = node["content"]["content"].get("memory")
    return None if _is_none(memory) else memory


def _is_none(node: dict | None) -> bool:
    return node is None or (node["__loader__"] == "JsonNode" and node.get("content") == "null")
