// RegimeExplorer: where a constant first rate leads. Loss curves, accuracies and barrier; a slider picks the rate.
import { Panel } from "./core/chart.js";
import { number, slider } from "./core/controls.js";
import { Lab } from "./core/lab.js";
import { range, text } from "./core/numbers.js";

const ARMS = {
  pretrain_accuracy: { dash: [], width: 2, color: "a" },
  finetune_best: { dash: [7, 3], width: 2, color: "b" },
  finetune_worst: { dash: [2, 3], width: 1.4, color: "b" },
  average_accuracy: { dash: [9, 3, 2, 3], width: 2, color: "c" },
  feature_accuracy: { dash: [1, 3], width: 2, color: "ink" },
};
const COLUMNS = [
  "regime",
  "pretrain_loss",
  "pretrain_accuracy",
  "finetune_best",
  "finetune_worst",
  "average_accuracy",
  "feature_accuracy",
  "feature_finetuned",
  "feature_averaged",
  "barrier",
];
const holes = (values) => values.map((v) => (v === null ? NaN : v));
const percent = (v) => (Number.isFinite(v) && v !== null ? `${text(100 * v)} %` : "–");

// Where the rates of one regime begin and end, as [{name, from, to}] of indices, in the order of the rates.
export function bands(regime) {
  const out = [];
  regime.forEach((name, i) => {
    const before = out[out.length - 1];
    if (before && before.name === name) before.to = i;
    else out.push({ name, from: i, to: i });
  });
  return out;
}

export const closest = (rates, lr) =>
  rates.reduce((best, r, i) => (Math.abs(Math.log(r / lr)) < Math.abs(Math.log(rates[best] / lr)) ? i : best), 0);

class RegimeExplorer extends Lab {
  constructor(raw, el) {
    super(raw, el, "regime_explorer", { draw: (...a) => this.draw(...a), height: (w) => (w < 520 ? 640 : 600) });
    this.begin(this.controls(), "rates found stage share");
    const { canvas } = this.frame.picture,
      pick = (e) => this.pick(e);
    canvas.addEventListener("pointerdown", pick);
    this.frame.ends.push(() => canvas.removeEventListener("pointerdown", pick));
  }

  controls() {
    const { model, t } = this,
      at = (key, more) => ({ label: t[key], key, model, ...more });
    return {
      lr: slider(
        at("lr", { label: t.firstRate, min: 1e-7, max: 100, step: 0.05, log: true, list: () => this.table().rates }),
      ),
      low: number(at("low", { min: 1e-7, max: 100, step: "any" })),
      high: number(at("high", { min: 1e-7, max: 100, step: "any" })),
      lanes: number(at("lanes", { min: 8, max: 64 })),
      steps: number(at("steps", { min: 60, max: 40000 })),
      seed: number(at("seed", { min: 0, max: 999999 })),
    };
  }

  get wants() {
    return ["lr"];
  }

  get keeps() {
    return ["lr"];
  }

  describe() {
    return {};
  }

  // A recording is one whole: the slider picks among its rates.
  choose() {
    this.run = this.file;
  }

  // {rates, at: [k], losses: [k][lane], found}
  table() {
    const { model, file } = this;
    if (this.life === "recorded") {
      const k = Math.max(1, Math.round(this.player.at * file.at.length));
      return {
        rates: file.rates,
        at: file.at.slice(0, k),
        losses: file.loss.slice(0, k).map(holes),
        found: file.found,
      };
    }
    const { rows } = this.stream,
      rates = model.get("rates"),
      n = rows.width === rates.length + 1 ? rows.n : 0;
    return {
      rates,
      at: [...rows.column(0, n)],
      losses: Array.from({ length: n }, (_, i) => rates.map((_r, j) => rows.at(i, j + 1))),
      found: model.get("found") || {},
    };
  }

  get index() {
    return closest(this.table().rates, this.model.get("lr"));
  }

