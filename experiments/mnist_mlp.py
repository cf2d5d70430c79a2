"""The tutorials' first GAN: 100-128-784 fully connected units with a sigmoid, on MNIST.

  python launch.py --config=experiments/mnist_mlp.py --config.dataset.data_dir=DIR

Source: "Introduction to GANs with Python and TensorFlow" and wiseodd/generative-models,
vanilla_gan/gan_tensorflow.py. The same: both networks, z uniform in [-1, 1], pixels in [0, 1],
weights N(0, 2 / fan-in), the non-saturating loss, Adam with its defaults, batch 128, a 4x4 grid
every 1,000 steps. The article's listing feeds z to G's last layer, past the hidden one: a slip that
is not repeated here. Different: 100,000 steps of its 1,000,000; z of its own for each update.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0), beside other jobs: 100,000 steps took 382 s
of processor time (29 minutes of wall time, by the load). Digits are legible with ragged strokes; of
the 16 in the last grid about four are none. A hidden layer of 128 units does not do better in the
sources either.
"""

from gan_jax.config import MLP, Config, Dataset, Latent, Optimizer


def get_config() -> Config:
    def network() -> MLP:
        return MLP(
            hidden=(128,),
            initializer="he_normal",
            optimizer=Optimizer(learning_rate=1e-3, b1=0.9, b2=0.999),
        )

    return Config(
        steps=100_000,
        batch_size=128,
        dataset=Dataset(name="tfds:mnist", pixel_range="unit"),
        latent=Latent(dim=100, distribution="uniform"),
        generator=network(),
        discriminator=network(),
        log_every=200,
        sample_every=1000,
        num_samples=16,
        checkpoint_every=10_000,
    )
