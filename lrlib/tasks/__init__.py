"""Tasks: data + model + loss + metric, seeded. See `Task` for one of your own.

* on data: `digits`, `mnist1d`, `breast_cancer`, each with options against overfitting; their networks: `mlp`, `conv_net`
* with a known answer: `sparse_logistic` (`frequency_error`), `convex_logistic` (`distance`)
* toys: `quadratic`, `double_well`
"""

from .data import breast_cancer, digits, mnist1d
from .logistic import convex_logistic, distance, frequency_error, sparse_logistic
from .networks import conv_net, mlp
from .task import Task, accuracy, binary_accuracy, binary_loss
from .toys import Point, Well, double_well, quadratic

__all__ = ["Point", "Task", "Well", "accuracy", "binary_accuracy", "binary_loss", "breast_cancer", "conv_net", "convex_logistic",
           "digits", "distance", "double_well", "frequency_error", "mlp", "mnist1d", "quadratic", "sparse_logistic"]
