"""SNGAN: spectral norm in D and the hinge loss, on CIFAR-10 without labels.

  python launch.py --config=experiments/cifar10_sngan.py --config.dataset.data_dir=DIR

Source: Miyato et al. 2018 and pfnet-research/sngan_projection,
configs/sn_cifar10_unconditional.yml. The same: both residual networks (D's last unit without bias),
Glorot weights, scaled by the root of 2 within blocks, k = 5, 64 images for D and 128 for G, Adam
2e-4 with (0, .9), falling linearly to 0 over 50,000 steps, uniform dequantization. Different: they
update G first in each round; BatchNorm's epsilon is 1e-5, not 2e-5; D's real and fake pass make a
power iteration each, as theirs do, but its pass in G's update moves no vector.

Measured: not run.
"""

from gan_jax.config import (
    Config,
    Dataset,
    Latent,
    Optimizer,
    ResNetDiscriminator,
    ResNetGenerator,
    Schedule,
)


def get_config() -> Config:
    def optimizer() -> Optimizer:
        return Optimizer(learning_rate=2e-4, b1=0.0, b2=0.9)

    return Config(
        steps=50_000,
        batch_size=64,
        g_batch_ratio=2,
        d_steps=5,
        loss="hinge",
        dataset=Dataset(name="tfds:cifar10", dequantize=True),
        latent=Latent(dim=128),
        generator=ResNetGenerator(channels=(256, 256, 256, 256), optimizer=optimizer()),
        discriminator=ResNetDiscriminator(
            channels=(128, 128, 128, 128),
            spectral_norm=True,
            head_bias=False,
            optimizer=optimizer(),
        ),
        schedule=Schedule(name="linear", learning_rate=0.0),
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
