import dataclasses
import json

import pytest

from gan_jax import command
from gan_jax.config import (
    MLP,
    Config,
    Ema,
    Optimizer,
    Schedule,
    as_dict,
    describe,
    differences,
    from_dict,
    nearest,
    pick,
    validate,
    walk,
)
from gan_jax.errors import UsageError
from support import ROOT, tiny_config


def changed(path, value):
    config = tiny_config()
    *groups, name = path.split(".")
    node = config
    for group in groups:
        node = getattr(node, group)
    setattr(node, name, value)
    return config


def test_defaults_are_valid():
    validate(Config())
    validate(tiny_config())


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("d_steps", 0, "config.d_steps=0: takes numbers of at least 1"),
        ("seed", 2**32, "takes numbers below 4294967296"),
        ("batch_size", 2.5, "config.batch_size=2.5: takes a whole number"),
        ("batch_size", True, "config.batch_size=True: takes a whole number"),
        ("loss", 3, "config.loss=3: takes a string"),
        ("precision", "float16", "takes float32 | bfloat16"),
        ("latent.distribution", "unifrom", "did you mean uniform?"),
        ("generator.optimizer.b1", 1.0, "config.generator.optimizer.b1=1.0: takes numbers below 1"),
        ("generator.optimizer.learning_rate", float("nan"), "takes finite numbers"),
        ("ema.half_life", float("inf"), "takes finite numbers"),
        ("dataset.channels", 2, "config.dataset.channels=2: takes 0 | 1 | 3"),
        ("batch_size", 10**20, "takes numbers below"),
        ("dataset", "digits", "config.dataset='digits': takes a group of settings"),
        ("ema", Ema(decay=0.9, half_life=10.0), "set one of the two"),
    ],
)
def test_what_is_refused_is_named_with_what_is_taken(path, value, said):
    with pytest.raises(UsageError) as refusal:
        validate(changed(path, value))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_players_that_share_an_object_are_refused():
    """Setting the learning rate of one would set that of the other."""
    optimizer = Optimizer()
    shared = tiny_config(generator=MLP(optimizer=optimizer), discriminator=MLP(optimizer=optimizer))
    with pytest.raises(UsageError, match="share an object"):
        validate(shared)


def test_a_setting_that_does_not_exist_cannot_be_set():
    config = tiny_config()
    with pytest.raises(AttributeError):
        config.batchsize = 9
    with pytest.raises(AttributeError):
        config.generator.learning_rate = 3.0


def test_each_number_of_a_tuple_is_checked():
    config = tiny_config(generator=MLP())
    for config.generator.hidden in ((1.5,), (0,), [3], 3):
        with pytest.raises(UsageError, match=r"config\.generator\.hidden="):
            validate(config)


def test_an_integer_serves_as_a_number():
    validate(changed("generator.optimizer.learning_rate", 1))


def test_every_setting_says_what_it_means():
    for path, field, _ in walk(Config()):
        assert field.metadata["meaning"], path
        assert f"--{path}=" in describe(Config())


def test_half_life_is_the_time_in_images_to_halve_a_weight():
    decay = Ema(half_life=1000.0).per_step(images=10)
    assert decay**100 == pytest.approx(0.5)
    assert Ema(decay=0.25).per_step(10) == 0.25
    assert Ema().per_step(10) == 0.0


def test_differences_leave_resumable_settings_aside():
    saved = as_dict(tiny_config())
    assert differences(tiny_config(), saved) == []
    assert differences(changed("steps", 99), saved) == []
    assert differences(changed("dataset.data_dir", "/elsewhere"), saved) == []
    assert differences(changed("seed", 7), saved) == ["config.seed: saved 0, now 7"]
    assert differences(changed("generator.width", 8), saved) == [
        "config.generator.width: saved 4, now 8"
    ]


def test_a_run_whose_schedule_is_as_long_as_it_has_a_fixed_length():
    for schedule, fixed in (
        (Schedule(name="linear"), True),
        (Schedule(name="linear", steps=50), False),
        (Schedule(), False),
    ):
        saved = as_dict(tiny_config(schedule=schedule))
        now = differences(tiny_config(schedule=schedule, steps=99), saved)
        assert now == (["config.steps: saved 6, now 99"] if fixed else [])


def test_differences_see_settings_that_came_or_went():
    saved = as_dict(tiny_config())
    del saved["latent"]["dim"]
    saved["temperature"] = 1.0
    assert differences(tiny_config(), saved) == [
        "config.latent.dim: saved nothing, now 8",
        "config.temperature: saved 1.0, now nothing",
    ]


def test_tuples_survive_the_way_through_json():
    config = tiny_config(generator=MLP(hidden=(3, 4)))
    assert as_dict(config)["generator"]["hidden"] == [3, 4]
    assert differences(config, as_dict(config)) == []


def test_pick_names_the_nearest():
    assert pick({"hinge": 1}, "hinge", "config.loss") == 1
    with pytest.raises(UsageError, match=r"config.loss='hinje': takes hinge.*did you mean hinge\?"):
        pick({"hinge": 1}, "hinje", "config.loss")
    assert nearest("zzz", ["hinge"]) == ""


def test_sections_are_not_shared_between_configs():
    first, second = Config(), Config()
    first.generator.optimizer.learning_rate = 5.0
    assert second.generator.optimizer.learning_rate != 5.0
    assert dataclasses.is_dataclass(first.generator)


def test_a_config_is_what_it_was_after_json():
    for path in sorted((ROOT / "experiments").glob("[!_]*.py")):
        config = command.load(str(path))
        assert from_dict(json.loads(json.dumps(as_dict(config)))) == config, path


def test_settings_that_were_not_saved_have_their_defaults():
    saved = as_dict(tiny_config())
    del saved["eval"], saved["latent"]["truncation"]
    assert from_dict(saved) == tiny_config()


def test_what_is_no_setting_is_named():
    saved = as_dict(tiny_config())
    with pytest.raises(UsageError, match=r"config.latent.size: no such setting"):
        from_dict(saved | {"latent": {"size": 3}})
    with pytest.raises(UsageError, match=r"config.generator.name='mine': .*--config=FILE"):
        from_dict(saved | {"generator": {"name": "mine"}})
