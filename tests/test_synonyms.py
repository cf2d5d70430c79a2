"""Names that other codebases use are answered with ours, or not at all."""

import pytest

from gan_jax import command, synonyms
from gan_jax.apply.options import Options, check
from gan_jax.config import METRICS, Config, MLPDiscriminator, ResNetGenerator, nearest, walk
from gan_jax.data.sources import open_source
from gan_jax.errors import UsageError
from gan_jax.losses import LOSSES
from gan_jax.penalties import PENALTIES
from gan_jax.sweep.space import SAMPLERS
from support import ROOT, tiny_config, tiny_mlp_config

BOTH = "generator.optimizer.{0} discriminator.optimizer.{0}"


def known(config):
    return {path.removeprefix("config."): field.type for path, field, _ in walk(config)}


DIGITS = known(command.load(str(ROOT / "experiments" / "digits_dcgan.py")))
# Names: the settings that they mean.
MEANT = {
    "lr learning_rate learningrate learnign_rate base_lr training.lr optimizer.lr optimiser.lr "
    "LR penalty.lr": BOTH.format("learning_rate"),
    "generator.optimizer.lr generator.lr g_lr lr_g lrG glr netG.lr G.lr optimizer_g.lr gen_lr "
    "generater.optimizer.learning_rate": "generator.optimizer.learning_rate",
    "d_lr lr_d dlr critic_lr discriminator.lr": "discriminator.optimizer.learning_rate",
    "schedule.lr": "schedule.learning_rate",
    "bs batch batchsize batchSize batch-size train_batch_size minibatch_size data.batch_size "
    "per_device_train_batch_size BATCH_SIZE": "batch_size",
    "epochs n_epochs nEpochs num_train_epochs max_epochs max_steps niter iterations num_iters kimg "
    "total_steps n_steps step": "steps",
    "k n_critic ncritic d_iters critic_iters disc_steps n_dis d_step": "d_steps",
    "g_iters gen_steps": "g_steps",
    "beta1 beta_1 adam_beta1 b1": BOTH.format("b1"),
    "beta2 adam_beta_2": BOTH.format("b2"),
    "epsilon adam_epsilon": BOTH.format("eps"),
    "optimizer optim": BOTH.format("name"),
    "nz z_dim zdim latent_dim noise_dim latent_size discriminator.latent_dim": "latent.dim",
    "ngf gf_dim g_ch generator.nf model.generator.ngf gen.width": "generator.width",
    "ndf df_dim": "discriminator.width",
    "nf num_filters width": "generator.width discriminator.width",
    "bn norm batch_norm": "generator.batch_norm discriminator.batch_norm",
    "resolution res image_size imageSize img_size imsize size load_size": "dataset.image_size",
    "gp lambda_gp gradient_penalty r1_gamma gamma penalty.lambda": "penalty.name penalty.weight",
    "clip_value weight_clip": "penalty.clip",
    "seed random_seed manualSeed manual_seed": "seed",
    "fid metrics": "eval_every eval.best",
    "eval_freq eval_interval eval_steps evaluation_steps test_every fid_every": "eval_every",
    "fid_samples num_fid_samples": "eval.num_samples",
    "eval_batch_size": "eval.batch_size",
    "log_freq log_interval logging_steps log_every_n_steps print_freq": "log_every",
    "save_freq save_steps save_interval ckpt_every": "checkpoint_every",
    "max_to_keep save_total_limit save_top_k": "checkpoint_keep",
    "sample_freq sample_interval": "sample_every",
    "n_samples num_images": "num_samples",
    "ema use_ema ema_decay ema_beta": "ema.decay",
    "ema_kimg": "ema.half_life",
    "fp16 amp use_amp mixed_precision dtype precison": "precision",
    "accumulate_grad_batches gradient_accumulation_steps grad_accum": "accumulate",
    "num_workers n_workers": "dataset.workers",
    "data dataroot dataset dataset_name": "dataset.name",
    "data_dir": "dataset.data_dir",
    "mirror hflip": "dataset.flip",
    "aug diffaug": "augment",
    "cond": "conditional",
    "loss_type gan_mode criterion": "loss",
    "lr_scheduler lr_schedule": "schedule.name",
    "features": "eval.features",
    # What gan_jax has not, or what could be too many things.
    "foo x name weight_decay dropout momentum warmup_steps max_grad_norm min_lr beta3 device "
    "n_layers patience TTUR num_classes spectral_norm hidden grad_clip tags f_steps": "",
}  # fmt: skip


@pytest.mark.parametrize("names", MEANT)
def test_a_setting_is_proposed_by_meaning(names):
    for name in names.split():
        found = synonyms.settings(name, DIGITS)
        assert sorted(found) == sorted(MEANT[names].split()), name


