"""Tasks: data + model + loss + metric, seeded. See `Task` for one of your own.

* on data: `digits`, `mnist1d`, `breast_cancer`, each with options against overfitting; their networks: `mlp`,
  `conv_net`
* with a known answer: `sparse_logistic` (`frequency_error`), `convex_logistic` (`distance`)
* language: `character_transformer`, the next symbol of a text, with `CausalTransformer` (`symbol_loss`)
* toys: `quadratic`, `double_well`
* with low-rank adapters on a trained network: `low_rank` (`LowRankLinear`, `adapter_start`, `merge_adapters`)
* on the sphere: `ticks` (`ticks_features`) and `mnist1d_sphere`, with `scale_invariant_mlp` and `unit_sphere`
"""

from .adapters import LowRankLinear, adapter_start, low_rank, merge_adapters
from .characters import character_transformer, symbol_loss
from .data import breast_cancer, digits, mnist1d
from .logistic import convex_logistic, distance, frequency_error, sparse_logistic
from .networks import conv_net, mlp
from .sphere import FrozenLinear, mnist1d_sphere, scale_invariant_mlp, unit_sphere
from .task import Task, accuracy, binary_accuracy, binary_loss
from .tick_signals import ticks, ticks_features
from .toys import Point, Well, double_well, quadratic
from .transformer import CausalTransformer

__all__ = [
    "CausalTransformer",
    "FrozenLinear",
    "LowRankLinear",
    "Point",
    "Task",
    "Well",
    "accuracy",
    "adapter_start",
    "binary_accuracy",
    "binary_loss",
    "breast_cancer",
    "character_transformer",
    "conv_net",
    "convex_logistic",
    "digits",
    "distance",
    "double_well",
    "frequency_error",
    "low_rank",
    "merge_adapters",
    "mlp",
    "mnist1d",
    "mnist1d_sphere",
    "quadratic",
    "scale_invariant_mlp",
    "sparse_logistic",
    "symbol_loss",
    "ticks",
    "ticks_features",
    "unit_sphere",
]
