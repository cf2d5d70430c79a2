"""SAGAN on ImageNet at 128x128.

  python launch.py --config=experiments/imagenet128_sagan.py --config.dataset.data_dir=DIR

Source: Zhang et al. 2019 as ajbrock/BigGAN-PyTorch has it, scripts/launch_SAGAN_bs128x2_ema.sh. The
same: both networks (an embedding for each BatchNorm, attention over 64x64, spectral norm in both),
Glorot weights, hinge loss, k = 1, batch 256, Adam 1e-4 for G and 4e-4 for D with (0, .999), moving
average .9999 from step 2,000, 1,000,000 steps. Different: weights within blocks start larger by the
root of 2, as SNGAN's, and class gains and shifts at N(0, .02) and 0; the script makes its batch of
two halves by accumulating gradients, ours is whole; other biases start at 0; the code gives one
power iteration to D's joined real and fake pass, ours one to each.

Measured: not run; init and step are evaluated abstractly in the tests.
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
        steps=1_000_000,
        batch_size=256,
        conditional=True,
        loss="hinge",
        dataset=Dataset(name="tfds:imagenet2012", image_size=128),
        latent=Latent(dim=128),
        generator=ResNetGenerator(
            channels=(1024, 1024, 512, 256, 128, 64),
            spectral_norm=True,
            attention=64,
            optimizer=Optimizer(learning_rate=1e-4, b1=0.0, b2=0.999),
        ),
        discriminator=ResNetDiscriminator(
            channels=(64, 128, 256, 512, 1024, 1024),
            down=5,
            spectral_norm=True,
            attention=64,
            optimizer=Optimizer(learning_rate=4e-4, b1=0.0, b2=0.999),
        ),
        ema=Ema(decay=0.9999, start=2000),
        num_samples=100,
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
