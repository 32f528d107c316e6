"""The face of lrlib: every public name, and the module that it is loaded from when it is first used.

`lrlib/__init__.py` reads this list at run time; editors and type checkers read it as it is. What is imported as a
module (`tasks`, `rules`, …) keeps its names to itself, because they are as short as `adam`, `digits` or `losses`.
"""

from . import plans as plans, tasks as tasks
from .methods import optimizers as optimizers, rules as rules
from .looking import plot as plot
from ._base import streams as streams
from .plans import (
    Plan as Plan,
    ramp as ramp,
    hold as hold,
    fade as fade,
    constant as constant,
    step as step,
    multi_step as multi_step,
    piecewise as piecewise,
    warmup as warmup,
    linear as linear,
    polynomial as polynomial,
    exponential as exponential,
    cosine as cosine,
    cosine_restarts as cosine_restarts,
    inverse_time as inverse_time,
    inverse_sqrt as inverse_sqrt,
    one_cycle as one_cycle,
    one_cycle_momentum as one_cycle_momentum,
    triangular as triangular,
    triangular2 as triangular2,
    exp_range as exp_range,
    slanted_triangular as slanted_triangular,
    wsd as wsd,
    geometric_cooling as geometric_cooling,
    logarithmic_cooling as logarithmic_cooling,
    fast_cooling as fast_cooling,
    reheat as reheat,
    Table as Table,
    SHAPES as SHAPES,
    FADES as FADES,
)
from .plans.layers import layerwise as layerwise, ulmfit as ulmfit
from .plans.plateau import Plateau as Plateau
from .methods.augmentation import Images as Images, Signals as Signals
from .methods.averaging import (
    EMA as EMA,
    LAWA as LAWA,
    SWA as SWA,
    Average as Average,
    update_batch_norm as update_batch_norm,
)
from .methods.initialization import (
    he as he,
    initialize as initialize,
    mutual_information as mutual_information,
    orthogonal as orthogonal,
    relevance as relevance,
    xavier as xavier,
)
from .methods.optimizers import (
    SGD as SGD,
    Momentum as Momentum,
    Nesterov as Nesterov,
    Adagrad as Adagrad,
    RMSprop as RMSprop,
    Adam as Adam,
    AMSGrad as AMSGrad,
    AdamW as AdamW,
    AdaBelief as AdaBelief,
    RAdam as RAdam,
    LARS as LARS,
    HypergradientSGD as HypergradientSGD,
    HypergradientAdam as HypergradientAdam,
    AnnealedSGD as AnnealedSGD,
    RuleOptimizer as RuleOptimizer,
)
from .methods.rules import RULES as RULES, Rule as Rule
from .methods.stopping import EarlyStopping as EarlyStopping, Stalling as Stalling, Worsening as Worsening
from .tasks import Task as Task
from .runs.attachment import Attachment as Attachment, attach as attach
from .runs.single import Event as Event, fit as fit, steps as steps
from .runs.sweeps import SweepEvent as SweepEvent, sweep as sweep, sweep_steps as sweep_steps
from .runs.sweeps.jobs import PartEvent as PartEvent
from .runs.record import Record as Record
from .runs.evaluation import evaluate_weights as evaluate_weights, record_model as record_model
from .choosing.bounds import LastIterateBound as LastIterateBound, last_iterate_bound as last_iterate_bound
from .choosing.finder import (
    SUGGESTION_RULES as SUGGESTION_RULES,
    Finding as Finding,
    RangeTest as RangeTest,
    SuggestionRule as SuggestionRule,
    Threshold as Threshold,
    ThresholdCurve as ThresholdCurve,
    convergence_threshold as convergence_threshold,
    find as find,
    range_test as range_test,
    reached as reached,
    smooth as smooth,
    threshold_curve as threshold_curve,
)
from .choosing.recipe import (
    Candidate as Candidate,
    Difference as Difference,
    Report as Report,
    large_rate as large_rate,
)
from .choosing.regimes import Borders as Borders, borders as borders, run_losses as run_losses
from .looking.curvature import (
    LaneEigenvalues as LaneEigenvalues,
    TopEigenvalue as TopEigenvalue,
    Trace as Trace,
    largest_stable_rate as largest_stable_rate,
    preconditioner as preconditioner,
    sharpness as sharpness,
    sharpness_lanes as sharpness_lanes,
    trace as trace,
)
from .looking.landscape import (
    Barrier as Barrier,
    Slice as Slice,
    UpdateRatios as UpdateRatios,
    angles as angles,
    barrier as barrier,
    filter_normalised as filter_normalised,
    loss_line as loss_line,
    loss_plane as loss_plane,
    rescaled as rescaled,
    update_ratios as update_ratios,
)
from .looking.units import Activity as Activity, activity as activity, effective_rank as effective_rank
from ._base.device import available_devices as available_devices
from ._base.preserve import one_thread as one_thread, random_states as random_states
from ._base.statistics import (
    bootstrap as bootstrap,
    interval as interval,
    jackknife as jackknife,
    leave_one_out as leave_one_out,
    share_interval as share_interval,
)
from ._base.streams import initial_model as initial_model

__version__: str