def test_what_a_family_of_networks_has_is_proposed():
    mlp = known(tiny_mlp_config(discriminator=MLPDiscriminator()))
    assert synonyms.settings("hidden_dim", mlp) == ["generator.hidden", "discriminator.hidden"]
    assert synonyms.settings("ngf", mlp) == ["generator.hidden"]
    assert synonyms.settings("mbstd", mlp) == ["discriminator.minibatch_std"]
    mixed = known(tiny_config(generator=ResNetGenerator()))
    assert synonyms.settings("g_sn", mixed) == ["generator.spectral_norm"]
    assert synonyms.settings("attn", mixed) == ["generator.attention"]
    assert synonyms.settings("nf", mixed) == ["discriminator.width"]


def test_every_setting_means_itself():
    for path in DIGITS:
        assert synonyms.settings(path, DIGITS) == [path]


def test_every_name_in_the_tables_is_one_of_ours():
    ours = {path for config in map(command.load, map(str, (ROOT / "experiments").glob("*.py")))
            for path in known(config)}  # fmt: skip
    ours |= known(tiny_mlp_config(discriminator=MLPDiscriminator())).keys()
    for paths in synonyms._SETTINGS:
        for path in paths.replace("|", " ").split():
            assert path.replace("PLAYER", "generator") in ours, path
    flags = {*Options._fields, "workdir", "config", "study", "trials", "checkpoint"}
    assert flags >= {*synonyms._FLAGS, *synonyms._FLAGS_OF_A_RUN}
    assert {*LOSSES} == {*synonyms._CHOICES["loss"]}


MODES = (
    "train", "check", "evaluate", "verify", "sweep", "prepare", "page", "sample", "interpolate",
    "neighbors", "invert", "complete", "export",
)  # fmt: skip
VALUES = [
    (MODES, {"eval": "evaluate", "test": "evaluate", "Evaluation": "evaluate", "generate": "sample",
             "samples": "sample", "trian": "train", "training": "train", "resume": "train",
             "dry_run": "check", "inpaint": "complete", "interp": "interpolate", "vrify": "verify",
             "foo": "", "x": ""}),
    (LOSSES, {"hinge_loss": "hinge", "wgan": "wasserstein", "WGAN-GP": "wasserstein",
              "lsgan": "least_squares", "mse": "least_squares", "bce": "non_saturating",
              "ns": "non_saturating", "NonSaturating": "non_saturating", "minmax": "minimax",
              "relativistic": "relativistic_pairing", "lecam": "", "foo": ""}),
    (PENALTIES, {"gp": "wgan_gp", "gradient_penalty": "wgan_gp", "R1": "r1", "r3": ""}),
    (METRICS, {"is": "inception_score", "FID": "fid", "fid50k_full": "fid", "prdc": ""}),
    (SAMPLERS, {"sobol": "quasi_random", "bayesian": "tpe"}),
    (("adam", "rmsprop", "sgd"), {"Adam": "adam", "RMSProp": "rmsprop", "lion": ""}),
    (("float32", "bfloat16"), {"bf16": "bfloat16", "fp32": "float32"}),
]  # fmt: skip


@pytest.mark.parametrize(("names", "meant"), VALUES)
def test_a_value_is_proposed_by_meaning(names, meant):
    for name, one in meant.items():
        assert nearest(name, names) == (f"; did you mean {one}?" if one else ""), name


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("/data/cats", "--config.dataset.name=folder:/data/cats"),
        ("./cats", "--config.dataset.name=folder:./cats"),
        ("cats.zip", "--config.dataset.name=folder:cats.zip"),
        ("~/cats", "'--config.dataset.name=folder:~/cats'"),
        ("/data/my cats", "'--config.dataset.name=folder:/data/my cats'"),
        ("there", "--config.dataset.name=folder:there"),
        ("folder=/data/cats", "--config.dataset.name=folder:/data/cats"),
        ("dir:/data/cats", "--config.dataset.name=folder:/data/cats"),
        ("file:///data/cats", "--config.dataset.name=folder:/data/cats"),
        ("mnist", "--config.dataset.name=tfds:mnist"),
        ("CIFAR-10", "--config.dataset.name=tfds:cifar10"),
        ("celeba", "--config.dataset.name=tfds:celeb_a"),
        ("tfds/mnist", "--config.dataset.name=tfds:mnist"),
    ],
)
def test_a_bare_path_as_a_data_set_is_answered_with_what_to_type(
    tmp_path, monkeypatch, name, typed
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    config = Config().dataset
    config.name = name
    with pytest.raises(UsageError) as refused:
        open_source(config)
    assert str(refused.value).endswith(f"; type {typed}")


@pytest.mark.parametrize("name", ["s3://bucket/cats", "https://here.org/cats.zip", "cats"])
def test_what_is_no_path_is_not_proposed_as_one(name):
    assert synonyms.data_set_hint(name) == ""


def test_a_flag_of_other_modes_is_answered_with_the_runs_own_setting():
    for options, typed in (
        (Options(seed=3), "type --config.seed=3"),
        (Options(num_samples=9), "type --config.num_samples=9"),
        (Options(images="/data/cats"), "type --config.dataset.name=folder:/data/cats"),
        (Options(label="3"), "leave it out"),
    ):
        with pytest.raises(UsageError) as refused:
            check("train", options)
        assert str(refused.value).endswith(f"; {typed}")
