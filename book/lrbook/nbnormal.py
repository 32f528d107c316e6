"""Bring an executed notebook into one canonical form, so that a second run gives the same bytes."""

from __future__ import annotations

import nbformat

from .nbtext import LAB_ONLY, SKIP

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


def _clean_cell(cell) -> None:
    for key in ("execution", "collapsed", "scrolled", "trusted"):
        cell.metadata.pop(key, None)
    if cell.cell_type != "code":
        cell.pop("attachments", None)
        return
    tags = list(cell.metadata.get("tags", []))
    if LAB_ONLY in tags:
        cell.outputs, cell.execution_count = [], None
        if SKIP not in tags:
            cell.metadata["tags"] = tags + [SKIP]
    cell.outputs = joined(cell.outputs)


def joined(outputs) -> list:
    """The outputs with neighbouring prints in one: a busy machine delivers them in pieces.

    >>> prints = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("a", "b")]
    >>> [output.text for output in joined(prints)]
    ['ab']
    """
    found: list = []
    for output in outputs:
        last = found[-1] if found else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            found.append(output)
    return found


def _clean_widgets(notebook):
    """Number the widget models, and drop the kit's code: the page brings it once for all."""
    widgets = notebook.metadata.pop("widgets", None)
    state = (widgets or {}).get(WIDGET_STATE, {}).get("state")
    if not state:
        return notebook
    for model in state.values():
        for key in ("_esm", "_css"):
            model["state"].pop(key, None)
    notebook.metadata["widgets"] = widgets
    text = nbformat.writes(notebook)
    for number, name in enumerate(state):
        text = text.replace(name, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def normalise(notebook):
    """The canonical form of an executed notebook.

    Kernel and language are fixed, times and front-end remarks dropped, `lab-only` cells left
    without output, prints joined, widget models numbered and freed of the kit's own code.

    >>> book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("x")])
    >>> normalise(book).metadata["kernelspec"]["name"]
    'python3'
    """
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebook.metadata["language_info"] = dict(LANGUAGE)
    for cell in notebook.cells:
        _clean_cell(cell)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return _clean_widgets(notebook)


def dumps(notebook) -> str:
    """The text of a notebook file: sorted keys, one final newline."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"
