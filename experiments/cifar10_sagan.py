"""SAGAN on CIFAR-10 with labels: self-attention, spectral norm in both players, two rates.

  python launch.py --config=experiments/cifar10_sagan.py --config.dataset.data_dir=DIR

Source: Zhang et al. 2019 and brain-research/self-attention-gan, model.py, at the sizes of mimicry's
sagan_32. The same: hinge loss, k = 1, Adam 1e-4 for G and 4e-4 for D with (0, .999),
class-conditional BatchNorm in G, projection in D, attention over 16x16 in G, Glorot weights, z of
128. Different: 32x32 and batch 64, where they have 128x128 and 256, so that the two rates may be
too far apart; b2 is the code's default; D's attention is over 16x16 too, after its first block,
where mimicry's is over 8x8, after its second; nearest upsampling and no ReLU on D's shortcuts,
unlike mimicry; a moving average of G.

Measured: not run.
"""

from gan_jax.config import (
    Config,
    Dataset,
    Ema,
    Latent,
    Optimizer,
    ResNetDiscriminator,
    ResNetGenerator,
)


def get_config() -> Config:
    return Config(
        steps=100_000,
        batch_size=64,
        conditional=True,
        loss="hinge",
        dataset=Dataset(name="tfds:cifar10"),
        latent=Latent(dim=128),
        generator=ResNetGenerator(
            channels=(256, 256, 256, 256),
            spectral_norm=True,
            attention=16,
            optimizer=Optimizer(learning_rate=1e-4, b1=0.0, b2=0.999),
        ),
        discriminator=ResNetDiscriminator(
            channels=(128, 128, 128, 128),
            spectral_norm=True,
            attention=16,
            optimizer=Optimizer(learning_rate=4e-4, b1=0.0, b2=0.999),
        ),
        ema=Ema(decay=0.999),
        num_samples=100,
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
