"""Tasks: data + model + loss + metric, seeded. See `Task` for one of your own.

* on data: `digits`, `mnist1d`, `breast_cancer`, each with options against overfitting; their networks: `mlp`, `conv_net`
* with a known answer: `sparse_logistic` (`frequency_error`), `convex_logistic` (`distance`)
* toys: `quadratic`, `double_well`
* with low-rank adapters on a trained network: `low_rank` (`LowRankLinear`, `adapter_start`, `merge_adapters`)
* on the sphere: `ticks` (`ticks_features`) and `mnist1d_sphere`, with `scale_invariant_mlp` and `unit_sphere`
"""

from .adapters import LowRankLinear, adapter_start, low_rank, merge_adapters
from .data import breast_cancer, digits, mnist1d
from .logistic import convex_logistic, distance, frequency_error, sparse_logistic
from .networks import conv_net, mlp
from .sphere import FrozenLinear, mnist1d_sphere, scale_invariant_mlp, unit_sphere
from .task import Task, accuracy, binary_accuracy, binary_loss
from .ticks import ticks, ticks_features
from .toys import Point, Well, double_well, quadratic

__all__ = ["FrozenLinear", "LowRankLinear", "Point", "Task", "Well", "accuracy", "adapter_start", "binary_accuracy",
           "binary_loss", "breast_cancer", "conv_net", "convex_logistic", "digits", "distance", "double_well",
           "frequency_error", "low_rank", "merge_adapters", "mlp", "mnist1d", "mnist1d_sphere", "quadratic",
           "scale_invariant_mlp", "sparse_logistic", "ticks", "ticks_features", "unit_sphere"]
