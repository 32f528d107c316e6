// TrainingLab: one run of a small network; its loss, and under it the rate that each step applied.
import { Panel } from "./core/chart.js";
import { number, select, slider } from "./core/controls.js";
import { Lab } from "./core/lab.js";
import { range, smooth, text } from "./core/numbers.js";
import { choices, unpack, value } from "./core/recorded.js";

const WANTED = ["task", "optimizer", "schedule", "lr"];

// A curve to draw: x, loss (every value), mean (a line through them), rate; of a live run or of a recorded one.
function fromRows(rows) {
  const loss = rows.column(1);
  return { x: rows.column(0), loss, mean: smooth(loss), rate: rows.column(2), meanX: null };
}

function fromRecord(file, run, part = 1) {
  const d = unpack(file, run),
    n = Math.max(1, Math.round(d.mean.length * part)),
    width = file.made.steps / d.mean.length;
  const middle = Float64Array.from({ length: n }, (_, i) => (i + 0.5) * width),
    twice = Float64Array.from({ length: 2 * n }, (_, i) => middle[i >> 1]);
  const factors = unpack({ columns: [file.factor] }, file.factor.runs[value(file, run, "schedule")]).factor,
    lr = value(file, run, "lr");
  return {
    x: twice,
    loss: twice.map((_, i) => (i % 2 ? d.most[i >> 1] : d.least[i >> 1])),
    mean: d.mean.slice(0, n),
    meanX: middle,
    rate: middle.map((_, i) => lr * factors[i]),
    rateX: middle,
  };
}

function lossRange(curves) {
  const all = range(
      curves.map((c) => c.loss),
      true,
    ) || [0.1, 3],
    first = curves.length && curves[0].loss.find(Number.isFinite);
  const hi = Math.min(all[1], 30 * (first || 3)),
    lo = Math.max(all[0], hi * 1e-6);
  return { lo: lo * 0.8, hi: Math.max(hi * 1.2, lo * 3) };
}

class TrainingLab extends Lab {
  constructor(raw, el) {
    super(raw, el, "training_lab", { draw: (...a) => this.draw(...a), height: (w) => (w < 520 ? 360 : 380) });
    this.begin(this.controls(), "");
  }

  controls() {
    const { model, t } = this,
      at = (key, more) => ({ label: t[key], key, model, ...more });
    const menu = (key) => select(at(key, { choices: () => this.menu(key) }));
    return {
      lr: slider(
        at("lr", {
          min: 1e-4,
          max: 10,
          step: 0.05,
          log: true,
          list: () => (this.life === "recorded" ? choices(this.file, "lr", this.wanted()) : null),
        }),
      ),
      optimizer: menu("optimizer"),
      schedule: menu("schedule"),
      task: menu("task"),
      momentum: number(at("momentum", { min: 0, max: 0.999, step: 0.01 })),
      steps: number(at("steps", { min: 10, max: 20000 })),
      seed: number(at("seed", { min: 0, max: 999999 })),
      device: menu("device"),
    };
  }

  get wants() {
    return WANTED;
  }

  get keeps() {
    return WANTED;
  }

  describe() {
    return { lr: this.model.get("lr"), optimizer: this.model.get("optimizer"), schedule: this.model.get("schedule") };
  }

  curves() {
    if (this.life === "recorded")
      return [
        fromRecord(this.file, this.run, this.player.at),
        this.ghostRun ? fromRecord(this.file, this.ghostRun) : null,
      ];
    const { rows, ghost } = this.stream;
    return [rows.n ? fromRows(rows) : null, ghost ? fromRows(ghost.rows) : null];
  }

  total() {
    return this.life === "recorded" ? this.file.made.steps : this.model.get("steps");
  }

  draw(g, w, h, colors) {
    const [now, before] = this.curves(),
      there = [now, before].filter(Boolean),
      { t } = this;
    const last = Math.max(this.total(), ...there.map((c) => c.x[c.x.length - 1] || 0)),
      top = Math.round((h - 90) * 0.68);
    const p = new Panel(
      g,
      colors,
      { x: 50, y: 22, w: w - 62, h: top },
      { lo: 0, hi: last },
      { ...lossRange(there), log: true, label: t.lossLog },
    ).frame();
    if (before) p.line(before.meanX || before.x, before.mean, colors.ghost, { width: 1.6, dash: [5, 3] });
    if (now)
      p.line(now.x, now.loss, colors.a, { width: 1, alpha: 0.4 }).line(now.meanX || now.x, now.mean, colors.a, {
        width: 2.2,
      });
    const rates = range(there.map((c) => c.rate)) || [0, this.model.get("lr")];
    const q = new Panel(
      g,
      colors,
      { x: 50, y: top + 66, w: w - 62, h: h - top - 110 },
      { lo: 0, hi: last, label: t.step },
      { lo: 0, hi: rates[1] * 1.1 || 1, label: t.applied },
    ).frame();
    if (before) q.line(before.rateX || before.x, before.rate, colors.ghost, { width: 1.4, dash: [5, 3] });
    if (now) q.line(now.rateX || now.x, now.rate, colors.b, { width: 2 });
  }

  show() {
    const { t } = this,
      [now] = this.curves(),
      s = this.status,
      n = this.total();
    const made = !now ? 0 : this.life === "recorded" ? Math.round(this.player.at * n) : this.stream.rows.n;
    const end = now ? now.mean[now.mean.length - 1] : NaN,
      rate = now ? now.rate[now.rate.length - 1] : NaN,
      first = now && now.loss.find(Number.isFinite);
    const v = { made, n, loss: text(end), rate: text(rate) };
    let words = (t.trains[now && made >= n && s !== "failed" ? "done" : s] || t.trains.idle)(v);
    if (now && (!Number.isFinite(now.loss[now.loss.length - 1]) || end > 2 * first)) words += t.space + t.trains.gone();
    else if (now && made >= n && end > 0.6 * first) words += t.space + t.trains.flat();
    if (this.life === "recorded")
      words = t.recordedAt({ lr: text(value(this.file, this.run, "lr")), seed: this.file.made.seed }) + t.space + words;
    this.tell(words, t.trains.picture(v), made, n);
  }

  numbers() {
    const [now] = this.curves(),
      { t } = this;
    if (!now) {
      this.frame.numbers([t.step, t.lossMean, t.applied], []);
      return;
    }
    const x = now.meanX || now.x,
      n = x.length,
      every = Math.max(1, Math.floor(n / 20)),
      rows = [];
    for (let i = 0; i < n; i += every) rows.push([text(Math.round(x[i]), 6), text(now.mean[i]), text(now.rate[i])]);
    if ((n - 1) % every) rows.push([text(Math.round(x[n - 1]), 6), text(now.mean[n - 1]), text(now.rate[n - 1])]);
    this.frame.numbers([t.step, t.lossMean, t.applied], rows);
  }
}

export const trainingLab = (raw, el) => {
  const lab = new TrainingLab(raw, el);
  return () => lab.end();
};
