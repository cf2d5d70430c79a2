"""The same GANs in PyTorch, as one writes them there: the worker whose times ours are held to.

It imports nothing but PyTorch, so it runs in an environment of its own. The networks, losses and
order of updates are those of `gan_jax`, read from the same config: D on real and on fake images in
two passes, then G on fresh latents, its gradient computed for G's parameters alone.
"""

import argparse
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

VARIANTS = ("eager", "channels_last", "compile", "compile channels_last")


class MLPGenerator(nn.Module):
    def __init__(self, options, z_dim, shape):
        super().__init__()
        height, width, channels = shape
        self.shape = channels, height, width
        self.layers = _stack([z_dim, *options["hidden"], height * width * channels])

    def forward(self, z, label):
        return torch.tanh(self.layers(z)).view(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    def __init__(self, options, shape):
        super().__init__()
        self.layers = _stack([shape[0] * shape[1] * shape[2], *options["hidden"], 1])

    def forward(self, x, label):
        return self.layers(x.flatten(1))[:, 0]


def _stack(widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class DCGANGenerator(nn.Module):
    def __init__(self, options, z_dim, shape):
        super().__init__()
        self.base = options["base"]
        widths = _stage_widths(options, shape)[::-1]
        self.project = nn.Linear(z_dim, self.base**2 * widths[0], bias=False)
        layers = []
        for inputs, outputs in zip(widths, [*widths[1:], shape[2]]):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
        self.layers = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z, label):
        return self.layers(self.project(z).view(len(z), -1, self.base, self.base))


class DCGANDiscriminator(nn.Module):
    def __init__(self, options, shape):
        super().__init__()
        widths = _stage_widths(options, shape)
        layers = []
        for stage, (inputs, outputs) in enumerate(zip([shape[2], *widths], widths)):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(outputs)] if stage else []
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.judge = nn.Linear(options["base"] ** 2 * widths[-1], 1, bias=False)

    def forward(self, x, label):
        return self.judge(self.layers(x).flatten(1))[:, 0]


