"""WGAN with weight clipping, on MNIST.

  python launch.py --config=experiments/mnist_wgan.py --config.dataset.data_dir=DIR

Source: Arjovsky et al. 2017, algorithm 1, and martinarjovsky/WassersteinGAN, main.py. The same: the
DCGAN networks with BatchNorm, z normal of 100, RMSprop 5e-5 (decay .99, epsilon outside the root,
as PyTorch's), batch 64, clipping to +-.01 of all D's parameters, k = 5 and 100 in the first 25
steps and every 500th. -d_loss estimates the distance, up to a factor. Different: MNIST at 28x28,
where they have 64x64; D is clipped after each of its updates, as in the paper, where the code clips
at the start of the next, so that its G sees weights one RMSprop step outside; a moving average of
G.

Measured: not yet.
"""

from gan_jax.config import (
    DCGAN,
    Boost,
    Config,
    Dataset,
    Ema,
    Latent,
    Optimizer,
    Penalty,
)


def get_config() -> Config:
    def network() -> DCGAN:
        optimizer = Optimizer(name="rmsprop", learning_rate=5e-5, b2=0.99, eps=1e-8)
        return DCGAN(width=64, base=7, optimizer=optimizer)

    return Config(
        steps=20_000,
        batch_size=64,
        d_steps=5,
        d_boost=Boost(d_steps=100, first=25, every=500),
        loss="wasserstein",
        penalty=Penalty(clip=0.01),
        dataset=Dataset(name="tfds:mnist"),
        latent=Latent(dim=100),
        generator=network(),
        discriminator=network(),
        ema=Ema(decay=0.999),
        sample_every=250,
        log_every=25,
    )
