import pytest

from benchmarks import methods
from benchmarks.methods import expand, parse
from skkd.balancers import BALANCERS, DescentShare, StepState


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("labels", "labels"),
        ("labels@oof", "labels"),
        ("fixed(0.3)", "fixed(0.3)@calibrated"),
        ("descent_share( ratio=0.5 )@oof", "descent_share(ratio=0.5)@oof"),
        ("fixed(0.5)+random_swap(prob=0.2)", "fixed(0.5)@calibrated+random_swap(prob=0.2)"),
        ("random/student__lr=0.001", "random@calibrated/student__lr=0.001"),
        ("default/temperature=2", "default/temperature=2"),
        ("search@insample/temperature=2,cv=3", "search/temperature=2,cv=3"),
        ("default+auto", "default+auto"),
    ],
)
def test_a_method_has_one_name_for_all_its_spellings(spelling, name):
    assert parse(spelling).name == name
    assert parse(name) == parse(spelling)


@pytest.mark.parametrize("spelling", ["nothing", "labels@test", "fixed(0.3", "@oof"])
def test_what_is_not_a_method_is_an_error(spelling):
    with pytest.raises(ValueError, match="ethod"):
        parse(spelling)


def test_results_of_a_rule_that_is_gone_can_be_read_but_not_run():
    method = methods.parts_of("competence@oof")
    assert (method.rule, method.targets) == ("competence", "oof")
    with pytest.raises(ValueError, match="'competence' .* not known"):
        parse("competence@oof")


def test_groups_stand_for_their_rules_with_what_follows_the_name():
    names = [method.name for method in expand(["fixed_weights@oof", "fixed(0.1)@oof", "labels"])]
    assert names == [f"fixed({weight:g})@oof" for weight in methods.WEIGHTS] + ["labels"]


def test_every_dynamic_balancer_is_found_by_its_name():
    rules = {method.rule for method in expand(["dynamic"])}
    assert rules == set(BALANCERS) - {"fixed", "scheduled"}


def test_parameters_reach_the_balancer():
    balancer = methods._balancer(parse("descent_share(0.5, smoothing=0.2)"))
    assert isinstance(balancer, DescentShare)
    assert (balancer.ratio, balancer.smoothing) == (0.5, 0.2)


def test_early_stopped_distillation_keeps_its_weight_until_half_time():
    balancer = methods._balancer(parse("early_stopped")).reset()

    weights = [balancer.weights(StepState(progress=q))[1] for q in (0.0, 0.49, 0.5, 1.0)]
    assert weights == [0.9, 0.9, 0.0, 0.0]


def test_parameters_are_literals_and_no_code():
    with pytest.raises(ValueError, match="malformed"):
        methods._call("(__import__('os').getcwd())")
