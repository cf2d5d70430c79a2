"""DCGAN on scikit-learn's 8x8 handwritten digits."""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Latent, Optimizer


def get_config() -> Config:
    network = {"width": 64, "base": 1, "optimizer": Optimizer(learning_rate=5e-4, b1=0.5)}
    return Config(
        steps=8000,
        batch_size=64,
        dataset=Dataset(name="digits"),
        latent=Latent(dim=64),
        generator=DCGAN(**network),
        discriminator=DCGAN(**network),
        ema=Ema(decay=0.999),
    )
