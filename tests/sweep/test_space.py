"""What a sweep may vary, which values that are, and what is refused before anything runs."""

import contextlib
import itertools
import math
from dataclasses import fields as fields_of

import pytest

from gan_jax.config import MLP, Config, Eval, validate, walk
from gan_jax.errors import UsageError
from gan_jax.sweep.space import (
    Choice,
    Halving,
    Integer,
    LogUniform,
    Sweep,
    Uniform,
    assign,
    changed,
    check,
    judged,
    read,
)
from support import tiny_config, tiny_mlp_config

LR = "generator.optimizer.learning_rate"
BOTH_B1 = ("generator.optimizer.b1", "discriminator.optimizer.b1")
SPACE = {
    LR: LogUniform(1e-5, 1e-2),
    "b1": Uniform(0.0, 0.9, fields=BOTH_B1),
    "d_steps": Integer(1, 5),
    "loss": Choice(("non_saturating", "hinge")),
}
DIMENSIONS = (
    Uniform(-1.0, 3.0),
    Uniform(0.3, 0.9, points=7),
    LogUniform(1e-5, 1e-2),
    LogUniform(0.3, 0.7, points=5),
    Integer(-3, 5),
    Choice((1, "two", (3, 4))),
)
PLACES = [i / 1000 for i in range(1000)]
LAST = math.nextafter(1.0, 0.0)


def unchecked(dimension, **values):
    """With values that the tests' own type checks would not let through."""
    for name, value in values.items():
        object.__setattr__(dimension, name, value)
    return dimension


def refusal(sweep, config=None):
    with pytest.raises(UsageError) as refused:
        check(sweep, config or tiny_config(eval_every=2))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_sweep_of_every_kind_of_dimension_is_accepted():
    for sampler in ("random", "quasi_random", "tpe"):
        check(Sweep(space=SPACE, sampler=sampler), tiny_config())
    levels = SPACE | {
        LR: LogUniform(1e-5, 1e-2, points=3),
        "b1": Uniform(0.0, 0.5, 2, fields=BOTH_B1),
    }
    check(Sweep(space=levels, sampler="grid"), tiny_config())
    check(Sweep(space={"generator.hidden": Choice(((8,), (8, 8)))}), tiny_mlp_config())
    check(Sweep(space=SPACE, metric="my_score", direction="maximize"), tiny_config())
    check(Sweep(space=SPACE, pruning=Halving(4, 2)), tiny_config(eval_every=2))


