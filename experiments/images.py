r"""DCGAN on images of your own: any folder or zip, 32, 64 or 128 pixels a side, gray or in color.

  python launch.py --config=experiments/images.py --config.dataset.name=folder:PATH \
    --workdir=runs/mine
  python launch.py --config=experiments/images.py:conditional --config.dataset.name=folder:PATH \
    --workdir=runs/mine

Source: Radford et al. 2016 (DCGAN) with DiffAugment (Zhao et al. 2020), by the number of images,
and a moving average of G. The conditional variant has a D without BatchNorm and an R1 penalty
(Mescheder et al. 2018) every fourth step: on two classes of drawn shapes a D with BatchNorm, and a
G that was told the class beside z, collapsed. docs/own_images.md says what to change.

Measured on 2 CPU cores (JAX 0.10.2, seed 0) beside other jobs, which left it 200 to 430 images/s:
the budget of 400,000 images, on 3,786 emoji of 32x32 pixels, took 30 minutes. Diversity .95 to 1.04
from step 2,000 on; FID by averaged pixels 10.3, 6.4 and at the end 4.8; many different colorful
shapes on white. The conditional variant was not run to its end: after 1,400 steps on two classes
its diversity was 1.0, and the classes could be told apart in part.
"""

from gan_jax.config import DCGAN, Config, Dataset, Ema, Eval, Latent, Optimizer, Penalty

VARIANTS = ("usual", "conditional")
IMAGES = 400_000  # real ones that D is shown: the budget


def get_config(variant: str = "usual") -> Config:
    def network(batch_norm: bool) -> DCGAN:
        optimizer = Optimizer(learning_rate=5e-4, b1=0.5)
        return DCGAN(width=32, base=4, batch_norm=batch_norm, optimizer=optimizer)

    batch_size, conditional = 64, variant == "conditional"
    return Config(
        steps=IMAGES // batch_size,
        batch_size=batch_size,
        conditional=conditional,
        augment="auto",
        penalty=Penalty(name="r1", weight=0.1, every=4) if conditional else Penalty(),
        dataset=Dataset(name="folder:images", image_size=32),
        latent=Latent(dim=64),
        generator=network(batch_norm=True),
        discriminator=network(batch_norm=not conditional),
        ema=Ema(decay=0.999),
        sample_every=250,
        eval_every=1250,
        eval=Eval(features="pixels", num_samples=2000, kept=1000),
    )
