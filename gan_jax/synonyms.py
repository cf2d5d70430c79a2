"""What other codebases call things, so that a name of theirs is answered with the one to type.

What is neither in these tables nor nearly one of our own names gets no proposal: a wrong one costs
more than none.
"""

import difflib
import functools
import math
import os
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

# Parts of names, by what they stand for: "log_freq" is read as "log_every".
_PARTS = {
    "generator": "g gen netg",
    "discriminator": "d dis disc netd critic",
    "learning rate": "lr lrate",
    "batch size": "bs bsz batchsize",
    "steps": "step iter iters iteration iterations niter epoch epochs nepochs",
    "every": "freq frequency interval",
    "checkpoint": "ckpt save snapshot snap",
    "sample": "visualize vis plot",
    "log": "logging print display report",
    "eval": "evaluation evaluate validation val test fid metric metrics",
    "image": "img im images imgs",
    "latent": "z noise latents",
    "dim": "dims dimension",
    "optimizer": "optim opt adam",
    "b1": "beta1",
    "b2": "beta2",
    "eps": "epsilon",
    "augment": "aug augs augmentation diffaug diffaugment ada augpipe",
    "accumulate": "accum acc acml accumulation accumulations",
    "gradient": "grad",
    "dataset": "data datasets",
    "neighbours": "neighbors nearest",
    "": "num n number max total train training global use apply is net manual random default args",
}
# Settings, without "config.", and what they are called elsewhere when a part does not tell. PLAYER
# is either of the two; "|" stands between what families of networks have in each other's place.
_SETTINGS = {
    "PLAYER.optimizer.learning_rate": "step_size base_lr init_lr initial_lr",
    "generator.optimizer.learning_rate": "glr",
    "discriminator.optimizer.learning_rate": "dlr",
    "PLAYER.optimizer.b1 PLAYER.optimizer.b2": "betas adam_betas",
    "PLAYER.optimizer.name": "optimizer optimizer_type",
    "batch_size": (
        "batch minibatch minibatch_size batch_gpu per_device_batch_size per_gpu_batch_size"
    ),
    "steps": "kimg nimg",
    "d_steps": "k n_critic ndis n_d d_steps_per_g d_updates_per_step critic_updates",
    "g_steps": "n_gen g_updates_per_step",
    "accumulate": (
        "gradient_accumulation gradient_accumulation_steps accumulation_steps "
        "accumulate_grad_batches gradient_accumulate_every grad_accumulate_every"
    ),
    "packing": "pac pack packs pacgan pack_size",
    "conditional": "cond class_cond class_conditional cgan",
    "augment": "diff_augment augment_policy policy augment_types",
    "loss": (
        "loss_type loss_fn loss_function gan_mode gan_loss gan_type adv_loss adversarial_loss "
        "criterion objective"
    ),
    "penalty.name penalty.weight": (
        "penalty gp gp_weight gp_lambda gp_coef gp_scale lambda lambda_ lambda_gp lambda_term "
        "gradient_penalty gradient_penalty_weight gradient_penalty_lambda lambda_gradient_penalty "
        "r1 r1_gamma r1_weight r1_lambda lambda_r1 gamma"
    ),
    "penalty.every": "d_reg_every d_reg_interval reg_interval gp_every r1_every lazy_interval",
    "penalty.clip": (
        "clip_value clip_limit weight_clip weight_clipping weight_clip_value clip_weights "
        "clip_lower clip_upper weight_cliping_limit"
    ),
    "precision": "dtype fp16 bf16 fp32 amp half half_precision mixed_precision float16",
    "deterministic": "cudnn_deterministic deterministic_algorithms",
    "seed": "rng_seed torch_seed seed_everything data_seed",
    "latent.dim": "nz latent latent_size zdim zsize dim_z dim_latent",
    "latent.distribution": "noise_type latent_type prior",
    "latent.truncation": "trunc truncation_threshold",
    "PLAYER.width|PLAYER.channels|PLAYER.hidden": (
        "nf fmaps fmap_base fmap_max cbase cmax channel_base num_filters filters conv_dim "
        "base_channels base_dim base_width num_features"
    ),
    "generator.width|generator.channels|generator.hidden": (
        "ngf gf gf_dim g_ch g_conv_dim g_filters"
    ),
    "discriminator.width|discriminator.channels|discriminator.hidden": (
        "ndf df df_dim d_ch d_conv_dim d_filters"
    ),
    "PLAYER.hidden": "hidden_dim hidden_size hidden_sizes hidden_units hidden_layers layers units",
    "PLAYER.name": "arch architecture backbone network model model_type model_name net family",
    "generator.name": "generator",
    "discriminator.name": "discriminator",
    "PLAYER.activation": "act act_fn activation_fn nonlinearity",
    "PLAYER.batch_norm": "bn batchnorm norm norm_layer norm_type",
    "PLAYER.initializer": "init init_type weight_init initialization",
    "PLAYER.kernel": "kernel_size ksize filter_size",
    "PLAYER.spectral_norm": "sn spectral spectral_normalization",
    "PLAYER.attention": "attn attn_res self_attention attention_res attention_resolution",
    "PLAYER.orthogonal": "ortho ortho_reg orthogonal_reg orthogonal_regularization",
    "PLAYER.remat": "gradient_checkpointing activation_checkpointing checkpointing",
    "discriminator.minibatch_std": "mbstd mbstd_group mbstd_group_size minibatch_stddev",
    "dataset.name": (
        "dataset data_path data_root dataroot data_folder images image_dir image_folder "
        "image_path image_root images_dir train_dir train_path train_set train_data_dir"
    ),
    "dataset.image_size": (
        "resolution res size imsize imagesize image_dim image_res image_resolution input_size "
        "output_size load_size crop_size fine_size image_height image_width"
    ),
    "dataset.channels": (
        "nc in_channels input_channels image_channels c_dim color_channels grayscale"
    ),
    "dataset.flip": (
        "mirror hflip xflip x_flip horizontal_flip random_horizontal_flip mirror_augment"
    ),
    "dataset.dequantize": "dequant dequantization uniform_dequantization",
    "dataset.workers": "n_cpu num_threads data_workers dataloader_num_workers",
    "ema.decay": "ema ema_beta ema_rate ema_momentum g_ema_decay moving_average_decay polyak",
    "ema.half_life": "ema_kimg ema_nimg",
    "ema.start": "ema_start_step start_ema ema_warmup",
    "schedule.name": (
        "schedule scheduler lr_schedule lr_scheduler lr_scheduler_type lr_policy lr_decay"
    ),
    "schedule.begin": "decay_start decay_epoch lr_decay_start start_decay",
    "checkpoint_every": (
        "checkpoint save_epoch_freq save_latest_freq network_snapshot_ticks snapshot_ticks "
        "every_n_train_steps"
    ),
    "checkpoint_keep": (
        "keep max_to_keep save_top_k save_total_limit max_checkpoints keep_checkpoints keep_last"
    ),
    "eval_every": "val_check_interval check_val_every_n_epoch eval_strategy evaluation_strategy",
    "eval_every eval.best": "fid kid metrics calc_fid compute_fid calculate_fid",
    "eval.num_samples": "fid_images eval_images num_fid_images",
    "eval.batch_size": "per_device_eval_batch_size",
    "eval.features": "feature_extractor feature_net feature_network",
    "eval.weights": "inception_weights inception_path",
    "eval.neighbours": "nearest_k n_neighbors nhood_size",
    "eval.best": "best_metric metric_for_best_model which_best monitor",
    "sample_every": (
        "image_every image_snap image_snapshot_ticks save_image_every save_images_every"
    ),
    "num_samples": (
        "num_images sample_size sample_num sample_count num_sample_images sample_images nrow"
    ),
    "steps_per_call": "steps_per_execution steps_per_loop scan_steps",
}
# Values of settings and flags, by what they are called elsewhere.
_VALUES = {
    # of --mode
    "evaluate": "eval evaluation test testing score fid metrics metric val validate validation",
    "train": "fit training resume continue run finetune",
    "sample": "generate gen generation inference infer predict synthesize",
    "check": "dry_run dry check_data inspect sanity_check debug",
    "sweep": "tune tuning hpo search optuna",
    "prepare": "download prepare_data preprocess",
    "page": "report html overview dashboard",
    "verify": "reproduce replicate replay",
    "interpolate": "lerp slerp walk morph video",
    "neighbors": "knn nn memorization",
    "invert": "project projector projection encode",
    "complete": "inpaint inpainting fill",
    "export": "convert onnx deploy",
    # of losses and penalties
    "non_saturating": (
        "ns nsgan bce gan vanilla standard dcgan logistic softplus cross_entropy "
        "binary_cross_entropy nonsaturating_logistic"
    ),
    "minimax": "mm saturating mmgan original",
    "least_squares": "ls lsgan mse mse_loss l2",
    "wasserstein": "w wgan wgan_gp wass emd",
    "hinge": "geometric",
    "relativistic_pairing": "rpgan rgan rsgan r3gan",
    "wgan_gp": "gp gradient_penalty",
    "r1": "zero_centered r1_gp",
    "r1_r2": "r1r2",
    "none": "no off false null",
    # of the others
    "normal": "gaussian gauss randn",
    "uniform": "rand",
    "inception": "inception_v3",
    "inception_score": "is",
    "glorot_uniform": "xavier xavier_uniform",
    "he_normal": "kaiming kaiming_normal",
    "leaky_relu": "lrelu",
    "bfloat16": "bf16 half float16 fp16 mixed amp",
    "float32": "fp32 f32 full single",
    "quasi_random": "sobol qmc",
    "tpe": "bayesian bayes",
    "antialiased": "clean bicubic",
    "signed": "tanh",
    "unit": "sigmoid",
    "color": "colour",
    "spherical": "slerp",
    "linear": "lerp",
}
# Data sets of TFDS, by their names elsewhere.
_DATA_SETS = {
    "mnist": "",
    "fashion_mnist": "fmnist",
    "kmnist": "",
    "emnist": "",
    "cifar10": "cifar",
    "cifar100": "",
    "celeb_a": "",
    "svhn_cropped": "svhn",
    "stl10": "",
    "omniglot": "",
    "imagenet2012": "imagenet ilsvrc2012",
    "imagenette": "",
    "oxford_flowers102": "flowers102",
    "cats_vs_dogs": "",
}
# Flags, by what they are called elsewhere.
_FLAGS = {
    "workdir": (
        "outdir out_dir outf output output_dir output_path save_dir save_path savedir result_dir "
        "results_dir result_path results log_dir logdir logs run_dir rundir exp_dir expdir "
        "experiment_dir checkpoint_dir ckpt_dir model_dir default_root_dir sample_dir "
        "tensorboard_dir"
    ),
    "config": "cfg conf config_file config_path configs cfg_file exp experiment recipe",
    "study": "study_name",
    "trials": "n_trials max_trials",
}
_FLAGS_OF_A_RUN = {
    "out": (
        "outdir out_dir output output_dir output_path output_file save_dir save_path outfile "
        "results_dir sample_dir"
    ),
    "checkpoint": "ckpt step epoch iter load resume checkpoint_path ckpt_path load_step",
    "workdir": (
        "network network_pkl model model_path model_dir run run_dir checkpoint_dir pretrained "
        "log_dir logdir exp_dir"
    ),
    "num_samples": "n count n_samples num_images sample_size",
    "seed": "seeds random_seed manual_seed",
    "label": "labels class classes class_id class_idx class_label",
    "psi": "trunc truncation_psi trunc_psi",
    "images": "image input inputs input_path input_dir target data data_path dataset folder",
    "iterations": "steps num_steps n_iter iters",
    "frames": "num_frames",
    "restarts": "n_restarts",
}
# What is said where there is no such flag, and none that takes the value.
_ANSWERS = {
    "the same command continues the run that --workdir holds; leave it out": (
        "resume resume_from resume_path resume_training resume_from_checkpoint auto_resume "
        "continue continue_train continue_training load load_model load_checkpoint restore "
        "restore_from start_epoch start_step pretrained ckpt checkpoint_path ckpt_path"
    ),
    "type --mode=check, which reads all the data and trains nothing": (
        "dry_run dry check check_data debug fast_dev_run sanity_check smoke_test verify_data"
    ),
    "JAX takes every device that it sees; CUDA_VISIBLE_DEVICES=0 or JAX_PLATFORMS=cpu before "
    "the command chooses": (
        "gpu gpus gpu_id gpu_ids ngpu ngpus use_gpu cuda use_cuda no_cuda num_gpus n_gpus n_gpu "
        "device devices device_ids num_devices accelerator cpu tpu tpu_cores platform"
    ),
    "several processes take --coordinator_address, --num_processes and --process_id "
    "(docs/clusters.md)": (
        "nodes num_nodes nnodes world_size rank node_rank local_rank dist_url dist_backend "
        "master_addr master_port nproc_per_node distributed ddp multi_gpu strategy"
    ),
    "a run that has begun is continued, not replaced; name another --workdir": (
        "overwrite overwrite_output_dir force exist_ok"
    ),
}

