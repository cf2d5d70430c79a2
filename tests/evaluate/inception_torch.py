"""The FID Inception beside PyTorch's, with the same random weights on the same images.

    python -m tests.evaluate.inception_torch [--peer_python=PYTHON]

PYTHON is an interpreter that has PyTorch and NumPy, this one by default. It runs this file as
`inception_torch.py --write=FOLDER`: builds the network in PyTorch, and leaves its weights and what
each of its blocks gives in FOLDER. This process then gives the same weights to `Inception`, prints
the largest difference of each block relative to its largest value, and ends with 1 if one of them
is beyond 1e-4.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SEED = 0
IMAGES = 2
TOLERANCE = 1e-4


def write(folder):
    """PyTorch's half: weights.npz and blocks.npz, the images among the latter; maps are NCHW."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def mean(x):
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)

    def largest(x):
        return F.max_pool2d(x, 3, stride=1, padding=1)

    def half(x):
        return F.max_pool2d(x, 3, stride=2)

    class ConvNorm(nn.Module):
        def __init__(self, inputs, outputs, kernel, stride=1, padding=0):
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
            self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

        def forward(self, x):
            return F.relu(self.bn(self.conv(x)))

    def row(inputs, outputs, size):
        return ConvNorm(inputs, outputs, (1, size), padding=(0, size // 2))

    def column(inputs, outputs, size):
        return ConvNorm(inputs, outputs, (size, 1), padding=(size // 2, 0))

    class Mixed(nn.Module):
        """Paths side by side; each a list of layer names, or of names side by side, or a pool."""

        def __init__(self, layers, *paths):
            super().__init__()
            for name, layer in layers.items():
                self.add_module(name, layer)
            self.paths = paths

        def forward(self, x):
            return torch.cat([self.follow(path, x) for path in self.paths], dim=1)

        def follow(self, path, x):
            for step in path:
                if isinstance(step, tuple):
                    x = torch.cat([getattr(self, name)(x) for name in step], dim=1)
                else:
                    x = step(x) if callable(step) else getattr(self, step)(x)
            return x

    def mixed_a(inputs, pool):
        layers = {
            "branch1x1": ConvNorm(inputs, 64, 1),
            "branch5x5_1": ConvNorm(inputs, 48, 1),
            "branch5x5_2": ConvNorm(48, 64, 5, padding=2),
            "branch3x3dbl_1": ConvNorm(inputs, 64, 1),
            "branch3x3dbl_2": ConvNorm(64, 96, 3, padding=1),
            "branch3x3dbl_3": ConvNorm(96, 96, 3, padding=1),
            "branch_pool": ConvNorm(inputs, pool, 1),
        }
        three = [f"branch3x3dbl_{n}" for n in (1, 2, 3)]
        five = ["branch5x5_1", "branch5x5_2"]
        return Mixed(layers, ["branch1x1"], five, three, [mean, "branch_pool"])

    def mixed_b(inputs):
        layers = {
            "branch3x3": ConvNorm(inputs, 384, 3, 2),
            "branch3x3dbl_1": ConvNorm(inputs, 64, 1),
            "branch3x3dbl_2": ConvNorm(64, 96, 3, padding=1),
            "branch3x3dbl_3": ConvNorm(96, 96, 3, 2),
        }
        return Mixed(layers, ["branch3x3"], [f"branch3x3dbl_{n}" for n in (1, 2, 3)], [half])

    def mixed_c(width):
        layers = {
            "branch1x1": ConvNorm(768, 192, 1),
            "branch7x7_1": ConvNorm(768, width, 1),
            "branch7x7_2": row(width, width, 7),
            "branch7x7_3": column(width, 192, 7),
            "branch7x7dbl_1": ConvNorm(768, width, 1),
            "branch7x7dbl_2": column(width, width, 7),
            "branch7x7dbl_3": row(width, width, 7),
            "branch7x7dbl_4": column(width, width, 7),
            "branch7x7dbl_5": row(width, 192, 7),
            "branch_pool": ConvNorm(768, 192, 1),
        }
        seven = [f"branch7x7_{n}" for n in (1, 2, 3)]
        twice = [f"branch7x7dbl_{n}" for n in (1, 2, 3, 4, 5)]
        return Mixed(layers, ["branch1x1"], seven, twice, [mean, "branch_pool"])

    def mixed_d():
        layers = {
            "branch3x3_1": ConvNorm(768, 192, 1),
            "branch3x3_2": ConvNorm(192, 320, 3, 2),
            "branch7x7x3_1": ConvNorm(768, 192, 1),
            "branch7x7x3_2": row(192, 192, 7),
            "branch7x7x3_3": column(192, 192, 7),
            "branch7x7x3_4": ConvNorm(192, 192, 3, 2),
        }
        seven = [f"branch7x7x3_{n}" for n in (1, 2, 3, 4)]
        return Mixed(layers, ["branch3x3_1", "branch3x3_2"], seven, [half])

    def mixed_e(inputs, pool):
        layers = {
            "branch1x1": ConvNorm(inputs, 320, 1),
            "branch3x3_1": ConvNorm(inputs, 384, 1),
            "branch3x3_2a": row(384, 384, 3),
            "branch3x3_2b": column(384, 384, 3),
            "branch3x3dbl_1": ConvNorm(inputs, 448, 1),
            "branch3x3dbl_2": ConvNorm(448, 384, 3, padding=1),
            "branch3x3dbl_3a": row(384, 384, 3),
            "branch3x3dbl_3b": column(384, 384, 3),
            "branch_pool": ConvNorm(inputs, 192, 1),
        }
        three = ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")]
        twice = ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")]
        return Mixed(layers, ["branch1x1"], three, twice, [pool, "branch_pool"])

    torch.manual_seed(SEED)
    network = nn.ModuleDict({
        "Conv2d_1a_3x3": ConvNorm(3, 32, 3, 2),
        "Conv2d_2a_3x3": ConvNorm(32, 32, 3),
        "Conv2d_2b_3x3": ConvNorm(32, 64, 3, padding=1),
        "Conv2d_3b_1x1": ConvNorm(64, 80, 1),
        "Conv2d_4a_3x3": ConvNorm(80, 192, 3),
        "Mixed_5b": mixed_a(192, 32),
        "Mixed_5c": mixed_a(256, 64),
        "Mixed_5d": mixed_a(288, 64),
        "Mixed_6a": mixed_b(288),
        "Mixed_6b": mixed_c(128),
        "Mixed_6c": mixed_c(160),
        "Mixed_6d": mixed_c(160),
        "Mixed_6e": mixed_c(192),
        "Mixed_7a": mixed_d(),
        "Mixed_7b": mixed_e(1280, mean),
        "Mixed_7c": mixed_e(2048, largest),
        "fc": nn.Linear(2048, 1008),
    }).eval()  # fmt: skip
    for (
        module
    ) in network.modules():  # every map has a spread of about 1, and no statistic is 0 or 1
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.2)
            nn.init.normal_(module.running_mean, 0.0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)

    images = torch.randint(0, 256, (IMAGES, 3, 299, 299)).float()
    blocks = {"images": images}
    x = (images - 128) / 128
    with torch.no_grad():
        for name, module in network.items():
            if name in ("Conv2d_3b_1x1", "Mixed_5b"):
                x = half(x)
            if name == "fc":
                blocks["pool"] = x = x.mean(dim=(2, 3))
                blocks["logits_unbiased"] = x @ module.weight.T
                name = "logits"
            blocks[name] = x = module(x)
    state = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
    for name, arrays in (("weights", state), ("blocks", blocks)):
        np.savez(folder / f"{name}.npz", **{key: array.numpy() for key, array in arrays.items()})
    torch.save(network.state_dict(), folder / "weights.pth")


def compare(folder):
    """This project's half; the largest of the blocks' relative differences."""
    import jax

    from gan_jax.evaluate import inception

    state = dict(np.load(folder / "weights.npz"))
    blocks = {
        key: array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        for key, array in np.load(folder / "blocks.npz").items()
    }

    @jax.jit
    def run(variables, images):
        return inception.Inception().apply(
            variables, images, mutable=["intermediates"],
            capture_intermediates=lambda module, method: len(module.path) == 1,
        )  # fmt: skip

    outputs, state = run(inception.from_state_dict(state), blocks.pop("images"))
    ours = {name: value["__call__"][0] for name, value in state["intermediates"].items()}
    ours |= outputs._asdict()
    differences = []
    print(f"{'block':>16} {'largest value':>14} {'difference':>11} {'relative':>9}")
    for name, theirs in blocks.items():
        size, difference = np.abs(theirs).max(), np.abs(theirs - ours[name]).max()
        differences.append(difference / size)
        print(f"{name:>16} {size:14.4f} {difference:11.2e} {difference / size:9.1e}")
    return max(differences)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer_python", default=sys.executable)
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        command = [arguments.peer_python, __file__, f"--write={folder}"]
        subprocess.run(command, check=True)
        largest = compare(pathlib.Path(folder))
    return int(not largest <= TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
