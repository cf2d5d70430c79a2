"""DCGAN (Radford et al. 2016) on MNIST at its own 28x28 pixels."""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Latent, Optimizer


def get_config() -> Config:
    network = {"width": 64, "base": 7, "optimizer": Optimizer(learning_rate=2e-4, b1=0.5)}
    return Config(
        steps=10_000,
        batch_size=64,
        dataset=Dataset(name="tfds:mnist"),
        latent=Latent(dim=100),
        generator=DCGAN(**network),
        discriminator=DCGAN(**network),
        ema=Ema(decay=0.999),
    )
