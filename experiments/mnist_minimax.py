r"""Algorithm 1 with the loss of its minimax game, on MNIST: G's gradient vanishes when D wins.

  python launch.py --config=experiments/mnist_minimax.py --config.dataset.data_dir=DIR
  python launch.py --config=experiments/mnist_minimax.py:non_saturating \
    --config.dataset.data_dir=DIR

Source: Goodfellow et al. 2014, algorithm 1 and the end of section 3; "A guide to GANs". G minimises
log(1 - D(G(z))); the variant minimises -log D(G(z)), everything else alike. k is
`--config.d_steps=K`: 5 here, so that D wins. Networks and z are those of mnist_mlp.py; Adam 2e-4
with b1 .5 in place of gradient descent with momentum. `g_grad_norm` of metrics.jsonl is the norm of
G's gradient, `d_accuracy_fake` says how surely D wins.

Measured: not yet.
"""

from gan_jax.config import MLP, Config, Dataset, Latent, Optimizer

VARIANTS = ("minimax", "non_saturating")


def get_config(variant: str = "minimax") -> Config:
    def network() -> MLP:
        return MLP(hidden=(128,), initializer="he_normal", optimizer=Optimizer(learning_rate=2e-4))

    return Config(
        steps=5000,
        batch_size=128,
        d_steps=5,
        loss=variant,
        dataset=Dataset(name="tfds:mnist", pixel_range="unit"),
        latent=Latent(dim=100, distribution="uniform"),
        generator=network(),
        discriminator=network(),
        log_every=10,
        sample_every=500,
        checkpoint_every=1000,
    )
