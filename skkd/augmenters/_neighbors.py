"""Near neighbors in a table of mixed columns, in a time linear in the number of rows.

Distances treat columns alike, as Gower's do. Numbers are standardized. Two different categories
are as far apart as two random values of a number are on average, a squared distance of 2.
"""

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from .._input import table_encoder
from ._columns import copy_rows

# Neighbors are searched exactly among so many rows; more are split into groups of this size.
_GROUP = 8192
# Rows that scales, levels and principal components are learned from.
_SAMPLE = 8192
# Levels of a category that count as different; the rarer ones count as one.
_LEVELS = 32
# Dimensions in which distances are taken; wider tables are reduced to their principal components.
_WIDTH = 64
_CHUNK = 4096
# Rows that show whether the columns have distances at all.
_LOOKED_AT = 8


def neighbors_of(X: Any, n_neighbors: int) -> np.ndarray:
    """Find near neighbors of each row, which is not its own neighbor.

    Up to 8,192 rows of up to 64 encoded columns they are the nearest.

    Parameters
    ----------
    X : array or frame of shape (n_rows, n_columns)
    n_neighbors : int
        All other rows are neighbors if there are fewer.

    Returns
    -------
    neighbors : int32 ndarray of shape (n_rows, k), k <= n_neighbors, nearest first
        A single row is its own neighbor.

    Raises
    ------
    ValueError
        If a column holds neither numbers nor categories, but dates, for example.
    """
    if X.shape[0] == 1:
        return np.zeros((1, 1), dtype=np.int32)
    points = points_of(X)
    groups = _groups(points)
    k = min(n_neighbors, min(map(len, groups)) - 1)
    neighbors = np.empty((len(points), k), dtype=np.int32)
    for group in groups:
        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points[group])
        neighbors[group] = group[search.kneighbors(return_distance=False)]
    return neighbors


def have_distances(X: Any) -> bool:
    """Whether all columns are numbers or categories, so that rows have distances."""
    try:
        points_of(copy_rows(X, np.arange(min(X.shape[0], _LOOKED_AT))))
    except (TypeError, ValueError):
        return False
    return True


def points_of(X: Any) -> np.ndarray:
    """Turn rows into points whose Euclidean distances treat columns alike.

    Returns
    -------
    points : float32 ndarray of shape (n_rows, at most 64)
    """
    n_rows = X.shape[0]
    sample = copy_rows(
        X, np.unique(np.linspace(0, n_rows - 1, min(n_rows, _SAMPLE), dtype=np.intp))
    )
    encoder = _encoder(X)
    if any(name == "categorical" for name, *_ in encoder.transformers):
        encoder.set_params(categorical__one_hot__max_categories=_LEVELS)
    encoded = np.asarray(encoder.fit_transform(sample), dtype=np.float64)
    shift, scale = np.zeros(encoded.shape[1]), np.ones(encoded.shape[1])
    for name in {"numeric", "date"} & encoder.output_indices_.keys():
        outputs = encoder.output_indices_[name]
        shift[outputs] = encoded[:, outputs].mean(axis=0)
        spread = encoded[:, outputs].std(axis=0)
        scale[outputs] = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    reduce = None
    if encoded.shape[1] > _WIDTH:
        reduce = PCA(min(_WIDTH, len(encoded)), svd_solver="randomized", random_state=0)
        reduce.fit((encoded - shift) * scale)
    parts = []
    for start in range(0, n_rows, _CHUNK):
        rows = copy_rows(X, np.arange(start, min(start + _CHUNK, n_rows)))
        scaled = (np.asarray(encoder.transform(rows)) - shift) * scale
        parts.append((scaled if reduce is None else reduce.transform(scaled)).astype(np.float32))
    return np.concatenate(parts)


def _encoder(X: Any) -> Any:
    try:
        return table_encoder(X)
    except ValueError as error:
        raise ValueError(
            "NeighborSwap measures distances between numbers, categories and dates, and X has "
            "columns of other kinds. Turn them into numbers, or use RandomSwap."
        ) from error


def _groups(points: np.ndarray) -> list[np.ndarray]:
    """Split row numbers into groups of near rows, at the median until they are small enough."""
    pending, groups = [np.arange(len(points))], []
    while pending:
        group = pending.pop()
        if len(group) <= _GROUP:
            groups.append(group)
            continue
        order = np.argsort(points[group] @ _widest_direction(points[group]), kind="stable")
        middle = len(group) // 2
        pending += [group[order[:middle]], group[order[middle:]]]
    return groups


def _widest_direction(points: np.ndarray) -> np.ndarray:
    """Approximate the first principal component by power iteration on some of the points."""
    some = points[:: -(-len(points) // 1024)]
    some = some - some.mean(axis=0)
    direction = some[np.abs(some).sum(axis=1).argmax()]
    for _ in range(10):
        direction = some.T @ (some @ direction)
        direction /= max(np.linalg.norm(direction), np.finfo(np.float32).tiny)
    return direction
