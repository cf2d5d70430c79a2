"""The GANs that are measured, and what one step of each has to compute."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, jaxprs_in_params
from jax.interpreters import partial_eval

from gan_jax import parallel, prng
from gan_jax.config import (
    DCGAN,
    MLP,
    Config,
    Latent,
    Optimizer,
    ResNetDiscriminator,
    ResNetGenerator,
    as_dict,
)
from gan_jax.state import build_models, init_state
from gan_jax.step import make_call, make_train_step


class Case(NamedTuple):
    """A GAN without data: its images are noise, which costs the same.

    Attributes:
      config: what is trained, one update of D and one of G.
      shape: of an image.
      classes: of the images; 0 where the GAN is not conditional.
    """

    config: Config
    shape: tuple[int, int, int]
    classes: int = 0


def _adam(b1: float = 0.5, b2: float = 0.999) -> Optimizer:
    return Optimizer(learning_rate=2e-4, b1=b1, b2=b2)


def _mlp() -> Case:
    config = Config(
        batch_size=128,
        steps_per_call=10,
        generator=MLP(hidden=(128,), optimizer=_adam()),
        discriminator=MLP(hidden=(128,), optimizer=_adam()),
    )
    return Case(config, (28, 28, 1))


def _dcgan(base: int, shape: tuple[int, int, int]) -> Case:
    generator, discriminator = (DCGAN(width=64, base=base, optimizer=_adam()) for _ in "gd")
    return Case(Config(batch_size=64, generator=generator, discriminator=discriminator), shape)


def _sngan32() -> Case:
    config = Config(
        batch_size=32,
        loss="hinge",
        latent=Latent(dim=128),
        generator=ResNetGenerator(channels=(128,) * 4, optimizer=_adam(0.0, 0.9)),
        discriminator=ResNetDiscriminator(
            channels=(128,) * 4, spectral_norm=True, head_bias=False, optimizer=_adam(0.0, 0.9)
        ),
    )
    return Case(config, (32, 32, 3))


def _biggan32() -> Case:
    shared = {"initializer": "orthogonal", "spectral_norm": True, "attention": 16}
    config = Config(
        batch_size=32,
        loss="hinge",
        conditional=True,
        latent=Latent(dim=80),
        generator=ResNetGenerator(
            channels=(256,) * 4, shared_dim=128, hierarchical=True, optimizer=_adam(), **shared
        ),
        discriminator=ResNetDiscriminator(channels=(128,) * 4, optimizer=_adam(), **shared),
    )
    return Case(config, (32, 32, 3), classes=10)


CASES: dict[str, Callable[[], Case]] = {
    "mlp": _mlp,
    "dcgan28": lambda: _dcgan(7, (28, 28, 1)),
    "dcgan64": lambda: _dcgan(4, (64, 64, 3)),
    "sngan32": _sngan32,
    "biggan32": _biggan32,
}


def describe(case: Case) -> dict[str, Any]:
    """A case as JSON values, for programs that know nothing of `gan_jax`."""
    return {"config": as_dict(case.config), "shape": case.shape, "classes": case.classes}


class Trainer:
    """A case in training on all devices, with its batches at hand.

    Attributes:
      parameters: of G and of D.
      flops: of the matrix products and convolutions of one step as they are defined, over all
        devices; how they are computed may take fewer.
    """

    def __init__(self, case: Case):
        config, key = case.config, prng.root(0)
        models = build_models(config, case.shape, parallel.AXIS, case.classes)
        step = make_train_step(config, models, parallel.AXIS)
        self._call = parallel.parallelize(make_call(step, lambda constant, item: item))
        init = jax.jit(lambda key: init_state(config, models, case.shape, key))
        self._state, self._key = parallel.replicate(init(key)), parallel.replicate(key)
        self.parameters = [
            sum(leaf.size for leaf in jax.tree.leaves(player.params))
            for player in (self._state.generator, self._state.discriminator)
        ]
        devices = parallel.local_devices()
        leading = devices, config.steps_per_call, 1, config.batch_size // devices
        batch = {
            "image": np.random.default_rng(0).integers(0, 256, (*leading, *case.shape), np.uint8),
            "label": np.zeros(leading, np.int32),
        }
        self._batch, self._steps = parallel.shard(batch), config.steps_per_call
        self.flops = devices * count_flops(*alone(case))

    def train(self, steps: int) -> None:
        """Makes at least so many steps, and waits for the last.

        Raises:
          ValueError: if the steps are not whole calls.
        """
        if steps % self._steps:
            raise ValueError(f"{steps} steps are no multiple of the {self._steps} of a call")
        for _ in range(steps // self._steps):
            self._state, metrics = self._call(self._state, self._key, (), self._batch)
        jax.block_until_ready(metrics)

    def program(self) -> str:
        """The text of the compiled program of a call."""
        return self._call.lower(self._state, self._key, (), self._batch).compile().as_text()


def alone(case: Case) -> tuple[Any, ...]:
    """The step of a case on one device, without parallelism, and what it is called with."""
    config, key = case.config, prng.root(0)
    models = build_models(config, case.shape, None, case.classes)
    state = jax.eval_shape(lambda key: init_state(config, models, case.shape, key), key)
    share = config.batch_size // parallel.local_devices()
    batch = {
        "image": jax.ShapeDtypeStruct((1, share, *case.shape), np.uint8),
        "label": jax.ShapeDtypeStruct((1, share), np.int32),
    }
    return make_train_step(config, models, None), state, key, batch


def count_flops(function: Callable[..., Any], *arguments: Any) -> int:
    """Of a function's matrix products and convolutions as they are defined, not as Winograd's."""
    with jax.default_matmul_precision("highest"):
        return sum(times * flops for _, flops, times in products(function, *arguments))


def products(function: Callable[..., Any], *arguments: Any) -> Iterator[tuple[JaxprEqn, int, int]]:
    """The matrix products and convolutions of a function, those left out whose results it drops.

    Yields:
      (equation of the function's jaxpr, its floating-point operations, how often it is made)
    """
    closed = jax.make_jaxpr(function)(*arguments)
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    yield from _products(jaxpr, 1)


def _products(jaxpr: Jaxpr, times: int) -> Iterator[tuple[JaxprEqn, int, int]]:
    for equation in jaxpr.eqns:
        out = equation.outvars[0].aval
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            sides = [equation.invars[0].aval.shape[axis] for axis in contracted]
            yield equation, 2 * out.size * int(np.prod(sides)), times
        elif equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval
            features = kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
            yield equation, 2 * out.size * kernel.size // features, times
        else:
            for part in jaxprs_in_params(equation.params):
                yield from _products(part, times * equation.params.get("length", 1))
