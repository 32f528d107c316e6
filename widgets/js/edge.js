// EdgeOfStability: full-batch training whose sharpness climbs to 2/rate; the reader moves the rate while it runs.
import { Panel } from "./core/chart.js";
import { number, slider } from "./core/controls.js";
import { Lab } from "./core/lab.js";
import { range, text } from "./core/numbers.js";
import { nearest, unpack, value } from "./core/recorded.js";
import { descent } from "./edge_task.js";

const NEAR = 0.1; // share of 2/rate within which the sharpness stands at the edge

// Steps with their loss and rate; and those where the sharpness was measured.
function fromRows(rows) {
  const [x, loss, rate, high] = [0, 1, 2, 3].map((c) => rows.column(c)),
    at = [...high.keys()].filter((i) => Number.isFinite(high[i]));
  return { x, loss, rate, sharpX: at.map((i) => x[i]), sharp: at.map((i) => high[i]) };
}

function fromRecord(file, run) {
  const d = unpack(file, run),
    lost = d.loss.findIndex(Number.isNaN),
    n = lost < 0 ? d.loss.length : lost,
    lr = value(file, run, "lr");
  const x = Array.from({ length: n }, (_, i) => i * file.made.every);
  return {
    x,
    loss: d.loss.slice(0, n),
    rate: x.map((_, i) => (lost >= 0 && i === n - 1 ? NaN : lr)),
    sharpX: x,
    sharp: d.sharpness.slice(0, n),
  };
}

const last = (a) => a[a.length - 1];

// Where the sharpness stands: "below", "on" or "above" 2/rate.
export const stand = (sharpness, lr) => {
  const p = (sharpness * lr) / 2;
  return p < 1 - NEAR ? "below" : p > 1 + NEAR ? "above" : "on";
};

class EdgeOfStability extends Lab {
  constructor(raw, el) {
    const train = (model) =>
      descent(
        { width: model.get("units"), seed: model.get("seed"), steps: model.get("steps"), every: model.get("every") },
        () => model.get("lr"),
      );
    super(raw, el, "edge_of_stability", {
      draw: (...a) => this.draw(...a),
      height: (w) => (w < 520 ? 400 : 420),
      train,
    });
    this.begin(this.controls(), "every");
  }

  controls() {
    const { model, t } = this,
      at = (key, more) => ({ label: t[key], key, model, ...more });
    return {
      lr: slider(at("lr", { min: 0.005, max: 0.5, step: 0.02, log: true, marks: () => this.limit() })),
      units: number(at("units", { label: t.width, min: 5, max: 100 })),
      steps: number(at("steps", { min: 100, max: 20000 })),
      seed: number(at("seed", { min: 0, max: 9999 })),
    };
  }

  // On the slider: the rate whose edge is the sharpness now.
  limit() {
    const now = this.shown && this.curve(),
      high = now && last(now.sharp);
    return high > 0 ? [{ at: 2 / high, label: `${this.t.limitNow} ${text(2 / high)}` }] : [];
  }

  get wants() {
    return ["lr"];
  }

  get keeps() {
    return Object.keys(this.all);
  }

  describe() {
    return {};
  }

  get previewed() {
    return !this.stream.rows.n && this.file && !this.busy;
  }

  curve() {
    if (this.stream.rows.n) return fromRows(this.stream.rows);
    return this.previewed ? fromRecord(this.file, nearest(this.file, this.wanted())) : null;
  }

  // The rate whose line 2/rate goes on: the slider's while it counts, else the last one that was applied.
  rate(now) {
    const used = now && now.rate.findLast(Number.isFinite);
    return this.busy || !used ? this.model.get("lr") : used;
  }

