"""A short run of each campaign; `make fuzz` runs longer ones."""

import pytest

from .campaign import outcome, warm_up

# New seeds in every run would make a failure hard to repeat, so these are fixed.
SHORT = {"calls": range(60), "damage": range(60)}


@pytest.mark.parametrize("mode", SHORT)
def test_a_short_campaign(mode):
    warm_up()
    results = [outcome(mode, seed) for seed in SHORT[mode]]
    wrong = [one for one in results if one["outcome"] not in ("right", "refused")]
    assert not wrong, "\n".join(map(str, wrong))
    n_right = sum(one["outcome"] == "right" for one in results)
    assert n_right > len(results) / 4
