"""One dimension, as in figure 1 of Goodfellow et al. 2014: p_g moves onto p_data."""

from gan_jax.config import MLP, Config, Dataset, Ema, Latent, Optimizer


def get_config() -> Config:
    return Config(
        steps=8000,
        batch_size=256,
        d_steps=10,
        dataset=Dataset(name="gaussian_1d"),
        latent=Latent(dim=1),
        generator=MLP(
            hidden=(32, 32), activation="leaky_relu", optimizer=Optimizer(learning_rate=1e-4)
        ),
        discriminator=MLP(hidden=(64, 64), optimizer=Optimizer(learning_rate=1e-3)),
        ema=Ema(decay=0.99),
        log_every=100,
        sample_every=200,
        checkpoint_every=2000,
    )