  // A press on the picture takes the rate under it.
  pick(e) {
    const p = this.panel,
      d = this.table();
    if (!p || e.offsetY < p.box.y || e.offsetX < p.box.x - 8 || e.offsetX > p.box.x + p.box.w + 8) return;
    this.model.write(
      "lr",
      d.rates.reduce((best, r) => (Math.abs(p.x(r) - e.offsetX) < Math.abs(p.x(best) - e.offsetX) ? r : best)),
    );
  }

  total() {
    return this.life === "recorded" ? this.file.made.steps : this.model.get("steps");
  }

  draw(g, w, h, colors) {
    const d = this.table(),
      { t } = this,
      i = this.index,
      left = 50,
      wide = w - 70,
      X = { lo: d.rates[0] / 1.1, hi: d.rates[d.rates.length - 1] * 1.1, log: true };
    this.drawLoss(g, colors, { x: left, y: 22, w: wide, h: 150 }, d, i);
    const words = this.legend(g, colors, d.found, { x: left, y: 222, w: wide }),
      top = words + 40,
      low = h - 46 - 70;
    const p = (this.panel = new Panel(g, colors, { x: left, y: top, w: wide, h: low - 40 - top }, X, {
      lo: 0.45,
      hi: this.highest(d.found),
      label: t.accuracy,
    }).frame());
    this.shade(p, d, colors, true);
    for (const [name, style] of Object.entries(ARMS)) this.arm(p, d, name, style, colors);
    this.cursor(p, d.rates[i], colors);
    const heights = holes(d.found.barrier || []),
      most = Math.max(4, (range([heights]) || [0, 0])[1]);
    const q = new Panel(
      g,
      colors,
      { x: left, y: low, w: wide, h: 70 },
      { ...X, label: t.firstAxis },
      { lo: 0, hi: most * 1.1, label: t.barrierAxis },
    ).frame();
    this.shade(q, d, colors, false);
    g.strokeStyle = colors.a;
    g.lineWidth = 3;
    g.setLineDash([]);
    heights.forEach((v, k) => {
      if (Number.isFinite(v)) q.path([q.x(d.rates[k]), q.y(0), q.x(d.rates[k]), q.y(Math.max(v, most * 0.015))]);
    });
    this.cursor(q, d.rates[i], colors);
  }

  highest(found) {
    return Math.max(0.88, (range(Object.keys(ARMS).map((k) => holes(found[k] || []))) || [0, 0])[1] + 0.02);
  }

  drawLoss(g, colors, box, d, i) {
    const first = d.losses.length ? Math.max(...d.losses[0].filter(Number.isFinite)) : 1,
      seen = range(d.losses, true) || [0.01, 1],
      hi = Math.min(seen[1], 10 * first);
    const p = new Panel(
      g,
      colors,
      box,
      { lo: 0, hi: this.total(), label: this.t.step },
      { lo: Math.max(seen[0], hi * 1e-6) * 0.8, hi: hi * 1.3, log: true, label: this.t.lossLog },
    ).frame();
    const line = (k, color, style) => {
      const ys = d.losses.map((row) => row[k]);
      p.line(d.at, ys, color, style);
    };
    d.rates.forEach((_, k) => {
      if (k !== i) line(k, colors.ghost, { width: 1, alpha: 0.45 });
    });
    if (d.losses.length) line(i, colors.a, { width: 2.4 });
  }

  // The names of the curves, each with its line; as many rows as they need. Returns where they end.
  legend(g, colors, found, box) {
    let x = box.x,
      y = box.y;
    g.textAlign = "left";
    g.textBaseline = "middle";
    for (const [name, { dash, width, color }] of Object.entries(ARMS)) {
      if (!found[name]) continue;
      const words = this.t.arms[name],
        need = 30 + g.measureText(words).width + 14;
      if (x > box.x && x + need > box.x + box.w) {
        x = box.x;
        y += 18;
      }
      g.strokeStyle = colors[color];
      g.lineWidth = width;
      g.setLineDash(dash);
      g.beginPath();
      g.moveTo(x, y);
      g.lineTo(x + 24, y);
      g.stroke();
      g.fillStyle = colors.ink;
      g.fillText(words, x + 30, y);
      x += need;
    }
    g.setLineDash([]);
    return y;
  }

