// SweepLab: loss against rate for many rates at once, filling in as they train.
import { Panel } from "./core/chart.js";
import { number, select } from "./core/controls.js";
import { Lab } from "./core/lab.js";
import { range, text } from "./core/numbers.js";
import { unpack, value } from "./core/recorded.js";

const WANTED = ["task", "optimizer", "momentum"];

// The largest rate whose loss is below the target, and the rate of the least loss.
export function outcome(rates, losses, target) {
  let threshold = null,
    best = null,
    least = Infinity;
  rates.forEach((rate, i) => {
    const l = losses[i];
    if (l < target && (threshold === null || rate > threshold)) threshold = rate;
    if (l < least) {
      least = l;
      best = rate;
    }
  });
  return { threshold, best, least };
}

class SweepLab extends Lab {
  constructor(raw, el) {
    super(raw, el, "sweep_lab", { draw: (...a) => this.draw(...a), height: (w) => (w < 520 ? 330 : 380) });
    this.begin(this.controls(), "rates suggestions default_lr");
  }

  controls() {
    const { model, t } = this,
      at = (key, more) => ({ label: t[key], key, model, ...more });
    const menu = (key) => select(at(key, { choices: () => this.menu(key) }));
    return {
      optimizer: menu("optimizer"),
      task: menu("task"),
      momentum: number(at("momentum", { min: 0, max: 0.999, step: 0.01 })),
      target: number(at("target", { min: 1e-4, max: 10, step: 0.05 })),
      low: number(at("low", { min: 1e-7, max: 100, step: "any" })),
      high: number(at("high", { min: 1e-7, max: 100, step: "any" })),
      lanes: number(at("lanes", { min: 32, max: 256 })),
      steps: number(at("steps", { min: 10, max: 5000 })),
      seed: number(at("seed", { min: 0, max: 999999 })),
      device: menu("device"),
    };
  }

  get wants() {
    return WANTED;
  }

  get keeps() {
    return [...WANTED, "target"];
  }

  describe() {
    return { rates: this.model.get("rates").slice() };
  }

  // {rates, steps: [k], losses: [k][lane], default, suggestions}
  table() {
    if (this.life === "recorded") return this.recordedTable(this.run, this.player.at);
    const { rows } = this.stream,
      rates = this.model.get("rates"),
      n = rows.width === rates.length + 1 ? rows.n : 0;
    return {
      rates,
      steps: rows.column(0, n),
      losses: Array.from({ length: n }, (_, i) => rates.map((_r, j) => rows.at(i, j + 1))),
      default: this.model.get("default_lr"),
      suggestions: this.model.get("suggestions"),
    };
  }

  recordedTable(run, part) {
    const { file } = this,
      flat = unpack(file, run).loss,
      m = file.made.rates.length,
      k = Math.max(1, Math.round(part * file.made.at.length));
    return {
      rates: file.made.rates,
      steps: file.made.at.slice(0, k),
      losses: Array.from({ length: k }, (_, i) => flat.subarray(i * m, (i + 1) * m)),
      default: run.default,
      suggestions: run.suggestions,
    };
  }

  before() {
    if (this.life === "recorded") {
      const d = this.ghostRun && this.recordedTable(this.ghostRun, 1);
      return d ? [d.rates, d.losses[d.losses.length - 1]] : null;
    }
    const ghost = this.stream.ghost;
    if (!ghost || !ghost.rows.n || ghost.rows.width !== ghost.meta?.rates.length + 1) return null;
    return [ghost.meta.rates, ghost.meta.rates.map((_, j) => ghost.rows.at(ghost.rows.n - 1, j + 1))];
  }

