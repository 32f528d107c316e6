"""First rates at fixed multiples of each seed's own threshold, and what can be said of their band without a maximum.

The width of a noisy curve around its own maximum is too narrow, because the maximum is partly luck and its neighbours
are not. Here the place that counts as the best is chosen on one half of the seeds, and the other half says what its
neighbours lose: a mean of paired differences, whose interval over seeds is Student's.
"""

import numpy as np
from best_range import ends
from halves import halves
from regime_borders import FAR, NEAR

STEP = 0.25  # of log10 3: two places up and two down are a factor of three apart
PLACES = np.arange(-6, 7)
MULTIPLES = 3.0 ** (STEP * PLACES)
CONVERGING = PLACES <= 0
JUST_ABOVE, FAR_ABOVE = ~CONVERGING & (MULTIPLES <= NEAR), MULTIPLES >= FAR
AWAY = 2  # places to a neighbour at a factor of √3
ROUGH = 0.02  # below a seed's own best by which its band ends: single curves are rougher than means


def sides(valid, test):
    """What the neighbours at a factor of √3 below and above the band's place lose, [2, seed]; scores [place, seed].

    The place is chosen on the other half of the seeds, among those that have both neighbours.
    """
    found = np.empty((2, test.shape[-1]))
    for choose, judge in halves(test.shape[-1]):
        at = AWAY + valid[AWAY:-AWAY, choose].mean(axis=-1).argmax()
        found[:, judge] = [test[at, judge] - test[other, judge] for other in (at - AWAY, at + AWAY)]
    return found


def neighbours_lose(valid, test):
    """What the better of the two neighbours loses, [seed]; scores [place, seed].

    A band is narrow if *both* neighbours lose more than is of interest. So each half of the seeds is judged on the side
    where it loses less: where only one side falls, or the two halves choose places on opposite sides of a flat band, this
    cannot become an effect. The smaller of two means is too small rather than too large, which is against the claim.
    """
    both = sides(valid, test)
    found = np.empty(both.shape[1])
    for _, judge in halves(len(found)):
        found[judge] = both[both[:, judge].mean(axis=1).argmin(), judge]
    return found


def place(lr, score):
    """log10 of the middle of each seed's band, [seed], on its curve smoothed over three places; lr, score [place, seed]."""
    padded = np.pad(score, ((1, 1), (0, 0)), mode="edge")
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return np.array([np.mean(ends(rates, curve, ROUGH)) for rates, curve in zip(lr.T, smooth.T)])


def best_is_near(valid):
    """Whether each seed's best place lies just above its threshold, [seed] of 0 and 1; valid [place, seed]."""
    return JUST_ABOVE[valid.argmax(axis=0)].astype(float)
