"""BigGAN on ImageNet at 128x128.

  python launch.py --config=experiments/imagenet128_biggan.py --config.dataset.data_dir=DIR

Source: Brock et al. 2019 and ajbrock/BigGAN-PyTorch, scripts/launch_BigGAN_bs256x8.sh. The same:
both networks at 96 channels (shared class embedding of 128, hierarchical z of 120, conditional
BatchNorm, spectral norm in both, attention over 64x64), orthogonal start, hinge loss, k = 1, batch
2,048, Adam 1e-4 for G and 4e-4 for D with (0, .999) and epsilon 1e-6, moving average .9999 from
step 20,000. Pictures draw z truncated at .5. Different: the script makes its batch of 8 parts by
accumulating gradients, so that its BatchNorm sees 256 images, ours 2,048; biases start at 0; D sees
real and fake in two passes, with a power iteration each. The paper's orthogonal regularization is
off in the script; --config.generator.orthogonal=1e-4 turns it on.

Measured: not run; init and step are evaluated abstractly in the tests.
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


def get_config() -> Config:
    shared = {"initializer": "orthogonal", "spectral_norm": True, "attention": 64}
    return Config(
        steps=150_000,
        batch_size=2048,
        conditional=True,
        loss="hinge",
        dataset=Dataset(name="tfds:imagenet2012", image_size=128),
        latent=Latent(dim=120, truncation=0.5),
        generator=ResNetGenerator(
            channels=(1536, 1536, 768, 384, 192, 96),
            shared_dim=128,
            hierarchical=True,
            optimizer=Optimizer(learning_rate=1e-4, b1=0.0, b2=0.999, eps=1e-6),
            **shared,
        ),
        discriminator=ResNetDiscriminator(
            channels=(96, 192, 384, 768, 1536, 1536),
            down=5,
            optimizer=Optimizer(learning_rate=4e-4, b1=0.0, b2=0.999, eps=1e-6),
            **shared,
        ),
        ema=Ema(decay=0.9999, start=20_000),
        num_samples=100,
        log_every=100,
        sample_every=1000,
        checkpoint_every=1000,
    )