  // Bands for every other regime, with their names on top.
  shade(p, d, colors, named) {
    const { g, box } = p,
      { rates, found } = d,
      end = (k) => (k < 0 ? box.x : k >= rates.length - 1 ? box.x + box.w : (p.x(rates[k]) + p.x(rates[k + 1])) / 2);
    bands(found.regime || []).forEach(({ name, from, to }, n) => {
      const x = end(from - 1),
        w = end(to) - x;
      if (n % 2) {
        g.fillStyle = colors.band;
        g.fillRect(x, box.y, w, box.h);
      }
      if (named) {
        g.fillStyle = colors.ink;
        g.textAlign = "center";
        g.textBaseline = "top";
        g.fillText(name, x + w / 2, box.y + 4);
      }
    });
  }

  arm(p, d, name, { dash, width, color }, colors) {
    const ys = d.found[name],
      band = d.found.bands?.[name];
    if (!ys) return;
    if (band) p.between(d.rates, band[0], band[1], colors[color]);
    p.line(d.rates, holes(ys), colors[color], { width, dash });
  }

  cursor(p, rate, colors) {
    const { g, box } = p,
      x = p.x(rate);
    g.strokeStyle = colors.ink;
    g.lineWidth = 1.2;
    g.setLineDash([]);
    p.path([x, box.y, x, box.y + box.h]);
  }

  show() {
    const { t } = this,
      s = this.status,
      d = this.table(),
      i = this.index,
      n = this.total(),
      made = d.at.length ? d.at[d.at.length - 1] : 0,
      last = d.losses[d.losses.length - 1];
    this.all.lr.show();
    const regime = d.found.regime?.[i] || "",
      recorded = this.life === "recorded",
      lr = text(d.rates[i]),
      v = { made, n, lanes: d.rates.length, lr, loss: last ? text(last[i]) : "–" };
    this.frame.root.dataset.regime = regime;
    let words = recorded
      ? t.regimes[this.file.made.pairs > 1 ? "recorded" : "recordedOne"]({ pairs: this.file.made.pairs, n }) + t.space
      : s === "stopped" || s === "failed"
        ? t.regimes[s](v) + t.space
        : "";
    if (regime) words += this.told(d.found, regime, i, lr);
    if (!recorded && this.busy)
      words =
        (this.model.get("stage") === "finetune" ? t.regimes.tunes(v) : last ? t.regimes.trains(v) : t.trains[s](v)) +
        t.space +
        words;
    else if (!recorded && !words) words = t.regimes.idle(v);
    this.tell(words, t.regimes.picture(v), recorded ? made : this.model.get("share"), recorded ? n : 1);
  }

  told(found, regime, i, lr) {
    const { t } = this,
      of = (name) => found[name]?.[i],
      r = t.regimes;
    let words =
      r.what[regime]({ lr, loss: text(of(regime === "1" ? "pretrain_loss" : "tail_loss") ?? NaN) }) +
      t.space +
      r.before({
        pretrained: percent(of("pretrain_accuracy")),
        averaged: percent(of("average_accuracy")),
        feature: percent(of("feature_accuracy")),
      });
    if (found.finetune_best)
      words +=
        t.space +
        r.after({
          worst: percent(of("finetune_worst")),
          best: percent(of("finetune_best")),
          barrier: text(of("barrier") ?? NaN),
        });
    if (found.shares) words += t.space + r.share({ share: found.shares[i], pairs: this.file?.made.pairs ?? 1 });
    return words;
  }

  numbers() {
    const { rates, found } = this.table(),
      { t } = this,
      there = COLUMNS.filter((c) => found[c]),
      shown = (c, v) => (c === "regime" ? v : c === "pretrain_loss" || c === "barrier" ? text(v ?? NaN) : percent(v));
    this.frame.numbers(
      [t.firstRate, ...there.map((c) => t.columns[c])],
      rates.map((r, i) => [text(r), ...there.map((c) => shown(c, found[c][i]))]),
    );
  }
}

export const regimeExplorer = (raw, el) => {
  const lab = new RegimeExplorer(raw, el);
  return () => lab.end();
};
