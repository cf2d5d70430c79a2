"""Least squares on CIFAR-10: the standard 32x32 baseline.

  python launch.py --config=experiments/cifar10_lsgan.py --config.dataset.data_dir=DIR

Source: Mao et al. 2017, a = 0, b = c = 1, halved; networks of Radford et al. 2016; hyperparameters
of StudioGAN's CIFAR10/LSGAN.yaml: Adam 2e-4, (.5, .999), batch 64, k = 2, 200,000 steps. Different
from StudioGAN: its "deep_conv" networks have seven convolutions in D and an orthogonal start; a
moving average of G.

Measured: not run.
"""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Latent, Optimizer


def get_config() -> Config:
    def network() -> DCGAN:
        return DCGAN(
            width=64, base=4, optimizer=Optimizer(learning_rate=2e-4, b1=0.5, b2=0.999, eps=1e-6)
        )

    return Config(
        steps=200_000,
        batch_size=64,
        d_steps=2,
        loss="least_squares",
        dataset=Dataset(name="tfds:cifar10"),
        latent=Latent(dim=100),
        generator=network(),
        discriminator=network(),
        ema=Ema(decay=0.999),
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
