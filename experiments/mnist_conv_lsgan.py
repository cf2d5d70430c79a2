"""The convolutional least-squares GAN of CS231n's assignment 3, on MNIST.

  python launch.py --config=experiments/mnist_conv_lsgan.py --config.dataset.data_dir=DIR

Source: "Notes on GAN" after CS231n, assignment 3, gan_pytorch (build_dc_classifier,
build_dc_generator); least squares of Mao et al. 2017 with a = 0, b = c = 1. The same: both networks
(max pooling and LeakyReLU .01 in D; BatchNorm after ReLU in G, trained, as the assignment has it
and the article's code by an oversight has not), Glorot weights, z of 96 uniform numbers, pixels in
[-1, 1], batch 128, Adam 1e-3 with b1 .5. Different: z of its own for each update.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0), beside other jobs: 3,000 steps (6.4 epochs)
at 521 images/s in the median and 640 when nearly alone, which would make 10 minutes. Nearly all of
the 64 digits in the last grid are legible, all ten classes among them.
"""

from gan_jax.config import Config, CS231n, Dataset, Latent, Optimizer


def get_config() -> Config:
    def network() -> CS231n:
        return CS231n(optimizer=Optimizer(learning_rate=1e-3, b1=0.5))

    return Config(
        steps=3000,
        batch_size=128,
        loss="least_squares",
        dataset=Dataset(name="tfds:mnist"),
        latent=Latent(dim=96, distribution="uniform"),
        generator=network(),
        discriminator=network(),
        sample_every=200,
    )