@pytest.mark.parametrize(
    ("name", "dimension", "said"),
    [
        ("generator.optimizer.lr", Uniform(0.0, 1.0), "is no setting; did you mean generator."),
        ("b1", Uniform(0.0, 0.9, fields=(*BOTH_B1, "b1")), "b1 is no setting"),
        ("lost", Choice(("hinge",)), "lost is no setting; did you mean loss?"),
        ("generator.optimizer", Choice(("adam",)), "is a group of settings; name one of it"),
        ("generator", Choice(("mlp",)), "generator is a group of settings; name one of it"),
        ("seed", Integer(0, 9), "seed cannot be swept; a seed repeats a trial (Sweep.seeds)"),
        ("steps", Integer(10, 20), "steps cannot be swept; all trials have one budget"),
        ("eval", Choice((1,)), "eval cannot be swept"),
        ("eval.num_samples", Integer(10, 20), "eval.num_samples cannot be swept; scores of diff"),
        ("eval_every", Integer(1, 2), "eval_every cannot be swept"),
        ("dataset.name", Choice(("digits",)), "dataset.name cannot be swept; scores against diff"),
        ("dataset.split", Choice(("train",)), "dataset.split cannot be swept"),
        ("dataset.data_dir", Choice(("",)), "dataset.data_dir cannot be swept"),
        ("dataset.image_size", Integer(8, 16), "dataset.image_size cannot be swept"),
        ("dataset.channels", Choice((1, 3)), "dataset.channels cannot be swept"),
        ("rate", Uniform(0.0, 1.0, fields=("seed",)), "seed cannot be swept"),
        ("twice", Uniform(0.0, 0.5, fields=(LR, LR)), f"{LR} is set by 'twice' already"),
        ("batch_size", Uniform(16.0, 64.0), "config.batch_size=16.0: takes a whole number"),
        (LR, Choice(("low", "high")), f"config.{LR}='low': takes a number"),
        ("loss", Integer(0, 1), "config.loss=0: takes a string"),
        ("ema.decay", Choice((0.9, None)), "config.ema.decay=None: takes a number"),
        ("latent.distribution", Choice(("normal", "unifrom")), "did you mean uniform?"),
        ("generator.optimizer.b1", Uniform(-0.1, 0.5), "b1=-0.1: takes numbers of at least 0"),
        ("generator.optimizer.b1", LogUniform(0.1, 2.0), "b1=2.0: takes numbers below 1"),
        ("d_steps", Integer(0, 4), "config.d_steps=0: takes numbers of at least 1"),
        ("d_steps", Choice((1, 1001)), "config.d_steps=1001: takes numbers below 1001"),
        (LR, Uniform(0.2, 0.2), "low=0.2 is not below high=0.2"),
        (LR, LogUniform(1e-2, 1e-5), "low=0.01 is not below high=1e-05"),
        (LR, LogUniform(0.0, 0.1), "low=0.0; a logarithmic range begins above 0"),
        (LR, LogUniform(-1.0, 0.1), "low=-1.0; a logarithmic range begins above 0"),
        (LR, Uniform(0.0, math.inf), "inf is no finite number"),
        (LR, Uniform(math.nan, 1.0), "nan is no finite number"),
        (LR, Uniform(0.0, 1.0, points=-1), "points=-1; takes 0 or more"),
        ("d_steps", Integer(4, 4), "low=4 is not below high=4"),
        ("loss", Choice(()), "values=(); takes a tuple of at least one value"),
        ("loss", Choice(("hinge", "minimax", "hinge")), "has one twice"),
        (LR, Choice((1, 0.5, 1.0)), "has one twice"),
    ],
)  # fmt: skip
def test_a_dimension_that_cannot_be_swept_is_refused_by_name(name, dimension, said):
    words = refusal(Sweep(space={"d_updates": Choice(("separate",)), name: dimension}))
    assert words.startswith(f"Sweep.space[{name!r}]: ")
    assert said in words


@pytest.mark.parametrize(
    ("dimension", "values", "said"),
    [
        (Uniform(0.0, 1.0), {"low": "0", "high": "1"}, "'0' is no finite number"),
        (Uniform(0.0, 1.0), {"high": True}, "True is no finite number"),
        (Integer(1, 2), {"low": 1.0}, "low=1.0, high=2 are not whole numbers"),
        (Choice((1, 2)), {"values": [1, 2]}, "values=[1, 2]; takes a tuple"),
        (Integer(1, 2), {"fields": "batch_size"}, "fields='batch_size'; takes a tuple of settings"),
        (Uniform(16.0, 64.0), {"low": 16, "high": 64}, "config.batch_size=16.0: takes a whole"),
        (LogUniform(16.0, 64.0), {"low": 16, "high": 64}, "config.batch_size=16.0: takes a whole"),
    ],
)
def test_values_of_another_type_are_refused(dimension, values, said):
    dimension = unchecked(dimension, **values)
    words = refusal(Sweep(space={"batch_size": dimension}))
    assert words.startswith("Sweep.space['batch_size']: ")
    assert said in words


def test_what_is_no_dimension_is_refused():
    sweep = unchecked(Sweep(space={}), space={"d_steps": (1, 2)})
    assert refusal(sweep) == (
        "Sweep.space['d_steps']: takes Uniform, LogUniform, Integer or Choice"
    )


def test_whole_numbers_serve_as_ends_of_a_range():
    dimension = unchecked(Uniform(0.0, 1.0), low=0, high=1)
    check(Sweep(space={LR: dimension}), tiny_config())
    assert [type(dimension.at(u)) for u in (0.0, 0.5, LAST)] == [float] * 3


