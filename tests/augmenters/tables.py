"""Tables of mixed columns that the augmenters' tests share."""

import numpy as np
import pandas as pd
import polars as pl


def pandas_frame(n_rows=40, seed=0):
    """A column of every dtype that can be had, with values missing where it can be."""
    rng = np.random.default_rng(seed)
    real = rng.normal(size=n_rows)
    whole = rng.integers(0, 9, size=n_rows)
    city = rng.choice(["Rome", "Oslo", "Lima"], size=n_rows)
    missing = rng.random(n_rows) < 0.2
    return pd.DataFrame(
        {
            "float64": np.where(missing, np.nan, real),
            "float32": real.astype(np.float32),
            "Float32": pd.array(real, dtype="Float32"),
            "Float64": pd.array(np.where(missing, None, real), dtype="Float64"),
            "int16": whole.astype(np.int16),
            "Int64": pd.array(np.where(missing, None, whole), dtype="Int64"),
            "whole": whole.astype(np.float64),
            "bool": whole > 4,
            "boolean": pd.array(np.where(missing, None, whole > 4), dtype="boolean"),
            "category": pd.Categorical(np.where(missing, None, city)),
            "ordered": pd.Categorical(city, categories=["Lima", "Oslo", "Rome"], ordered=True),
            "object": np.where(missing, None, city.astype(object)),
            "str": pd.array(city, dtype="str"),
            "string": pd.array(np.where(missing, None, city), dtype="string"),
        },
        index=np.arange(n_rows)[::-1],
    )


def polars_frame(n_rows=40, seed=0):
    """The same columns, as far as polars knows them."""
    frame = pandas_frame(n_rows, seed)
    columns = {
        name: pl.Series(values.astype(object).where(values.notna(), None).tolist())
        for name, values in frame.items()
    }
    return pl.DataFrame(columns).with_columns(
        pl.col("float32").cast(pl.Float32),
        pl.col("int16").cast(pl.Int16),
        pl.col("category").cast(pl.Categorical),
        pl.col("ordered").cast(pl.Enum(["Lima", "Oslo", "Rome"])),
    )


def dtypes_of(frame) -> list:
    return list(frame.dtypes)


def columns_of(frame) -> dict[str, list]:
    """The values of each column, with None for all that is missing."""
    if isinstance(frame, pd.DataFrame):
        return {
            name: values.astype(object).where(values.notna(), None).tolist()
            for name, values in frame.items()
        }
    return {name: frame[name].cast(pl.String).to_list() for name in frame.columns}
