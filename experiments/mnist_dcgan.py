"""DCGAN on MNIST at its own 28x28 pixels.

  python launch.py --config=experiments/mnist_dcgan.py --config.dataset.data_dir=DIR

Source: Radford et al. 2016 (DCGAN): their optimizer, initialization and layers, with maps of 7, 14
and 28 pixels a side, z normal, batch 64, and a moving average of G. DIR is where TFDS prepared
MNIST; --mode=prepare does it once.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0), beside other jobs: 10,000 steps (10.7
epochs) in 31 minutes, at 513 images/s in the median and 702 at best, which would make 16 minutes.
Digits can be made out after 500 steps, most are legible after 4,000; of the 64 in the last
grid a few are still malformed.
"""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Latent, Optimizer


def get_config() -> Config:
    def network() -> DCGAN:
        return DCGAN(width=64, base=7, optimizer=Optimizer(learning_rate=2e-4, b1=0.5))

    return Config(
        steps=10_000,
        batch_size=64,
        dataset=Dataset(name="tfds:mnist"),
        latent=Latent(dim=100),
        generator=network(),
        discriminator=network(),
        ema=Ema(decay=0.999),
    )
