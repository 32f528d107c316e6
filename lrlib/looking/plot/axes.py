"""What all figures share: axes to draw on, line styles, labels."""

from ..._base.arguments import shown

SIZE = (6.4, 3.6)  # inches
LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))  # told apart without colour too


def axes(ax):
    """`ax`, or the axes of a new figure; `TypeError` for what is no axes."""
    if ax is not None:
        if isinstance(ax, type) or not hasattr(ax, "get_legend_handles_labels"):
            raise TypeError(f"ax must be axes of matplotlib, or None for those of a new figure; got {shown(ax)}")
        return ax
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("lrlib.plot draws with matplotlib, which is not installed: pip install matplotlib") from error
    return Figure(figsize=SIZE, layout="constrained").add_subplot()


def texts(name, values, least=0):
    """`values`, a list of at least `least` texts; `TypeError` for anything else."""
    several = isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values)
    if not several or len(values) < least:
        raise TypeError(f"{name} must be a list of {f'at least {least} ' if least else ''}texts; got {shown(values)}")
    return values


def finish(ax, xlabel, ylabel, legend):
    """Label the axes, add a legend where it is wanted and there is something in it; return the figure."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return ax.figure
