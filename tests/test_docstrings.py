"""The docstrings of the public API name all parameters, in the order of the signature."""

import inspect
from dataclasses import is_dataclass
from importlib import import_module

import pytest

pytest.importorskip("numpydoc")

from numpydoc.docscrape import NumpyDocString  # noqa: E402
from numpydoc.validate import validate  # noqa: E402

NAMES = ["balancers", "losses", "schedules", "students", "export", "report", "exceptions"]
MODULES = ["skkd", *(f"skkd.{name}" for name in [*NAMES, "augmenters"])]

# No docstring; parameters not documented, unknown, in another order.
CHECKED = {"GL08", "PR01", "PR02", "PR03"}


def public_objects():
    """Yield the names and values of classes, functions, methods and properties."""
    for module in map(import_module, MODULES):
        for name in module.__all__:
            value, full_name = getattr(module, name), f"{module.__name__}.{name}"
            if inspect.isfunction(value):
                yield full_name, value
            elif inspect.isclass(value):
                yield full_name, value
                yield from public_members(value, full_name)


def public_members(kind, full_name):
    for name in vars(kind):
        value = getattr(kind, name)
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            yield f"{full_name}.{name}", value


OBJECTS = dict(public_objects())


def undocumented_fields(kind):
    """Return the public fields that stand neither in Parameters nor in Attributes."""
    doc = NumpyDocString(inspect.getdoc(kind))
    entries = [*doc["Parameters"], *doc["Attributes"]]
    documented = {name for entry in entries for name in entry.name.split(", ")}
    fields = inspect.signature(kind).parameters
    return {name for name in fields if not name.startswith("_")} - documented


@pytest.mark.parametrize("name", OBJECTS)
def test_docstring_matches_the_signature(name):
    value = OBJECTS[name]
    errors = {code: message for code, message in validate(name)["errors"] if code in CHECKED}
    if inspect.isclass(value):
        # A dataclass or NamedTuple documents its fields as attributes.
        if "PR01" in errors and (is_dataclass(value) or issubclass(value, tuple)):
            errors["PR01"] = undocumented_fields(value)
    elif inspect.getdoc(value):
        # An override without a docstring inherits one.
        errors.pop("GL08", None)
    assert not any(errors.values()), errors
