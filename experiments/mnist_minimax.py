r"""Algorithm 1 with the loss of its minimax game, on MNIST: G's gradient vanishes when D wins.

  python launch.py --config=experiments/mnist_minimax.py --config.dataset.data_dir=DIR
  python launch.py --config=experiments/mnist_minimax.py:non_saturating \
    --config.dataset.data_dir=DIR

Source: Goodfellow et al. 2014, algorithm 1 and the end of section 3; "A guide to GANs". G minimizes
log(1 - D(G(z))); the variant minimizes -log D(G(z)), everything else alike. k is
`--config.d_steps=K`: 5 here, so that D wins. Networks and z are those of mnist_mlp.py; Adam 2e-4
with b1 .5 in place of gradient descent with momentum. `g_grad_norm` of metrics.jsonl is the norm of
G's gradient, `d_accuracy_fake` says how surely D wins.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0), beside other jobs: 5,000 steps in 70 to 115
s. Minimax: D is right on all images from step 10, the norm of G's gradient falls from 1.6e-2 to
6e-10, and its samples stay noise. Non-saturating: the norm stays between 1.0 and 6.6 with the same
D that wins, and G learns, though with k = 5 nearly all of its samples are nines. The plot is made
by `python -m docs.gradient_norm`; below it the last samples of both.
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
