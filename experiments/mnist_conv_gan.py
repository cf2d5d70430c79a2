"""The convolutional GAN of CS231n's assignment 3 with the non-saturating loss, on MNIST.

  python launch.py --config=experiments/mnist_conv_gan.py --config.dataset.data_dir=DIR

Source: "Notes on GAN" after CS231n, assignment 3, gan_pytorch. As mnist_conv_lsgan.py but for the
loss, softplus(-D(x)) + softplus(D(G(z))) for D and softplus(-D(G(z))) for G.

Measured: not run.
"""

from gan_jax.config import Config, CS231n, Dataset, Latent, Optimizer


def get_config() -> Config:
    def network() -> CS231n:
        return CS231n(optimizer=Optimizer(learning_rate=1e-3, b1=0.5))

    return Config(
        steps=3000,
        batch_size=128,
        loss="non_saturating",
        dataset=Dataset(name="tfds:mnist"),
        latent=Latent(dim=96, distribution="uniform"),
        generator=network(),
        discriminator=network(),
        sample_every=200,
    )