  draw(g, w, h, colors) {
    const now = this.curve(),
      ghost = this.stream.ghost,
      before = ghost ? fromRows(ghost.rows) : null,
      { t } = this,
      lr = this.rate(now);
    const there = [now, before].filter(Boolean),
      end = Math.max(this.total(), ...there.map((c) => last(c.x) || 0)),
      cut = Math.round((h - 90) * 0.58);
    const high = (range(there.map((c) => c.sharp)) || [0, 40])[1],
      edges = now ? Array.from(now.rate, (r) => 2 / r) : [2 / lr];
    const topmost = Math.max(1.15 * high, Math.min(1.15 * Math.max(...edges.filter(Number.isFinite), 0), 2.5 * high));
    const p = new Panel(
      g,
      colors,
      { x: 50, y: 22, w: w - 70, h: cut },
      { lo: 0, hi: end },
      { lo: 0, hi: topmost, label: t.sharpness },
    ).frame();
    if (before) p.line(before.sharpX, before.sharp, colors.ghost, { width: 1.5, dash: [5, 3] });
    this.edge(p, now, end, lr, colors);
    if (now) p.trail(now.sharpX, now.sharp, colors.a, { width: 2 });
    const all = range(
        there.map((c) => c.loss),
        true,
      ) || [0.01, 1],
      first = there.length ? there[0].loss[0] : 1,
      hi = Math.min(all[1], 20 * first);
    const q = new Panel(
      g,
      colors,
      { x: 50, y: cut + 66, w: w - 70, h: h - cut - 110 },
      { lo: 0, hi: end, label: t.step },
      { lo: Math.max(all[0], hi * 1e-6) * 0.8, hi: hi * 1.3, log: true, label: t.lossLog },
    ).frame();
    if (before) q.line(before.x, before.loss, colors.ghost, { width: 1.2, dash: [5, 3] });
    if (now) q.line(now.x, now.loss, colors.a, { width: 1.5 });
  }

  // The line 2/rate: as it was at each step, and on to the end as the slider says.
  edge(p, now, end, lr, colors) {
    const xs = now ? [...now.x] : [],
      ys = now ? Array.from(now.rate, (r) => 2 / r) : [],
      from = xs.length ? last(xs) : 0,
      ahead = 2 / lr;
    p.line([...xs, from, end], [...ys, ahead, ahead], colors.b, { width: 1.8, dash: [6, 4] });
    const words = `${this.t.edge} = ${text(ahead)}`,
      y = p.y(Math.min(ahead, p.Y.hi));
    const moved = now && now.rate[0] !== lr,
      at = moved ? p.box.x + p.box.w - p.g.measureText(words).width - 8 : p.box.x + 6;
    p.label(ahead > p.Y.hi ? `${words} ↑` : words, at, Math.max(p.box.y + 2, y - 18), colors.b);
  }

  total() {
    return this.previewed ? this.file.made.steps : this.model.get("steps");
  }

  show() {
    const { t } = this,
      now = this.curve(),
      n = this.total(),
      s = this.status,
      lr = this.rate(now);
    this.all.lr.show();
    if (!now || !now.sharp.length) {
      this.where("");
      this.tell(
        (t.edges[s] ? t.edges : t.trains)[s]({ made: 0, n, loss: "–", rate: text(lr) }),
        t.edges.picture({ n }),
        0,
        n,
      );
      return;
    }
    const made = last(now.x) + 1,
      gone = !Number.isFinite(last(now.rate)),
      high = last(now.sharp),
      verdict = gone ? "gone" : stand(high, lr);
    const v = { made, n, loss: text(last(now.loss)), sharpness: text(high), edge: text(2 / lr), lr: text(lr) };
    const words = gone ? t.edges.gone(v) : t.edges.at(v) + t.space + t.edges[verdict]();
    const before = this.previewed
      ? t.edges.shown({ lr: v.lr, seed: this.file.made.seed }) + t.space
      : s === "failed"
        ? t.edges.failed() + t.space
        : "";
    this.where(verdict);
    this.tell(before + words, t.edges.picture({ n }), this.previewed ? 0 : made, n);
  }

  where(verdict) {
    this.frame.root.dataset.verdict = verdict;
  }

  numbers() {
    const now = this.curve(),
      { t } = this,
      rows = [];
    if (now)
      for (let i = 0, every = Math.max(1, Math.ceil(now.sharpX.length / 20)); i < now.sharpX.length; i += every) {
        const k = now.x.indexOf(now.sharpX[i]);
        rows.push([String(now.sharpX[i]), text(now.loss[k]), text(now.sharp[i]), text(2 / now.rate[k])]);
      }
    this.frame.numbers([t.step, t.loss, t.sharpness, t.edge], rows);
  }
}

export const edgeOfStability = (raw, el) => {
  const lab = new EdgeOfStability(raw, el);
  return () => lab.end();
};
