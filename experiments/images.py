r"""DCGAN on images of your own: any folder or zip, 32, 64 or 128 pixels a side, gray or in color.

  python launch.py --config=experiments/images.py --config.dataset.name=folder:PATH \
    --workdir=runs/mine
  python launch.py --config=experiments/images.py:conditional --config.dataset.name=folder:PATH \
    --workdir=runs/mine
"""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Eval, Latent, Optimizer, Penalty

VARIANTS = ("usual", "conditional")
IMAGES = 400_000  # real ones that D is shown: the budget


def get_config(variant: str = "usual") -> Config:
    def network(batch_norm: bool) -> DCGAN:
        optimizer = Optimizer(learning_rate=5e-4, b1=0.5)
        return DCGAN(width=32, base=4, batch_norm=batch_norm, optimizer=optimizer)

    batch_size = 64
    return Config(
        steps=IMAGES // batch_size,
        batch_size=batch_size,
        conditional=variant == "conditional",
        augment="auto",
        penalty=Penalty(name="r1", weight=0.1, every=4),
        dataset=Dataset(name="folder:images", image_size=32),
        latent=Latent(dim=64),
        generator=network(batch_norm=True),
        discriminator=network(batch_norm=False),
        ema=Ema(decay=0.999),
        sample_every=250,
        eval_every=1250,
        eval=Eval(features="pixels", num_samples=2000, kept=1000),
    )