def test_a_setting_of_two_dimensions_is_refused():
    space = {"b1": Uniform(0.0, 0.9, fields=BOTH_B1), BOTH_B1[1]: Uniform(0.0, 0.5)}
    assert refusal(Sweep(space=space)) == (
        f"Sweep.space['{BOTH_B1[1]}']: {BOTH_B1[1]} is set by 'b1' already"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"space": {}}, "Sweep.space: empty"),
        ({"sampler": "grid"}, f"Sweep.space['{LR}']: a grid needs points=N"),
        ({"sampler": "tpee"}, "Sweep.sampler='tpee': takes random | quasi_random | grid | tpe; "
                              "did you mean tpe?"),
        ({"direction": "minimise"}, "Sweep.direction='minimise': takes '' | minimize | maximize; "
                                    "did you mean minimize?"),
        ({"metric": "fidd"}, "Sweep.metric='fidd': not one of fid | kid | "),
        ({"metric": "fidd"}, "did you mean fid?; another one of eval.jsonl needs a direction"),
        ({"trials": 0}, "Sweep.trials=0: takes whole numbers of at least 1"),
        ({"trials": True}, "Sweep.trials=True: takes whole numbers"),
        ({"seeds": 0}, "Sweep.seeds=0: takes whole numbers of at least 1"),
        ({"narrow": -1}, "Sweep.narrow=-1: takes whole numbers of at least 0"),
        ({"repeat": -1}, "Sweep.repeat=-1: takes whole numbers of at least 0"),
        ({"pruning": Halving(3)}, "Sweep.pruning: first=3, but config.eval_every=2 does not"),
        ({"pruning": Halving(0)}, "Sweep.pruning=Halving(first=0, factor=3): takes whole numbers"),
        ({"pruning": Halving(2, 1)}, "factor of at least 2"),
    ],
)  # fmt: skip
def test_a_search_that_there_is_not_is_refused_by_name(settings, said):
    assert said in refusal(Sweep(**({"space": SPACE} | settings)))


def test_pruning_without_evaluations_is_refused():
    words = refusal(Sweep(space=SPACE, pruning=Halving(2)), tiny_config(eval_every=0))
    assert "first=2, but config.eval_every=0 does not divide it" in words


def test_a_config_that_says_nothing_of_it_is_evaluated_where_the_sweep_needs_it():
    config, whole, halved = (
        tiny_config(),
        Sweep(space=SPACE),
        Sweep(space=SPACE, pruning=Halving(2)),
    )
    assert judged(whole, config).eval_every == config.steps
    assert judged(halved, config).eval_every == 2
    check(halved, judged(halved, config))
    assert judged(halved, tiny_config(eval_every=3)) == tiny_config(eval_every=3)
    assert config == tiny_config()


def test_a_check_leaves_the_config_alone():
    config = tiny_config()
    check(Sweep(space=SPACE), config)
    assert config == tiny_config()


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_place_has_a_value_of_the_dimension(dimension):
    for u in (*PLACES, LAST, 1.0):  # a word of 64 bits / 2^64 may round to 1
        assert dimension.holds(dimension.at(u)), u


@pytest.mark.parametrize("dimension", [d for d in DIMENSIONS if isinstance(d, Uniform)])
def test_a_range_reaches_from_end_to_end(dimension):
    assert dimension.at(0.0) == dimension.low
    assert dimension.at(LAST) == pytest.approx(dimension.high)
    values = [dimension.at(u) for u in PLACES]
    assert values == sorted(set(values))


def test_a_uniform_range_is_linear():
    assert [Uniform(-1.0, 3.0).at(u) for u in (0.25, 0.5, 0.75)] == [0.0, 1.0, 2.0]


def test_a_log_uniform_range_is_linear_in_the_logarithm():
    dimension = LogUniform(1e-5, 1e-2)
    for u in (0.0, 1 / 3, 0.5, 2 / 3, LAST):
        assert math.log10(dimension.at(u)) == pytest.approx(-5 + 3 * u)


