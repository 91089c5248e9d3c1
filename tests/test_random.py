import threading

import numpy as np
import pytest
import torch

from skkd._random import PrivateTorchState, draw_seeds


def draws(state, n=3):
    """Numbers drawn one call of ``active`` after the other."""
    values = []
    for _ in range(n):
        with state.active():
            values.append(torch.rand(()).item())
    return values


def numpy_state():
    return np.random.get_state()[1].tobytes()


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_draws_depend_on_the_seed_alone(seed):
    torch.manual_seed(1)
    first = draws(PrivateTorchState(seed))
    torch.manual_seed(2)
    assert draws(PrivateTorchState(seed)) == first
    assert len(set(first)) == 3
    assert draws(PrivateTorchState(seed + 1)) != first


def test_draws_do_not_depend_on_what_others_draw_in_between():
    expected = draws(PrivateTorchState(0), n=2)
    state = PrivateTorchState(0)
    first = draws(state, n=1)
    torch.rand(5)
    assert [*first, *draws(state, n=1)] == expected


def test_global_states_are_left_untouched():
    of_torch, of_numpy = torch.get_rng_state(), numpy_state()
    draws(PrivateTorchState(0))
    assert torch.equal(torch.get_rng_state(), of_torch)
    assert numpy_state() == of_numpy


def test_global_state_comes_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="in the middle"), PrivateTorchState(0).active():
        torch.rand(1)
        raise RuntimeError("in the middle")
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_do_not_disturb_each_other():
    expected = [draws(PrivateTorchState(seed), n=3) for seed in (0, 1)]
    before = torch.get_rng_state()
    of_other = []
    other = threading.Thread(target=lambda: of_other.extend(draws(PrivateTorchState(1))))
    with PrivateTorchState(0).active():
        own = [torch.rand(()).item()]
        other.start()
        other.join(timeout=0.1)
        assert other.is_alive()  # it waits
        own += [torch.rand(()).item() for _ in range(2)]
    other.join()
    assert [own, of_other] == expected
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("function", "drawn"), [(torch.rand, True), (torch.zeros, False)])
def test_is_drawn_by_tells_random_functions(function, drawn):
    result, got = PrivateTorchState(0).is_drawn_by(function, 2)
    assert result.shape == (2,)
    assert got is drawn


def test_is_drawn_by_draws_from_the_private_state():
    state = PrivateTorchState(0)
    result, _ = state.is_drawn_by(torch.rand, ())
    assert [result.item(), *draws(state, n=1)] == draws(PrivateTorchState(0), n=2)


def test_fresh_seeds_leave_the_global_state_untouched():
    before = numpy_state()
    assert draw_seeds(None, 3) != draw_seeds(None, 3)
    assert numpy_state() == before


def test_seeds_from_a_number_are_repeatable():
    before = numpy_state()
    assert draw_seeds(7, 3) == draw_seeds(7, 3) == draw_seeds(np.random.RandomState(7), 3)
    assert len(set(draw_seeds(7, 3))) == 3
    assert numpy_state() == before


def test_seeds_from_an_instance_move_on():
    random_state = np.random.RandomState(7)
    assert draw_seeds(random_state, 3) != draw_seeds(random_state, 3)


@pytest.mark.parametrize("random_state", [None, 7])
def test_seeds_are_python_integers_that_torch_takes(random_state):
    for seed in draw_seeds(random_state, 5):
        assert type(seed) is int
        torch.Generator().manual_seed(seed)