def _stage_widths(options, shape):
    halvings = (shape[0] // options["base"]).bit_length() - 1
    return [options["width"] << stage for stage in range(halvings)]


class ConditionalBatchNorm(nn.Module):
    def __init__(self, features, condition):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.gain = spectral_norm(nn.Linear(condition, features, bias=False))
        self.bias = spectral_norm(nn.Linear(condition, features, bias=False))

    def forward(self, x, y):
        return self.norm(x) * (1 + self.gain(y))[:, :, None, None] + self.bias(y)[:, :, None, None]


class SelfAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.theta, self.phi = (_conv(channels, channels // 8, 1, True, False) for _ in "tp")
        self.g = _conv(channels, channels // 2, 1, True, False)
        self.o = _conv(channels // 2, channels, 1, True, False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        theta = self.theta(x).flatten(2)
        phi, g = F.max_pool2d(self.phi(x), 2).flatten(2), F.max_pool2d(self.g(x), 2).flatten(2)
        weights = torch.softmax(theta.transpose(1, 2) @ phi, dim=-1)
        seen = (g @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.gamma * self.o(seen)


def _conv(inputs, outputs, size, normalize, bias=True):
    layer = nn.Conv2d(inputs, outputs, size, 1, size // 2, bias=bias)
    return spectral_norm(layer) if normalize else layer


class GeneratorBlock(nn.Module):
    def __init__(self, inputs, outputs, normalize, condition):
        super().__init__()
        self.conditional = bool(condition)
        if condition:
            self.norms = nn.ModuleList(
                ConditionalBatchNorm(n, condition) for n in (inputs, outputs)
            )
        else:
            self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (inputs, outputs))
        self.first = _conv(inputs, outputs, 3, normalize)
        self.second = _conv(outputs, outputs, 3, normalize)
        self.shortcut = _conv(inputs, outputs, 1, normalize)

    def forward(self, x, y):
        def norm(index, h):
            return self.norms[index](h, y) if self.conditional else self.norms[index](h)

        h = self.first(F.interpolate(F.relu(norm(0, x)), scale_factor=2))
        h = self.second(F.relu(norm(1, h)))
        return h + F.interpolate(self.shortcut(x), scale_factor=2)


class ResNetGenerator(nn.Module):
    def __init__(self, options, z_dim, shape, classes):
        super().__init__()
        self.channels, normalize = options["channels"], options["spectral_norm"]
        blocks = len(self.channels) - 1
        self.parts = blocks + 1 if options["hierarchical"] else 1
        condition = options["shared_dim"] and options["shared_dim"] + z_dim // self.parts
        self.shared = nn.Embedding(classes, options["shared_dim"]) if condition else None
        self.project = nn.Linear(z_dim // self.parts, 16 * self.channels[0])
        if normalize:
            spectral_norm(self.project)
        pairs = zip(self.channels, self.channels[1:])
        self.blocks = nn.ModuleList(GeneratorBlock(*pair, normalize, condition) for pair in pairs)
        self.attention_side = options["attention"]
        if self.attention_side:
            stage = (self.attention_side // 4).bit_length() - 1
            self.attention = SelfAttention(self.channels[stage])
        self.norm = nn.BatchNorm2d(self.channels[-1])
        self.out = _conv(self.channels[-1], shape[2], 3, normalize)

    def forward(self, z, label):
        z, *parts = torch.split(z, z.shape[1] // self.parts, dim=1)
        x = self.project(z).view(-1, self.channels[0], 4, 4)
        y = self.shared(label) if self.shared else None
        for index, block in enumerate(self.blocks):
            x = block(x, torch.cat([y, parts[index]], 1) if parts else y)
            if x.shape[-1] == self.attention_side:
                x = self.attention(x)
        return torch.tanh(self.out(F.relu(self.norm(x))))


class DiscriminatorBlock(nn.Module):
    def __init__(self, inputs, outputs, normalize, first, down):
        super().__init__()
        self.leads, self.down = not first, down
        self.first = _conv(inputs, outputs, 3, normalize)
        self.second = _conv(outputs, outputs, 3, normalize)
        shaped = down or inputs != outputs
        self.shortcut = _conv(inputs, outputs, 1, normalize) if shaped else nn.Identity()

    def forward(self, x):
        h = self.second(F.relu(self.first(F.relu(x) if self.leads else x)))
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        return h + self.shortcut(x)


class ResNetDiscriminator(nn.Module):
    def __init__(self, options, shape, classes):
        super().__init__()
        channels, normalize = options["channels"], options["spectral_norm"]
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(inputs, outputs, normalize, index == 0, index < options["down"])
            for index, (inputs, outputs) in enumerate(zip([shape[2], *channels], channels))
        )
        self.attention_side = options["attention"]
        if self.attention_side:
            self.attention = SelfAttention(
                channels[(shape[0] // self.attention_side).bit_length() - 2]
            )
        self.head = nn.Linear(channels[-1], 1, bias=options["head_bias"])
        self.classes = nn.Embedding(classes, channels[-1]) if classes else None
        if normalize:
            spectral_norm(self.head)
            if classes:
                spectral_norm(self.classes)

    def forward(self, x, label):
        attended = False
        for block in self.blocks:
            x = block(x)
            if x.shape[-1] == self.attention_side and not attended:
                x, attended = self.attention(x), True
        h = F.relu(x).sum((2, 3))
        logits = self.head(h)[:, 0]
        return logits + (self.classes(label) * h).sum(1) if self.classes else logits


def build(case):
    """(generator, discriminator) of a case, as `benchmarks.cases.describe` writes it."""
    config, shape, classes = case["config"], case["shape"], case["classes"]
    g, d, z_dim = config["generator"], config["discriminator"], config["latent"]["dim"]
    if g["name"] == "mlp":
        return MLPGenerator(g, z_dim, shape), MLPDiscriminator(d, shape)
    if g["name"] == "dcgan":
        return DCGANGenerator(g, z_dim, shape), DCGANDiscriminator(d, shape)
    return ResNetGenerator(g, z_dim, shape, classes), ResNetDiscriminator(d, shape, classes)


def make_step(case, variant, device):
    """A function without arguments that trains for one step, and both networks."""
    config, (height, width, channels) = case["config"], case["shape"]
    layout = torch.channels_last if "channels_last" in variant else torch.contiguous_format
    players = [network.to(device, memory_format=layout) for network in build(case)]
    optimizers = [
        torch.optim.Adam(
            network.parameters(),
            lr=settings["learning_rate"],
            betas=(settings["b1"], settings["b2"]),
        )
        for network, settings in zip(players, _optimizers(config))
    ]
    generate, discriminate = (
        torch.compile(network) if "compile" in variant else network for network in players
    )
    batch, z_dim = config["batch_size"], config["latent"]["dim"]
    pixels = torch.randint(0, 256, (batch, channels, height, width), dtype=torch.uint8)
    pixels = pixels.to(device, memory_format=layout)
    label = torch.zeros(batch, dtype=torch.long, device=device)
    d_loss, g_loss = _losses(config["loss"])

    def step():
        real = pixels.float().div_(127.5).sub_(1)
        with torch.no_grad():
            fake = generate(torch.randn(batch, z_dim, device=device), label)
        loss = d_loss(discriminate(real, label), discriminate(fake, label))
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()

        players[1].requires_grad_(False)  # G's update needs no gradient for D's parameters
        loss = g_loss(
            discriminate(generate(torch.randn(batch, z_dim, device=device), label), label)
        )
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        players[1].requires_grad_(True)
        return loss

    return step, players


def _optimizers(config):
    return config["generator"]["optimizer"], config["discriminator"]["optimizer"]


def _losses(name):
    if name == "hinge":
        return (
            lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
            lambda fake: -fake.mean(),
        )
    return (
        lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        lambda fake: F.softplus(-fake).mean(),
    )


def flops(step):
    """Floating-point operations of the convolutions and matrix products of one step."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def main():
    """Answers, on standard output, each line of standard input: how many steps to time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", type=json.loads)
    parser.add_argument("--variant", choices=VARIANTS, default="eager")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.perf_counter()
    step, players = make_step(arguments.case, arguments.variant, device)
    eager, _ = make_step(arguments.case, "eager", device)
    step().item()
    about = {
        "first_step_seconds": time.perf_counter() - began,
        "parameters": [sum(p.numel() for p in network.parameters()) for network in players],
        "flops": flops(eager),
        "version": f"PyTorch {torch.__version__}",
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
    }
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            loss = step()
        loss.item()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak_bytes": peak}), flush=True)


if __name__ == "__main__":
    main()