_COUNTS_OTHERWISE = re.compile("epoch|niter|kimg|nimg|tick")
_PLAYERS = ("generator", "discriminator")
_CHOICES = {
    "loss": [
        "minimax", "non_saturating", "least_squares", "wasserstein", "hinge", "relativistic_pairing"
    ],
    "precision": ["float32", "bfloat16"],
}  # fmt: skip
_CLOSE = 0.75  # by difflib, where 1 is the same


def value(name: str, names: Iterable[str]) -> str:
    """Return which of some names another one means, or nearly is; "" where it is none of them."""
    names, word = list(names), _plain(name)
    for one in names:
        if _is_one_of(name, f"{one} {_VALUES.get(one, '')}"):
            return one
    longer = [one for one in names if len(word) > 2 and _plain(one).startswith(word)]
    if len(longer) == 1:
        return longer[0]
    one_slip = (len(word) - 1) / len(word) if len(word) > 2 else 1.0
    if near := _nearest(name, names, min(one_slip, _CLOSE), first=False):
        return near
    shorter = [one for one in names if len(one) > 2 and word.startswith(_plain(one))]
    return max(shorter, key=len, default="")


def settings(name: str, known: Collection[str]) -> list[str]:
    """Return the settings that a name may mean; none where that is not clear.

    Args:
      name: a path, such as "optimizer.lr", or its end; without "config.".
      known: the paths of all settings, without "config.".
    """
    *groups, last = name.split(".")
    found = _named(name, known) or _named(last, known) or _misspelled(last, known)
    ours = {part for path in known for part in path.split(".")[:-1]}
    for group in (_nearest(part, ours) for part in _parts(".".join(groups))):
        found = [path for path in found if group in path.split(".")[:-1]] or found
    return found if len(found) <= 4 else []


