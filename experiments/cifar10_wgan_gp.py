"""WGAN-GP with residual networks, on CIFAR-10 without labels.

  python launch.py --config=experiments/cifar10_wgan_gp.py --config.dataset.data_dir=DIR

Source: Gulrajani et al. 2017 and igul222/improved_wgan_training, gan_cifar_resnet.py with
CONDITIONAL = ACGAN = False. The same: both networks (BatchNorm in G alone, mean pooling in D),
lambda 10, k = 5, 64 images for D and 128 for G, Adam 2e-4 with (0, .9), falling linearly to 0 over
100,000 steps, uniform dequantization. Different: their G normalizes by the batch also when it
samples; ours then uses running statistics.

Measured: not run.
"""

from gan_jax.config import (
    Config,
    Dataset,
    Latent,
    Optimizer,
    Penalty,
    ResNetDiscriminator,
    ResNetGenerator,
    Schedule,
)


def get_config() -> Config:
    def optimizer() -> Optimizer:
        return Optimizer(learning_rate=2e-4, b1=0.0, b2=0.9)

    return Config(
        steps=100_000,
        batch_size=64,
        g_batch_ratio=2,
        d_steps=5,
        loss="wasserstein",
        penalty=Penalty(name="wgan_gp", weight=10.0),
        dataset=Dataset(name="tfds:cifar10", dequantize=True),
        latent=Latent(dim=128),
        generator=ResNetGenerator(channels=(128, 128, 128, 128), optimizer=optimizer()),
        discriminator=ResNetDiscriminator(
            channels=(128, 128, 128, 128), pool="mean", optimizer=optimizer()
        ),
        schedule=Schedule(name="linear", learning_rate=0.0),
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
