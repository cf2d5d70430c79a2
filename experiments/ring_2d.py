"""Eight Gaussians on a circle (Metz et al. 2017; Lin et al. 2018): modes found, modes lost."""

from gan_jax.config import MLP, Config, Dataset, Ema, Latent, Optimizer


def get_config() -> Config:
    optimizer = Optimizer(learning_rate=1e-3)
    return Config(
        steps=8000,
        batch_size=256,
        dataset=Dataset(name="ring_2d"),
        latent=Latent(dim=8),
        generator=MLP(hidden=(128, 128), optimizer=optimizer),
        discriminator=MLP(hidden=(128, 128), optimizer=optimizer),
        ema=Ema(decay=0.995),
        sample_every=250,
        checkpoint_every=1000,
        log_every=100,
    )
