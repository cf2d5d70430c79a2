"""Keras-GAN's fully connected GAN on MNIST, D trained on half batches.

  python launch.py --config=experiments/mnist_mlp_keras.py --config.dataset.data_dir=DIR

Source: "A guide to GANs" and eriklindernoren/Keras-GAN, gan/gan.py. The same: G of 256, 512 and
1,024 units with LeakyReLU .2, then BatchNorm (momentum .8, epsilon 1e-3), D of 512 and 256, z
normal, Glorot uniform weights, Adam 2e-4 with b1 .5, and its loop: one update of D on 16 real
images, one on 16 fake ones, then G on 32 latents; 30,000 iterations, a 5x5 grid every 200.
`batch_size` is the half batch of real images. Different: fakes that D learns from are made with the
batch's statistics, where Keras's `predict` uses the running ones; d_loss is the sum of both halves,
where Keras prints the mean.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0), beside other jobs: 30,000 steps took 359 s
of processor time (20 minutes of wall time, by the load). Most of the 25 digits in the last grid are
legible; lone white pixels around them are this network's mark.
"""

from gan_jax.config import MLP, Config, Dataset, Latent, Optimizer


def get_config() -> Config:
    def network(hidden: tuple[int, ...], batch_norm: str) -> MLP:
        return MLP(
            hidden=hidden,
            activation="leaky_relu",
            initializer="glorot_uniform",
            batch_norm=batch_norm,
            batch_norm_decay=0.8,
            batch_norm_eps=1e-3,
            optimizer=Optimizer(learning_rate=2e-4, b1=0.5, eps=1e-7),
        )

    return Config(
        steps=30_000,
        batch_size=16,
        g_batch_ratio=2,
        d_updates="separate",
        dataset=Dataset(name="tfds:mnist"),
        latent=Latent(dim=100),
        generator=network((256, 512, 1024), "after"),
        discriminator=network((512, 256), "none"),
        log_every=100,
        sample_every=200,
        num_samples=25,
        checkpoint_every=5000,
    )
