"""What the mathematics or the data forbid is refused in one line, before anything is compiled."""

import pytest

from gan_jax.config import (
    DCGAN,
    MLP,
    R3GAN,
    Boost,
    CS231n,
    Dataset,
    Ema,
    Latent,
    MLPDiscriminator,
    Optimizer,
    Penalty,
    ResNetDiscriminator,
    ResNetGenerator,
)
from gan_jax.errors import UsageError
from gan_jax.program import Program
from support import tiny_config, tiny_mlp_config

PLAIN = {"width": 4, "base": 2, "batch_norm": False}


def resnets(**options):
    return {
        "generator": ResNetGenerator(channels=(4, 4)),
        "discriminator": ResNetDiscriminator(channels=(4,), down=1, **options),
    }


FORBIDDEN = {
    "BatchNorm under a penalty": (
        lambda: tiny_config(penalty=Penalty(name="wgan_gp")),
        r"penalty\.name='wgan_gp'.*BatchNorm.*discriminator\.batch_norm"),
    "a WGAN without bounds": (
        lambda: tiny_config(loss="wasserstein"), r"loss='wasserstein'.*Lipschitz.*clip"),
    "classes without labels": (
        lambda: tiny_mlp_config(conditional=True), r"conditional=True: ring_2d has no labels"),
    "pairs of unequal numbers": (
        lambda: tiny_config(loss="relativistic_pairing", g_batch_ratio=2), r"g_batch_ratio=2"),
    "halves of a pair": (
        lambda: tiny_config(loss="relativistic_pairing", d_updates="separate"), r"d_updates"),
    "halves under a penalty": (
        lambda: tiny_mlp_config(penalty=Penalty(name="r1"), d_updates="separate"),
        r"d_updates='separate': goes with no penalty"),
    "packs that devices cannot share": (
        lambda: tiny_mlp_config(packing=3), r"packing=3: does not divide a device's 4"),
    "parts that devices cannot make": (
        lambda: tiny_config(accumulate=3), r"accumulate=3: does not divide a device's 4"),
    "packs that parts cannot hold": (
        lambda: tiny_mlp_config(accumulate=4, packing=2), r"packing=2: does not divide.* 1 "),
    "calls that overrun a picture": (
        lambda: tiny_config(steps_per_call=2), r"steps_per_call=2: does not divide sample_every=3"),
    "calls of unlike steps": (
        lambda: tiny_mlp_config(steps_per_call=2, d_boost=Boost(d_steps=3, first=3)),
        r"steps_per_call: steps with d_boost"),
    "packs in one dimension": (
        lambda: tiny_mlp_config(packing=2, dataset=Dataset(name="gaussian_1d")),
        r"gaussian_1d.*this D judges several"),
    "groups in one dimension": (
        lambda: tiny_mlp_config(
            discriminator=MLPDiscriminator(minibatch_std=2), dataset=Dataset(name="gaussian_1d")),
        r"gaussian_1d.*this D judges several"),
    "halves for a D with statistics": (
        lambda: tiny_config(d_updates="separate"), r"d_updates='separate'.*BatchNorm"),
    "boosts without a number": (
        lambda: tiny_mlp_config(d_boost=Boost(first=3)), r"d_boost\.d_steps=0"),
    "a half-life under boosts": (
        lambda: tiny_mlp_config(d_boost=Boost(d_steps=3, first=3), ema=Ema(half_life=100.0)),
        r"ema\.half_life"),
    "a bound of no weight": (
        lambda: tiny_mlp_config(loss="wasserstein", penalty=Penalty(name="wgan_gp", weight=0.0)),
        r"loss='wasserstein'.*Lipschitz"),
    "attention where no map is": (
        lambda: tiny_config(**(resnets() | {"generator": ResNetGenerator(
            channels=(4, 4), attention=4)})), r"generator\.attention=4: its blocks give maps of 8"),
    "attention over odd sides": (
        lambda: tiny_config(**resnets(attention=3)), r"discriminator\.attention=3.*maps of 4"),
    "images for vectors": (
        lambda: tiny_mlp_config(discriminator=ResNetDiscriminator(channels=(4,), down=1)),
        r"the family resnet is for images"),
    "another family's images": (
        lambda: tiny_config(discriminator=CS231n()), r"examples are \(8, 8, 1\).*cs231n"),
    "no channels": (
        lambda: tiny_config(**(resnets() | {"generator": ResNetGenerator(channels=())})),
        r"generator\.channels=\(\)"),
    "R3GAN without channels": (
        lambda: tiny_config(generator=R3GAN(channels=())), r"generator\.channels=\(\)"),
    "augmented pixels from 0 to 1": (
        lambda: tiny_config(augment="color", dataset=Dataset(name="digits", pixel_range="unit")),
        r"augment='color'.*signed"),
    "packs with classes": (
        lambda: tiny_config(packing=2, conditional=True, **resnets()), r"packing=2.*conditional"),
    "groups that devices cannot share": (
        lambda: tiny_mlp_config(discriminator=MLPDiscriminator(minibatch_std=3)),
        r"minibatch_std=3: does not divide"),
    "distorted vectors": (
        lambda: tiny_mlp_config(augment="color"), r"augment='color': is for images"),
    "truncated uniform latents": (
        lambda: tiny_config(latent=Latent(dim=4, distribution="uniform", truncation=0.5)),
        r"latent\.truncation"),
    "an unknown penalty": (
        lambda: tiny_config(penalty=Penalty(name="wgan_pg")),
        r"penalty\.name.*did you mean wgan_gp"),
    "a hierarchy without classes": (
        lambda: tiny_config(generator=ResNetGenerator(channels=(4, 4), hierarchical=True)),
        r"shared_dim.*classes"),
    "a latent that blocks cannot share": (
        lambda: tiny_config(
            conditional=True, latent=Latent(dim=7), **(resnets() | {"generator": ResNetGenerator(
                channels=(4, 4), hierarchical=True, shared_dim=2)})),
        r"multiple of 2; it is 7"),
    "too few channels for the image": (
        lambda: tiny_config(**(resnets() | {"generator": ResNetGenerator(channels=(4, 4, 4))})),
        r"generator\.channels=\(4, 4, 4\): makes 16x16, and the data are \(8, 8, 1\)"),
    "a layer that no device holds": (
        lambda: tiny_mlp_config(generator=MLP(hidden=(1_000_000, 1_000_000))),
        r"config\.generator: has 1,000,000,000,000 parameters in one array; take sizes"),
    "a batch that no device holds": (
        lambda: tiny_mlp_config(batch_size=2**23, latent=Latent(dim=2**19)),
        r"config\.batch_size=8388608: .* by the 524,288 numbers of config\.latent\.dim, are more"),
    "more halvings than blocks": (
        lambda: tiny_config(**(resnets() | {"discriminator": ResNetDiscriminator(
            channels=(4,), down=2)})), r"discriminator\.down=2: cannot halve 8"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_cannot_be_is_refused_with_the_field_that_says_so(name):
    config, message = FORBIDDEN[name]
    with pytest.raises(UsageError, match=message) as raised:
        Program(config())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "wasserstein", "penalty": Penalty(clip=0.01)},
        {"loss": "wasserstein", "penalty": Penalty(name="wgan_gp")},
        {"loss": "wasserstein", **resnets(spectral_norm=True)},
        {"penalty": Penalty(name="r1_r2"), "loss": "relativistic_pairing"},
        {"penalty": Penalty(name="lecam"), "discriminator": DCGAN(width=4, base=2)},
        {"conditional": True, **resnets()},
        {"packing": 4},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_what_can_be_is_built(changes):
    settings = {"discriminator": DCGAN(**PLAIN, optimizer=Optimizer(learning_rate=1e-3))} | changes
    Program(tiny_config(**settings))
