"""DCGAN on Stacked MNIST, whose 1,000 modes can be counted: plain, and with PacGAN's packing.

  python launch.py --config=experiments/stacked_mnist_dcgan.py --config.dataset.data_dir=DIR
  python launch.py --config=experiments/stacked_mnist_dcgan.py:packing --config.dataset.data_dir=DIR

Source: Lin et al. 2018 (PacGAN), stacked_MNIST_experiments, after Srivastava et al. 2017 (VEEGAN).
The same: 128,000 fixed triples, width 64, z of 100 uniform numbers, batch 64, Adam 2e-4 with b1 .5,
two G updates for each of D, 50 epochs, which are 100,000 steps; the variant judges two images
together. Different: pixels in [-1, 1], as tanh makes them, where the code has [0, 1]; digits of the
60,000 for training alone; batch 64 means 64 images, or 32 packs, where the code has 64 packs.

Measured: not run.
"""

from gan_jax.config import DCGAN, Config, Dataset, Latent, Optimizer

VARIANTS = ("plain", "packing")


def get_config(variant: str = "plain") -> Config:
    def network() -> DCGAN:
        return DCGAN(width=64, base=7, optimizer=Optimizer(learning_rate=2e-4, b1=0.5))

    return Config(
        steps=100_000,
        batch_size=64,
        g_steps=2,
        packing=2 if variant == "packing" else 1,
        dataset=Dataset(name="stacked_mnist"),
        latent=Latent(dim=100, distribution="uniform"),
        generator=network(),
        discriminator=network(),
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
