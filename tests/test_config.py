import copy
import dataclasses
import functools
import json

import numpy as np
import pytest

from gan_jax import command
from gan_jax.config import (
    DCGAN,
    MLP,
    R3GAN,
    Config,
    CS231n,
    Dataset,
    Ema,
    MLPDiscriminator,
    Optimizer,
    ResNetDiscriminator,
    ResNetGenerator,
    Schedule,
    as_dict,
    as_saved,
    describe,
    differences,
    from_dict,
    nearest,
    pick,
    validate,
    walk,
)
from gan_jax.errors import UsageError
from gan_jax.sweep import space
from gan_jax.sweep.space import Integer, LogUniform, Sweep, Uniform
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


def test_a_setting_that_was_not_saved_counts_as_its_default_and_one_that_went_is_told():
    saved = as_dict(tiny_config())
    del saved["latent"]["dim"], saved["packing"], saved["ema"]
    saved["temperature"] = 1.0
    assert differences(tiny_config(), saved) == [
        "config.ema.decay: saved 0.0, now 0.9",
        "config.latent.dim: saved 100, now 8",
        "config.temperature: saved 1.0, now nothing",
    ]


def test_where_a_folder_lies_is_no_difference():
    """What it holds is, and is compared by its content."""
    saved = as_dict(tiny_config(dataset=Dataset(name="folder:/scratch/1/cats")))
    moved = tiny_config(dataset=Dataset(name="folder:/home/me/cats"))
    assert differences(moved, saved) == []
    (other,) = differences(tiny_config(), saved)
    assert other == "config.dataset.name: saved 'folder:/scratch/1/cats', now 'digits'"
    moved.dataset.image_size = 64
    assert differences(moved, saved) == ["config.dataset.image_size: saved 0, now 64"]


@pytest.mark.parametrize("saved", [{"latent": 3}, {"latent": None}, {"seed": {"a": 1}}])
def test_a_group_that_is_none_differs(saved):
    assert differences(tiny_config(), as_dict(tiny_config()) | saved)


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
        for write in (as_dict, as_saved):
            assert from_dict(json.loads(json.dumps(write(config)))) == config, path


def test_settings_that_were_not_saved_have_their_defaults():
    saved = as_dict(tiny_config())
    del saved["eval"], saved["latent"]["truncation"]
    assert from_dict(saved) == tiny_config()


NETWORKS = {
    "generator": (MLP, DCGAN, CS231n, ResNetGenerator, R3GAN),
    "discriminator": (MLP, MLPDiscriminator, DCGAN, CS231n, ResNetDiscriminator, R3GAN),
}


@pytest.mark.parametrize(
    ("side", "family"), [(side, family) for side, all_ in NETWORKS.items() for family in all_]
)
def test_a_file_from_before_a_setting_of_a_network_existed_opens(side, family):
    """Whichever setting that is, the network is the one that the run had."""
    config = tiny_config(**{side: family(optimizer=Optimizer(b1=0.25))})
    for field in dataclasses.fields(family):
        saved = as_dict(config)
        if field.name != "name":
            del saved[side][field.name]
        now = from_dict(saved)
        assert differences(now, saved) == []
        network = dataclasses.asdict(getattr(now, side))
        if field.name == "optimizer":
            network["optimizer"]["b1"] = 0.25
        minibatch_std = {"minibatch_std": 0} if field.name == "minibatch_std" else {}
        assert network | minibatch_std == dataclasses.asdict(getattr(config, side))


@pytest.mark.parametrize(
    ("side", "name", "family"),
    [
        ("generator", "resnet", ResNetGenerator),
        ("discriminator", "resnet", ResNetDiscriminator),
        ("generator", "mlp", MLP),
    ],
)
def test_a_network_is_told_by_its_name_and_its_side(side, name, family):
    assert getattr(from_dict({side: {"name": name}}), side) == family()


def test_a_newer_schema_asks_for_a_newer_gan_jax():
    saved = as_saved(tiny_config())
    assert from_dict(saved) == tiny_config()
    assert differences(tiny_config(), saved) == []
    saved["schema_version"] += 1
    for read in (from_dict, lambda saved: differences(tiny_config(), saved)):
        with pytest.raises(UsageError, match=r"schema_version=2: .*; use a newer gan_jax"):
            read(saved)
    for version in (None, "1", 1.0, True, -1):
        with pytest.raises(UsageError, match=r"schema_version=.*: takes a whole number"):
            from_dict(saved | {"schema_version": version})


