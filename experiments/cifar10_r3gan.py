"""R3GAN on CIFAR-10: relativistic pairing with R1 and R2, and no normalization at all.

  python launch.py --config=experiments/cifar10_r3gan.py --config.dataset.data_dir=DIR

Source: Huang et al. 2024 and brownvc/R3GAN, train.py --preset=CIFAR10. The same: both networks, z
of 64, batch 512, k = 1, gamma / 2 of R1 and of R2 at every step, and cosines over the first
20,000,000 images: gamma .05 to .005, the rate 2e-4 to 5e-5, b2 .9 to .99, b1 0; mirrored images;
half-life of the moving average 5,000,000 images. Different: their adaptive augmentation (to p =
.55) is not here, config.augment="color,translation,cutout" is the nearest; the average starts by
our ramp, not by a cosine; float32 where they have bfloat16 in three stages
(config.precision=bfloat16 has it in all). With labels: --config.conditional=true.

Measured: not run.
"""

from gan_jax.config import R3GAN, Config, Dataset, Ema, Latent, Optimizer, Penalty, Schedule


def get_config() -> Config:
    def network() -> R3GAN:
        return R3GAN(
            channels=(768, 768, 768, 768),
            optimizer=Optimizer(learning_rate=2e-4, b1=0.0, b2=0.9),
        )

    return Config(
        steps=488_000,
        batch_size=512,
        loss="relativistic_pairing",
        penalty=Penalty(name="r1_r2", weight=0.05),
        schedule=Schedule(name="cosine", steps=39_062, learning_rate=0.25, b2=0.99, penalty=0.1),
        dataset=Dataset(name="tfds:cifar10", flip=True),
        latent=Latent(dim=64),
        generator=network(),
        discriminator=network(),
        ema=Ema(half_life=5e6),
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
