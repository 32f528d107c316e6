"""Let a notebook figure bring its alt text: myst-nb reads only width and height from an output."""

from __future__ import annotations

from docutils import nodes
from myst_nb.core.render import NbElementRenderer


def _with_alt(original):
    def render_image(self, data):
        found = original(self, data)
        alt = data.output_metadata.get(data.mime_type, {}).get("alt")
        for node in found:
            if alt and isinstance(node, nodes.image):
                node["alt"] = str(alt)
            node["classes"] = [*node.get("classes", []), "lr-figure"]
        return found

    render_image.carries_alt = True
    return render_image


def setup(app):
    if not getattr(NbElementRenderer.render_image, "carries_alt", False):
        NbElementRenderer.render_image = _with_alt(NbElementRenderer.render_image)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
