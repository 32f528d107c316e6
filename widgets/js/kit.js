// The kit: one module for every widget; the trait `kind` names the view.
import { costLedger } from "./cost.js";
import { edgeOfStability } from "./edge.js";
import { landscapeWalk } from "./landscape.js";
import { regimeExplorer } from "./regimes.js";
import { sharedRate } from "./shared.js";
import { stride } from "./stride.js";
import { sweepLab } from "./sweep_lab.js";
import { trainingLab } from "./training_lab.js";

export const VIEWS = {
  stride,
  training_lab: trainingLab,
  sweep_lab: sweepLab,
  edge_of_stability: edgeOfStability,
  regime_explorer: regimeExplorer,
  landscape_walk: landscapeWalk,
  cost_ledger: costLedger,
  shared_rate: sharedRate,
};

// anywidget calls this once for each model and `render` once for each view of it.
export default () => ({ render: ({ model, el }) => VIEWS[model.get("kind")](model, el) });