def setting_hint(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean A or B?" for the settings that a name may mean, or "".

    Args:
      name: of no setting; with "config." where the known ones have it.
      known: the paths of all settings.
    """
    prefix = "config." if name.startswith("config.") else ""
    found = settings(name.removeprefix("config."), [path.removeprefix("config.") for path in known])
    return f"; did you mean {' or '.join(prefix + path for path in found)}?" if found else ""


def instead(
    name: str,
    given: str | None,
    *,
    flags: Collection[str],
    modes: Collection[str],
    known: Mapping[str, Any],
    taken: Collection[str] = (),
) -> str:
    """Return what to type in place of a flag that there is not, or "".

    Args:
      name: of the flag, without "--".
      given: its value; None where it has none.
      flags: the names of all flags.
      modes: the names of all modes.
      known: the paths of all settings, without "config.", and their types.
      taken: the flags that the mode takes, where it uses a trained run.
    """
    if given is not None and "://" in given:
        given = None  # it may hold a password
    of_a_run = {ours: words for ours, words in _FLAGS_OF_A_RUN.items() if ours in taken}
    for table in (dict.fromkeys(flags, ""), of_a_run, _FLAGS):
        for ours, words in table.items():
            if _is_one_of(name, f"{ours} {words}"):
                is_none = ours == "config" and ".py" not in (given or "")
                return f"type {_typed(ours, None if is_none else given)}"
    for answer, words in _ANSWERS.items():
        if _is_one_of(name, words):
            return answer
    action = re.sub("^(do|run|only)_|_(only|mode)$", "", name)
    for mode in modes:
        if _is_one_of(action, f"{mode} {_VALUES.get(mode, '')}") and _is_a_switch(given):
            return f"type --mode={mode}"
    if found := settings(name, known):
        return as_settings(name, given, {path: known[path] for path in found})
    near = _nearest(name, flags)
    return f"type {_typed(near, given)}" if near else ""


def as_settings(name: str, given: str | None, found: Mapping[str, Any]) -> str:
    """Return the words that set what a flag was to set.

    Args:
      name: of the flag.
      given: its value; None where it has none.
      found: the settings that it means, without "config.", and their types.
    """
    note = ""
    if _COUNTS_OTHERWISE.search(name.lower()):
        given, note = None, ", which counts updates of G" if [*found] == ["steps"] else ""
    words = []
    for path, kind in found.items():
        own = given
        if len(found) > 1 and given is not None and (kind is str) == _is_number(given):
            own = None  # it is another one's
        if path == "dataset.name" and own:
            own = data_set(own) or own
        elif path in _CHOICES:
            meant = name if _is_a_switch(own) else own  # --fp16, or --gan_mode=lsgan
            own = value(meant, _CHOICES[path]) or None
        words.append(_typed(f"config.{path}", "true" if own is None and kind is bool else own))
    return f"type {' '.join(words)}{note}"


def data_set(name: str) -> str:
    """Return the `dataset.name` that another name of a data set or a bare path means, or ""."""
    for ours, words in _DATA_SETS.items():
        if _is_one_of(re.sub(r"^(tfds|torchvision|hf|datasets?)\W", "", name), f"{ours} {words}"):
            return f"tfds:{ours}"
    kind, _, rest = re.sub("^([a-z_]+)=", r"\1:", name).partition(":")
    if rest and _is_one_of(kind, "dir directory path file image images image_folder zip folder"):
        return f"folder:{rest.removeprefix('//')}"
    is_path = "/" in name or "\\" in name or name[:1] in (".", "~") or name.endswith(".zip")
    if "://" not in name and (is_path or os.path.exists(name)):
        return f"folder:{name}"
    return ""


def data_set_hint(name: str) -> str:
    """Return "; type ..." with what `data_set` finds, or ""."""
    found = data_set(name)
    return f"; type {_typed('config.dataset.name', found)}" if found else ""


def _typed(name: str, given: str | None) -> str:
    """Return a flag as a shell takes it."""
    return f"--{name}=..." if given is None else shlex.quote(f"--{name}={given}")


def _plain(name: str) -> str:
    return re.sub(r"[_\-\s]", "", name).lower()


def _is_one_of(name: str, words: str) -> bool:
    return _plain(name) in map(_plain, words.split())


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _is_a_switch(given: str | None) -> bool:
    return given is None or given.lower() in ("true", "1", "yes")


@functools.cache
def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a name in our words, the player first, without what says nothing."""
    if not name.isupper():
        name = re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", name)  # batchSize
    words = re.split(r"[_\-.\s]+", re.sub(r"_(?=\d)", "", name.lower()))  # beta_1
    parts = " ".join(_PART_OF.get(word, word) for word in words).split()
    return tuple(sorted(parts, key=lambda part: part not in _PLAYERS))


_PART_OF = {word: part for part, words in _PARTS.items() for word in words.split()}


def _named(name: str, known: Collection[str]) -> list[str]:
    """Return the settings that a name stands for, letter by letter or part by part."""
    if whole := [path for path in known if _plain(path) == _plain(name)]:
        return whole
    if same := [path for path in known if _plain(path.rpartition(".")[2]) == _plain(name)]:
        return _not_of_schedules(same)
    for ours, words in _SETTINGS.items():
        if _is_one_of(name, words) and (found := _there(ours, known)):
            return found
    return _of_parts(_parts(name), known)


def _of_parts(parts: tuple[str, ...], known: Collection[str]) -> list[str]:
    if not parts:
        return []
    if parts[-2:] == ("every", "steps"):
        parts = parts[:-1]
    if whole := [path for path in known if _parts(path) == parts]:
        return whole
    for ours, words in _SETTINGS.items():
        if parts in map(_parts, words.split()) and (found := _there(ours, known)):
            return found
    if ends := [path for path in known if parts in map(_parts, _ends(path))]:
        return _not_of_schedules(ends)
    if parts[-1] == "steps" and len(parts) > 1:  # between two of something
        return _of_parts((*parts[:-1], "every"), known)
    if parts[0] in _PLAYERS:
        return [path for path in _of_parts(parts[1:], known) if path.startswith(parts[0])]
    return []


def _not_of_schedules(found: list[str]) -> list[str]:
    """Return settings without those of a schedule, which are named after what they move."""
    return [path for path in found if not path.startswith("schedule.")] or found


def _ends(path: str) -> Iterator[str]:
    """Yield what a path ends in, and the same without "optimizer", which only one group is."""
    names = path.split(".")
    for first in range(len(names)):
        yield ".".join(names[first:])
    yield ".".join(name for name in names if name != "optimizer")


def _there(ours: str, known: Collection[str]) -> list[str]:
    """Return the first of some alternatives that there is in a config."""
    for paths in ours.split("|"):
        each = [
            path.replace("PLAYER", player)
            for path in paths.split()
            for player in (_PLAYERS if "PLAYER" in path else ("",))
        ]
        if found := [path for path in each if path in known]:
            return found
    return []


def _misspelled(name: str, known: Collection[str]) -> list[str]:
    """Return the settings whose names, or whose names elsewhere, are nearly a name."""
    ours = {path.rpartition(".")[2] for path in known}
    elsewhere = {word for words in _SETTINGS.values() for word in words.split()}
    near = _nearest(name, ours) or _nearest(name, elsewhere, 0.85)
    return _named(near, known) if near else []


def _nearest(name: str, names: Iterable[str], cutoff: float = _CLOSE, *, first: bool = True) -> str:
    """Return the name that another one is a slip of, or ""; digits, and first letters, are meant.

    Args:
      name: the slip.
      names: all that there are.
      cutoff: of difflib's ratio.
      first: whether the first letter must be the same, as of "n_steps" and "d_steps" it is not.
    """
    word, plain = _plain(name), {_plain(one): one for one in names}
    for near in difflib.get_close_matches(word, plain, n=3, cutoff=cutoff):
        same = re.findall(r"\d", near) == re.findall(r"\d", word)
        if same and (near[0] == word[0] or not first):
            return plain[near]
    return ""