@pytest.mark.parametrize("value", [None, 3, "x", [], True])
@pytest.mark.parametrize("path", ["latent", "generator", "discriminator.optimizer"])
def test_a_group_that_is_no_object_is_named(path, value):
    saved = as_dict(tiny_config())
    *groups, last = path.split(".")
    functools.reduce(dict.__getitem__, groups, saved)[last] = value
    with pytest.raises(UsageError, match=rf"config\.{path}=.*: takes a group of settings"):
        from_dict(saved)


def test_what_is_no_setting_is_named():
    saved = as_dict(tiny_config())
    with pytest.raises(UsageError, match=r"config.latent.size: no such setting"):
        from_dict(saved | {"latent": {"size": 3}})
    with pytest.raises(UsageError, match=r"config.generator.name='mine': .*--config=FILE"):
        from_dict(saved | {"generator": {"name": "mine"}})
    with pytest.raises(UsageError, match=r"config.generator.depth: no such setting"):
        from_dict(saved | {"generator": {"name": "dcgan", "depth": 3}})


# Bounds of every setting


def every_setting():
    """Path -> a config that has it, its field and its value; of all network families."""
    configs = [Config(ema=Ema(decay=0.5))] + [
        Config(**{side: family()}) for side, families in NETWORKS.items() for family in families
    ]
    return {
        f"{path} of {config.generator.name}, {config.discriminator.name}": (config, path, field)
        for config in configs
        for path, field, _ in walk(config)
    }


def with_value(config, path, value):
    changed = copy.deepcopy(config)
    *groups, name = path.split(".")[1:]
    setattr(functools.reduce(getattr, groups, changed), name, value)
    return changed


def test_every_whole_number_has_an_upper_bound():
    for name, (config, path, field) in every_setting().items():
        if field.type not in (int, tuple[int, ...]) or field.metadata["choices"]:
            continue
        assert field.metadata["below"] <= 2**31 or path == "config.seed", name
        for value in (field.metadata["below"], 3_000_000_000, 2**63, 10**400):
            if path == "config.seed" and value == 3_000_000_000:
                continue
            given = (value,) if field.type == tuple[int, ...] else value
            with pytest.raises(UsageError, match=f"^{path}=.*: takes numbers below") as refusal:
                validate(with_value(config, path, given))
            assert len(str(refusal.value)) < 300


def test_numbers_that_float32_turns_into_others_are_refused_by_name():
    seen = 0
    for config, path, field in every_setting().values():
        if field.type is not float:
            continue
        seen += 1
        for value, said in {
            1e-60: "is 0 in float32; takes 0, or numbers from 1.2e-38 on",
            1e-39: "is 0 in float32",
            **(
                {0.9999999999999999: "is 1 in float32; takes numbers below 0.99999997"}
                if field.metadata["below"] == 1
                else {
                    1e300: "is infinite in float32; takes numbers up to 3.4e\\+38",
                    10**400: "is infinite in float32",
                }
            ),
        }.items():
            with pytest.raises(UsageError, match=f"^{path}=.*: {said}"):
                validate(with_value(config, path, value))
        largest = float(np.nextafter(np.float32(1), np.float32(0)))
        for value in (0.0, 0, 1.2e-38, largest if field.metadata["below"] == 1 else 1.0):
            if path.startswith("config.ema."):  # of its two numbers one is 0
                config = with_value(config, "config.ema.decay", 0.0)
            validate(with_value(config, path, value))
    assert seen > 100


def test_a_half_life_whose_decay_is_1_in_float32_is_refused():
    config = tiny_config(ema=Ema(half_life=1e12))
    with pytest.raises(UsageError, match=r"config\.ema\.half_life=.*: is a decay of 1 in float32"):
        validate(config)
    config.ema.half_life = 3.6e8  # below 16 images * 2.3e7, as the message says
    validate(config)
    assert np.float32(config.ema.per_step(16)) < 1


def test_the_space_of_a_sweep_has_the_bounds_of_the_settings():
    for name, dimension in {
        "ema.start": Integer(1, 3_000_000_000),
        "generator.optimizer.eps": LogUniform(1e-60, 1e-8),
        "generator.optimizer.b1": Uniform(0.0, 0.9999999999999999),
    }.items():
        with pytest.raises(UsageError, match=rf"^Sweep.space.*config.{name}=.*takes"):
            space.check(Sweep(space={name: dimension}), tiny_config(eval_every=2))
