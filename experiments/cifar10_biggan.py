"""BigGAN on CIFAR-10 with labels.

  python launch.py --config=experiments/cifar10_biggan.py --config.dataset.data_dir=DIR
  python launch.py --config=experiments/cifar10_biggan.py:script --config.dataset.data_dir=DIR

Variant `hierarchical`: what Brock et al. 2019 add to SAGAN, at the sizes of StudioGAN's
CIFAR10/BigGAN.yaml: a class embedding of 128 numbers that all BatchNorms share, z of 80 numbers of
which each block sees its 20, orthogonal start, attention over 16x16, 96 channels as the unit, hinge
loss, k = 5, batch 64, Adam 2e-4 with (.5, .999), moving average .9999 from step 1,000. Pictures
draw z truncated at .5. Variant `script`: ajbrock/BigGAN-PyTorch, scripts/launch_cifar_ema.sh: own
embeddings, z of 128, weights N(0, .02), no attention, k = 4, batch 50, (0, .999), 500 epochs, which
are 125,000 steps. Different from both: biases and class shifts start at 0; D sees real and fake in
two passes, with a power iteration each; the script's pictures normalize by the batch.

Measured: not run.
"""

from gan_jax.config import (
    Config,
    Dataset,
    Ema,
    Latent,
    Optimizer,
    ResNetDiscriminator,
    ResNetGenerator,
)

VARIANTS = ("hierarchical", "script")


def get_config(variant: str = "hierarchical") -> Config:
    hierarchical = variant == "hierarchical"

    def shared() -> dict:
        return {
            "initializer": "orthogonal" if hierarchical else "normal",
            "spectral_norm": True,
            "attention": 16 if hierarchical else 0,
            "optimizer": Optimizer(
                learning_rate=2e-4,
                b1=0.5 if hierarchical else 0.0,
                b2=0.999,
                eps=1e-6 if hierarchical else 1e-8,
            ),
        }

    return Config(
        steps=100_000 if hierarchical else 125_000,
        batch_size=64 if hierarchical else 50,
        d_steps=5 if hierarchical else 4,
        conditional=True,
        loss="hinge",
        dataset=Dataset(name="tfds:cifar10"),
        latent=Latent(dim=80, truncation=0.5) if hierarchical else Latent(dim=128),
        generator=ResNetGenerator(
            channels=(384,) * 4 if hierarchical else (256,) * 4,
            shared_dim=128 if hierarchical else 0,
            hierarchical=hierarchical,
            **shared(),
        ),
        discriminator=ResNetDiscriminator(
            channels=(192,) * 4 if hierarchical else (256,) * 4, **shared()
        ),
        ema=Ema(decay=0.9999, start=1000),
        num_samples=100,
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
