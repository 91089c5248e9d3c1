import numpy as np
import pytest
from sklearn.datasets import load_digits

from skkd.augmenters import ShiftFlipCrop


def images(n_rows=20, shape=(3, 7, 5), dtype=np.uint8):
    """Images whose pixels tell channel, height and width."""
    one = np.arange(np.prod(shape)).reshape(shape)
    return np.repeat(one[np.newaxis], n_rows, axis=0).astype(dtype)


def sampled(augmenter, X, n_rows=200, seed=0):
    return augmenter.fit(X).sample(n_rows, np.random.default_rng(seed))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5), (2, 1, 4)])
def test_images_keep_shape_and_dtype(shape, dtype):
    X_new = sampled(ShiftFlipCrop(flip=True), images(shape=shape, dtype=dtype))
    assert X_new.shape == (200, *shape)
    assert X_new.dtype == dtype
    assert X_new.flags.c_contiguous


def test_without_shift_and_crop_images_are_copies():
    X = load_digits().images[:50, np.newaxis]
    X_new = sampled(ShiftFlipCrop(shift=0.0, crop=0.0), X)
    assert {image.tobytes() for image in X_new} <= {image.tobytes() for image in X}


def test_flip_turns_half_of_the_images_left_to_right():
    X = images()
    X_new = sampled(ShiftFlipCrop(shift=0.0, crop=0.0, flip=True), X)
    flipped = (X_new == X[0, :, :, ::-1]).all(axis=(1, 2, 3))
    kept = (X_new == X[0]).all(axis=(1, 2, 3))
    assert (flipped | kept).all()
    assert flipped.mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 200))


def test_shift_moves_all_channels_alike_and_repeats_the_edge():
    X = images(shape=(3, 10, 10))
    X_new = sampled(ShiftFlipCrop(shift=0.2, crop=0.0), X)
    y, x = (X_new[:, 0] // 10).astype(int), (X_new[:, 0] % 10).astype(int)
    for places in (y[:, :, 0], x[:, 0, :]):
        moved = places - np.arange(10)
        shift = moved[:, 5]
        assert set(shift) == {-2, -1, 0, 1, 2}
        expected = (np.arange(10) + shift[:, np.newaxis]).clip(0, 9)
        np.testing.assert_array_equal(places, expected)
    for channel in range(3):
        np.testing.assert_array_equal(X_new[:, channel], X_new[:, 0] + 100 * channel)


def test_crop_keeps_the_middle_and_leaves_out_the_border():
    X = images(shape=(1, 9, 9))
    X_new = sampled(ShiftFlipCrop(shift=0.0, crop=0.5), X)
    assert (X_new[:, 0, 4, 4] == X[0, 0, 4, 4]).all()
    top = X_new[:, 0, 0, 4] // 9
    assert set(top) == {0, 1, 2}
    assert (np.diff(X_new[:, 0].astype(int), axis=2) >= 0).all()


def test_images_of_one_pixel_are_no_trouble():
    assert sampled(ShiftFlipCrop(flip=True), images(shape=(1, 1, 1))).shape == (200, 1, 1, 1)
