// The kit: one module for every widget; the trait `kind` names the view.
import { stride } from "./stride.js";

export const VIEWS = { stride };

// anywidget calls this once for each model and `render` once for each view of it.
export default () => ({
  initialize({ model }) { const v = VIEWS[model.get("kind")]; if (v && v.initialize) return v.initialize(model); },
  render({ model, el }) { return VIEWS[model.get("kind")](model, el); },
});
