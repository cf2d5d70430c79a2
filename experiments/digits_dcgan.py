"""DCGAN on scikit-learn's 8x8 handwritten digits."""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Latent, Optimizer


def get_config() -> Config:
    optimizer = Optimizer(learning_rate=1e-3, b1=0.5)
    return Config(
        steps=3000,
        batch_size=64,
        dataset=Dataset(name="digits"),
        latent=Latent(dim=64),
        generator=DCGAN(width=32, base=2, optimizer=optimizer),
        discriminator=DCGAN(width=32, base=2, optimizer=optimizer),
        ema=Ema(decay=0.995),
    )
