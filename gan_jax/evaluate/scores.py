"""What two summaries say of each other: every metric of a row of eval.jsonl."""

import math

import numpy as np
from jaxtyping import Float

from gan_jax.evaluate import manifold
from gan_jax.evaluate.frechet import frechet_distance
from gan_jax.evaluate.kernel_distance import kernel_distance
from gan_jax.evaluate.manifold import Manifold
from gan_jax.evaluate.modes import mode_scores
from gan_jax.evaluate.summary import Summary


def compare(real: Summary, made: Summary, truth: Manifold, *, seed: int) -> dict[str, float]:
    """Scores a set against the real one.

    Args:
      real: of the reference.
      made: of the set that is scored.
      truth: of the real features, with the k of precision, recall, density and coverage, which is
        less than either side has features.
      seed: of KID's subsets.

    Returns:
      "fid" (Heusel et al. 2017), "kid" and "kid_std" (Binkowski et al. 2018), "precision" and
      "recall" (Kynkaanniemi et al. 2019), "density" and "coverage" (Naeem et al. 2020), "nearest";
      "inception_score" and "inception_score_std" (Salimans et al. 2016) and what is found of the
      classes where the extractor has some; "intra_fid" where both sides have labels, over the
      classes of which both have two examples, as many as "intra_fid_classes".
    """
    kid, kid_std = kernel_distance(real.features, made.features, seed=seed)
    row = {
        "fid": frechet_distance(real.moments, made.moments),
        "kid": kid,
        "kid_std": kid_std,
        **manifold.compare(truth, Manifold(made.features, truth.k))._asdict(),
        "nearest": nearest_ratio(real.features, made.features),
    }
    if made.inception_score is not None:
        row["inception_score"], row["inception_score_std"] = made.inception_score
        found = mode_scores(made.predicted, real.predicted)
        row |= {"modes": found.modes, "reverse_kl": found.reverse_kl}
    between = [
        frechet_distance(moments, made.by_class[label])
        for label, moments in real.by_class.items()
        if label in made.by_class and min(moments.count, made.by_class[label].count) > 1
    ]
    if between:
        row["intra_fid"], row["intra_fid_classes"] = float(np.mean(between)), len(between)
    return row


def nearest_ratio(
    real: Float[np.ndarray, "n dim"], made: Float[np.ndarray, "m dim"], most: int = 1000
) -> float:
    """Has it memorized? 0: copies; about 1: as far from real images as these from each other.

    The median distance of the first `most` made images to the nearest real one, over that of as
    many real images to the nearest other one.
    """
    made_to_real, _ = manifold.nearest_distances(made[:most], real)
    real_to_real, _ = manifold.nearest_distances(real[:most], real, exclude_self=True)
    usual = float(np.median(real_to_real))
    return float(np.median(made_to_real)) / usual if usual else math.nan