  draw(g, w, h, colors) {
    const d = this.table(),
      { t } = this,
      target = this.model.get("target"),
      now = d.losses[d.losses.length - 1],
      before = this.before();
    const seen = range([...d.losses, before ? before[1] : []], true) || [0.05, 3],
      first = d.losses.length ? Math.min(...[...d.losses[0]].filter(Number.isFinite)) : 3;
    const hi = Math.max(Math.min(seen[1], 8 * first), target * 1.2),
      lo = Math.max(Math.min(seen[0], target), hi * 1e-6);
    const X = { lo: d.rates[0], hi: d.rates[d.rates.length - 1], log: true, label: t.rateLog };
    const p = new Panel(g, colors, { x: 50, y: 22, w: w - 62, h: h - 70 }, X, {
      lo: lo * 0.8,
      hi: hi * 1.3,
      log: true,
      label: t.lossLog,
    }).frame();
    this.marks(p, d, colors);
    g.strokeStyle = colors.c;
    g.lineWidth = 1;
    g.setLineDash([2, 3]);
    p.path([p.box.x, p.y(target), p.box.x + p.box.w, p.y(target)]);
    g.setLineDash([]);
    if (before) p.line(before[0], before[1], colors.ghost, { width: 1.4, dash: [5, 3] });
    if (!now) return;
    for (const part of [0.1, 0.3, 0.6]) {
      const i = Math.floor(part * d.losses.length);
      if (i < d.losses.length - 1) p.line(d.rates, d.losses[i], colors.a, { width: 1, alpha: 0.35 });
    }
    p.line(d.rates, now, colors.a, { width: 2 }).dots(d.rates, now, colors.a, { radius: 2.5 });
    this.crosses(p, d.rates, now, colors);
    const { threshold } = outcome(d.rates, now, target);
    if (threshold) p.mark(threshold, `${t.threshold} ${text(threshold)}`, colors.c, { dash: [], level: 0 });
  }

  marks(p, d, colors) {
    const list = Object.entries(d.suggestions || {}).sort((a, b) => a[1] - b[1]);
    list.forEach(([rule, rate], i) =>
      p.mark(rate, this.t.rules[rule] || rule, colors.b, { dash: [1, 3], level: 2 + i }),
    );
    p.mark(d.default, `${this.t.default} ${text(d.default)}`, colors.ink, { dash: [6, 4], level: 1 });
  }

  crosses(p, rates, losses, colors) {
    const { g, box } = p;
    g.strokeStyle = colors.b;
    g.lineWidth = 1.6;
    g.setLineDash([]);
    rates.forEach((rate, i) => {
      if (Number.isFinite(losses[i])) return;
      const x = p.x(rate),
        y = box.y + 8;
      p.path([x - 3, y - 3, x + 3, y + 3]);
      p.path([x - 3, y + 3, x + 3, y - 3]);
    });
  }

  show() {
    const d = this.table(),
      { t } = this,
      s = this.status,
      now = d.losses[d.losses.length - 1],
      target = this.model.get("target");
    const n = this.life === "recorded" ? this.file.made.steps : this.model.get("steps"),
      made = now ? d.steps[d.steps.length - 1] : 0;
    let words;
    if (!now) words = (t.trains[s] || t.trains.idle)({ made, n, loss: "–", rate: "–" });
    else {
      const o = outcome(d.rates, now, target),
        gone = [...now].filter((x) => !Number.isFinite(x)).length;
      const v = {
        made,
        lanes: d.rates.length,
        target: text(target),
        threshold: o.threshold && text(o.threshold),
        best: text(o.best ?? NaN),
        least: text(o.least),
        gone,
      };
      words =
        (this.busy ? t.sweeps.sofar : t.sweeps.ended)(v) +
        t.space +
        (s === "failed" ? t.sweeps.failed + t.space : "") +
        (o.threshold ? t.sweeps.threshold(v) : t.sweeps.none(v));
      if (gone) words += t.space + t.sweeps.gone(v);
    }
    if (this.life === "recorded")
      words =
        t.sweepRecorded({
          seed: this.file.made.seed,
          momentum: this.hasMomentum ? text(value(this.file, this.run, "momentum")) : null,
        }) +
        t.space +
        words;
    this.tell(words, t.sweeps.picture({ lanes: d.rates.length }), made, n);
  }

  numbers() {
    const d = this.table(),
      { t } = this,
      now = d.losses[d.losses.length - 1];
    this.frame.numbers(
      [t.rate, t.lossMean],
      d.rates.map((r, i) => [text(r), now ? (Number.isFinite(now[i]) ? text(now[i]) : t.diverged) : "–"]),
    );
  }
}

export const sweepLab = (raw, el) => {
  const lab = new SweepLab(raw, el);
  return () => lab.end();
};