@pytest.mark.parametrize("dimension", [Integer(-3, 4), Choice((1, "two", (3, 4), 5))])
def test_each_of_some_values_has_the_same_share(dimension):
    places = [i / 64 for i in range(64)]
    values = [dimension.at(u) for u in places]
    levels = dimension.levels()
    assert [values.count(level) for level in levels] == [64 // len(levels)] * len(levels)


def test_levels_are_all_values_or_so_many_points():
    assert Uniform(0.0, 1.0).levels() is None
    assert LogUniform(0.1, 1.0).levels() is None
    assert Uniform(0.0, 1.0, points=5).levels() == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Uniform(0.2, 0.9, points=1).levels() == (0.2,)
    assert LogUniform(1e-4, 1e-1, points=4).levels() == pytest.approx((1e-4, 1e-3, 1e-2, 1e-1))
    assert Integer(-1, 2).levels() == (-1, 0, 1, 2)
    assert Choice(((1,), "b")).levels() == ((1,), "b")


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Uniform(0.0, 1.0), (0.0, 0.5, 1.0, 1), (-1e-9, 1.0 + 1e-9, math.nan, math.inf)),
        (LogUniform(1e-3, 1.0), (1e-3, 1.0), (0.0, 1.1)),
        (Integer(2, 4), (2, 3, 4), (1, 5)),
        (Choice(("a", (1, 2))), ("a", (1, 2)), ("b", (2, 1), 1)),
    ],
)
def test_a_dimension_holds_its_own_values_alone(dimension, inside, outside):
    assert all(dimension.holds(value) for value in inside)
    assert not any(dimension.holds(value) for value in outside)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_part_around_values_holds_them_and_lies_within(dimension):
    places = (0.0, 0.01, 0.3, 0.32, 0.77, LAST)
    for first, second in itertools.combinations_with_replacement(places, 2):
        values = [dimension.at(first), dimension.at(second)]
        part = dimension.around(values)
        assert type(part) is type(dimension)
        assert part.check() == "", "empty, or not in order"
        assert all(part.holds(value) for value in values)
        assert all(dimension.holds(part.at(u)) for u in (*PLACES[::50], LAST))


def test_the_part_around_values_is_theirs_and_a_little_more():
    def ends(dimension, values):
        part = dimension.around(values)
        return [part.low, part.high]

    assert ends(Uniform(0.0, 1.0), [0.4, 0.6]) == pytest.approx([0.38, 0.62])
    assert ends(Uniform(0.0, 1.0), [0.5]) == pytest.approx([0.45, 0.55])
    assert ends(Uniform(0.0, 1.0), [0.0, 0.99]) == [0.0, 1.0]
    wide = LogUniform(1e-6, 1.0)
    assert ends(wide, [1e-4, 1e-2, 1e-3]) == pytest.approx([10**-4.2, 10**-1.8])
    assert ends(wide, [1e-3]) == pytest.approx([10**-3.3, 10**-2.7])
    assert Integer(0, 10).around([4, 6, 5]) == Integer(3, 7)
    assert Integer(0, 10).around([0]) == Integer(0, 1)
    assert Choice(("a", "b", "c")).around(["c", "a", "c"]) == Choice(("a", "c"))


def test_the_part_around_values_keeps_the_fields():
    for dimension in (Uniform(0.0, 1.0, fields=BOTH_B1), LogUniform(0.1, 1.0, fields=BOTH_B1)):
        assert dimension.around([0.2]).fields == BOTH_B1
    assert Integer(1, 9, fields=("d_steps",)).around([2]).fields == ("d_steps",)
    assert Choice(("a", "b"), fields=("loss",)).around(["a"]).fields == ("loss",)


def test_a_narrowed_sweep_is_the_box_around_some_points():
    sweep = Sweep(space=SPACE, trials=7, sampler_seed=3)
    points = [
        {LR: 1e-4, "b1": 0.4, "d_steps": 2, "loss": "hinge"},
        {LR: 1e-3, "b1": 0.6, "d_steps": 2, "loss": "hinge"},
    ]
    narrowed = sweep.narrowed(points)
    assert list(narrowed.space) == list(SPACE)
    b1 = narrowed.space["b1"]
    assert [b1.low, b1.high] == pytest.approx([0.38, 0.62])
    assert b1.fields == BOTH_B1
    assert narrowed.space["d_steps"] == Integer(1, 3)
    assert narrowed.space["loss"] == Choice(("hinge",))
    assert (narrowed.trials, narrowed.sampler_seed) == (7, 3)
    assert sweep.space == SPACE
    check(narrowed, tiny_config())


def test_a_point_is_given_to_all_fields_of_its_dimensions():
    config, before = tiny_config(), tiny_config()
    after = assign(config, SPACE, {LR: 3e-4, "b1": 0.25, "d_steps": 4, "loss": "hinge"})
    assert config == before
    assert dict(changed(config, after)) == {
        f"config.{LR}": 3e-4,
        **{f"config.{field}": 0.25 for field in BOTH_B1},
        "config.d_steps": 4,
        "config.loss": "hinge",
    }
    validate(after)


