r"""DCGAN on 64x64 faces, as in the paper or as in DCGAN-tensorflow.

  python launch.py --config=experiments/faces_dcgan64.py --config.dataset.name=folder:PATH
  python launch.py --config=experiments/faces_dcgan64.py:tensorflow \
    --config.dataset.name=folder:PATH

PATH is a directory or a zip of aligned faces. Source: Radford et al. 2016 (variant `paper`, with
the 4x4 kernels of PyTorch's example) and carpedm20/DCGAN-tensorflow, model.py (variant
`tensorflow`: 5x5 kernels, biases also under BatchNorm, batch 64; add --config.g_steps=2 for its two
G updates on the same z). The same: z of 100 uniform numbers, projected and reshaped to 4x4x512,
four fractionally strided convolutions, BatchNorm but for G's output and D's input, weights N(0,
.02), Adam 2e-4 with b1 .5, batch 128 in the paper. Different: D's and G's updates have a z each; no
weight decay (1e-5 in the authors' Theano code); a moving average of G; as many steps as are
bearable, not 25 epochs of 350,000 faces.

Measured: not yet.
"""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Latent, Optimizer

VARIANTS = ("paper", "tensorflow")


def get_config(variant: str = "paper") -> Config:
    def network() -> DCGAN:
        optimizer = Optimizer(learning_rate=2e-4, b1=0.5)
        if variant == "tensorflow":
            return DCGAN(width=64, base=4, kernel=5, bias=True, optimizer=optimizer)
        return DCGAN(width=64, base=4, optimizer=optimizer)

    return Config(
        steps=20_000,
        batch_size=64 if variant == "tensorflow" else 128,
        dataset=Dataset(name="folder:faces", image_size=64, channels=3),
        latent=Latent(dim=100, distribution="uniform"),
        generator=network(),
        discriminator=network(),
        ema=Ema(decay=0.999),
        log_every=25,
        sample_every=250,
        checkpoint_every=250,
    )
