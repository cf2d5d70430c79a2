"""R3GAN on Stacked MNIST, whose 1,000 modes can be counted.

  python launch.py --config=experiments/stacked_mnist_r3gan.py --config.dataset.data_dir=DIR

Source: Huang et al. 2024, whose code for Stacked MNIST is not published: relativistic pairing
with R1 and R2 covers all modes where each part alone does not. Digits are padded to 32x32.
Ours, for want of theirs: the networks of cifar10_r3gan.py at 96 channels in place of 768, gamma 1,
Adam 2e-4 with (0, .9), batch 64, no schedule.

Measured: not run.
"""

from gan_jax.config import R3GAN, Config, Dataset, Ema, Latent, Optimizer, Penalty


def get_config() -> Config:
    def network() -> R3GAN:
        return R3GAN(channels=(96,) * 4, optimizer=Optimizer(learning_rate=2e-4, b1=0.0, b2=0.9))

    return Config(
        steps=50_000,
        batch_size=64,
        loss="relativistic_pairing",
        penalty=Penalty(name="r1_r2", weight=1.0),
        dataset=Dataset(name="stacked_mnist", image_size=32),
        latent=Latent(dim=64),
        generator=network(),
        discriminator=network(),
        ema=Ema(half_life=50_000.0),
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