def test_configs_of_two_points_share_nothing():
    config = tiny_config()
    first, second = (assign(config, SPACE, {"b1": value}) for value in (0.1, 0.2))
    assert first.generator.optimizer.b1 == first.discriminator.optimizer.b1 == 0.1
    assert second.generator.optimizer.b1 == second.discriminator.optimizer.b1 == 0.2


def test_nothing_is_changed_by_no_point():
    assert list(changed(tiny_config(), assign(tiny_config(), SPACE, {}))) == []


def test_the_point_of_a_config_is_read_back():
    point = {LR: 3e-4, "b1": 0.25, "d_steps": 4, "loss": "hinge"}
    assert read(assign(tiny_config(), SPACE, point), SPACE) == point
    hidden = {"generator.hidden": Choice(((8,), (16,)))}
    assert read(tiny_mlp_config(), hidden) == {"generator.hidden": (16,)}


@pytest.mark.parametrize(
    ("field", "value"),
    [(LR, 0.5), (BOTH_B1[0], 0.3), ("d_steps", 9), ("loss", "minimax")],
)
def test_a_config_outside_the_space_has_no_point(field, value):
    inside = assign(tiny_config(), SPACE, {LR: 3e-4, "b1": 0.25, "d_steps": 4, "loss": "hinge"})
    outside = assign(inside, {field: Choice((value,))}, {field: value})
    assert read(outside, SPACE) == {}


def test_a_grid_is_all_combinations():
    space = {LR: LogUniform(0.25, 1.0, points=3), "d_steps": Integer(1, 2), "loss": SPACE["loss"]}
    points = Sweep(space=space, sampler="grid").grid()
    assert [tuple(point.values()) for point in points] == [
        *itertools.product((0.25, 0.5, 1.0), (1, 2), ("non_saturating", "hinge"))
    ]
    assert all(list(point) == list(space) for point in points)


def test_a_point_takes_one_place_for_each_dimension():
    sweep = Sweep(space={LR: Uniform(0.0, 1.0), "d_steps": Integer(1, 4)})
    assert sweep.point(iter([0.5, 0.5])) == {LR: 0.5, "d_steps": 3}
    with pytest.raises(ValueError, match="shorter"):
        sweep.point(iter([0.5]))


def test_the_metric_says_which_way_is_better_unless_the_sweep_does():
    space = {LR: Uniform(0.0, 1.0)}
    for metric, maximize in (("fid", False), ("kid", False), ("reverse_kl", False)):
        assert Sweep(space=space, metric=metric).maximize is maximize
    for metric in ("inception_score", "precision", "recall", "coverage", "modes"):
        assert Sweep(space=space, metric=metric).maximize
    assert Sweep(space=space, metric="fid", direction="maximize").maximize
    assert not Sweep(space=space, metric="modes", direction="minimize").maximize


def test_rungs_are_the_first_times_powers_of_the_factor_below_the_last_step():
    def rungs(steps, **pruning):
        return Sweep(space=SPACE, pruning=Halving(**pruning)).rungs(steps)

    assert rungs(1000, first=100) == [100, 300, 900]
    assert rungs(900, first=100) == [100, 300]
    assert rungs(64, first=4, factor=2) == [4, 8, 16, 32]
    assert rungs(100, first=100) == []
    assert Sweep(space=SPACE).rungs(1000) == []


def test_every_setting_but_those_named_can_be_swept():
    """By its own value, so that no new setting is shut out unseen."""
    config = Config(generator=MLP())

    def is_refused(field, value):
        with contextlib.suppress(UsageError):
            check(Sweep(space={field: Choice((value,))}), config)
            return False
        return True

    fields = ((path.removeprefix("config."), value) for path, _, value in walk(config))
    assert [field for field, value in fields if is_refused(field, value)] == [
        "seed", "steps", "dataset.name", "dataset.split", "dataset.data_dir", "dataset.image_size",
        "dataset.channels", "eval_every", *(f"eval.{field.name}" for field in fields_of(Eval)),
    ]  # fmt: skip
