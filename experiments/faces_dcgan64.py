r"""DCGAN on 64x64 faces: as in the paper, as in DCGAN-tensorflow, or as in PyTorch's example.

  python launch.py --config=experiments/faces_dcgan64.py --config.dataset.name=folder:PATH
  python launch.py --config=experiments/faces_dcgan64.py:tensorflow \
    --config.dataset.name=folder:PATH
  python launch.py --config=experiments/faces_dcgan64.py:example --config.dataset.name=folder:PATH

PATH is a directory or a zip of aligned faces. Source: Radford et al. 2016 and its code,
Newmu/dcgan_code (variant `paper`: 128 channels next to the image, so 1,024 at 4x4, 5x5 kernels,
batch 128); carpedm20/DCGAN-tensorflow, model.py (`tensorflow`: 64 channels, 5x5 kernels, biases
also under BatchNorm, batch 64; --config.g_steps=2 gives its two G updates on one z);
pytorch/examples, dcgan/main.py (`example`: 64 channels, 4x4 kernels, batch 64 in place of 128). The
same in all: z of 100 uniform numbers, projected and reshaped to 4x4, four fractionally strided
convolutions, BatchNorm but for G's output and D's input, weights N(0, .02), Adam 2e-4 with b1 .5.
Different: D's and G's updates have a z each, where DCGAN-tensorflow feeds one to both; no weight
decay (1e-5 in the Theano code); a moving average of G; z is uniform in the example too.

Measured on 2 CPU cores (AMD EPYC, JAX 0.10.2, seed 0), beside other jobs: `example` on 7,701
aligned faces of LFW, stopped after 1,500 of its steps (12.5 epochs), 30 minutes at 61 images/s. All
64 samples are faces of different people in different light, soft, some with smeared eyes or mouths.
`paper` and `tensorflow` were not run beyond two steps.
"""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Latent, Optimizer

VARIANTS = ("paper", "tensorflow", "example")


def get_config(variant: str = "paper") -> Config:
    def network() -> DCGAN:
        optimizer = Optimizer(learning_rate=2e-4, b1=0.5)
        if variant == "paper":
            return DCGAN(width=128, base=4, kernel=5, optimizer=optimizer)
        if variant == "tensorflow":
            return DCGAN(width=64, base=4, kernel=5, bias=True, optimizer=optimizer)
        return DCGAN(width=64, base=4, kernel=4, optimizer=optimizer)

    return Config(
        steps=20_000,
        batch_size=128 if variant == "paper" else 64,
        dataset=Dataset(name="folder:faces", image_size=64, channels=3),
        latent=Latent(dim=100, distribution="uniform"),
        generator=network(),
        discriminator=network(),
        ema=Ema(decay=0.999),
        log_every=25,
        sample_every=250,
        checkpoint_every=250,
    )
