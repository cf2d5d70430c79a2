"""WGAN with weight clipping, on MNIST.

  python launch.py --config=experiments/mnist_wgan.py --config.dataset.data_dir=DIR

Source: Arjovsky et al. 2017, algorithm 1, and martinarjovsky/WassersteinGAN, main.py. The same: the
DCGAN networks with BatchNorm, z normal of 100, RMSprop 5e-5 (decay .99, epsilon outside the root,
as PyTorch's), batch 64, clipping to +-.01 of all D's parameters, k = 5 and 100 in the first 25
steps and every 500th. -d_loss estimates the distance, up to a factor. Different: MNIST at 28x28,
where they have 64x64; D is clipped after each of its updates, as in the paper, where the code clips
at the start of the next, so that its G sees weights one RMSprop step outside; a moving average of
G.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0), beside other jobs: stopped at 2,500 of the
20,000 steps (15,255 updates of D), about 0.6 s a step. The estimate falls from .55 (step 25) to .11
(step 1,000) and .09. Strokes are those of digits and some digits can be read (0, 7, 8, 9), most not
yet: the rate of 5e-5 is slow, and the authors train for many times as long.
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
