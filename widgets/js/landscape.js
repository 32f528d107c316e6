// LandscapeWalk: the plane through three solutions, the straight way between two of them, and the barrier on it.
import { Panel } from "./core/chart.js";
import { number, select, slider } from "./core/controls.js";
import { Lab } from "./core/lab.js";
import { range, text } from "./core/numbers.js";
import { closest } from "./regimes.js";

const FINE = [3e-4, 3e-3];
const holes = (values) => values.map((v) => (v === null ? NaN : v));

// Height at x on a line through points (xs rising, ys), by straight lines between them.
export function between(xs, ys, x) {
  let i = 1;
  while (i < xs.length - 1 && xs[i] < x) i++;
  const f = (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
  return ys[i - 1] + Math.max(0, Math.min(1, f)) * (ys[i] - ys[i - 1]);
}

// The highest point from A (0) to B (1), and the mean of both: {at, top, mean}.
export function ridge(xs, ys) {
  const mean = (between(xs, ys, 0) + between(xs, ys, 1)) / 2;
  let at = 0,
    top = -Infinity;
  xs.forEach((x, i) => {
    if (x > -1e-9 && x < 1 + 1e-9 && ys[i] > top) {
      top = ys[i];
      at = x;
    }
  });
  return { at, top, mean };
}

class LandscapeWalk extends Lab {
  constructor(raw, el) {
    super(raw, el, "landscape_walk", { draw: (...a) => this.draw(...a), height: (w) => (w < 520 ? 620 : 360) });
    this.begin(this.controls(), "found stage share");
    const { canvas } = this.frame.picture,
      pick = (e) => this.pick(e);
    canvas.addEventListener("pointerdown", pick);
    this.frame.ends.push(() => canvas.removeEventListener("pointerdown", pick));
    this.player.show = (at) => {
      if (this.player.playing) this.model.write("at", Math.round(100 * at) / 100);
      this.update();
    };
  }

  controls() {
    const { model, t } = this,
      at = (key, more) => ({ label: t[key], key, model, ...more });
    return {
      lr: slider(
        at("lr", {
          label: t.firstRate,
          min: 1e-4,
          max: 1,
          step: 0.05,
          log: true,
          list: () => (this.life === "recorded" ? this.file.rates : null),
        }),
      ),
      at: slider(
        at("at", {
          label: t.walker,
          min: -0.5,
          max: 1.5,
          step: 0.05,
          marks: () => [
            { at: 0, label: "A" },
            { at: 1, label: "B" },
          ],
        }),
      ),
      shown: select(at("shown", { choices: () => Object.entries(t.heights) })),
      steps: number(at("steps", { min: 60, max: 40000 })),
      seed: number(at("seed", { min: 0, max: 999999 })),
    };
  }

  get wants() {
    return ["lr"];
  }

  get keeps() {
    return ["lr", "at", "shown"];
  }

  describe() {
    return {};
  }

  choose() {
    this.run = this.file;
  }

  get index() {
    return closest(this.file.rates, this.model.get("lr"));
  }

  get land() {
    const found = this.life === "recorded" ? this.file.walks[this.index] : this.model.get("found");
    return found && found.line ? found : null;
  }

  pick(e) {
    const p = this.panel;
    if (
      !p ||
      e.offsetX < p.box.x - 8 ||
      e.offsetX > p.box.x + p.box.w + 8 ||
      e.offsetY < p.box.y ||
      e.offsetY > p.box.y + p.box.h + 20
    )
      return;
    const x = p.X.lo + ((e.offsetX - p.box.x) / p.box.w) * (p.X.hi - p.X.lo);
    this.model.write("at", Math.round(20 * Math.max(-0.5, Math.min(1.5, x))) / 20);
  }

  draw(g, w, h, colors) {
    const land = this.land,
      { t } = this,
      what = this.model.get("shown"),
      narrow = w < 520;
    const left = narrow ? { x: 46, y: 22, w: w - 60, h: 250 } : { x: 46, y: 22, w: w * 0.5 - 66, h: h - 70 };
    const right = narrow
      ? { x: 46, y: 352, w: w - 60, h: 210 }
      : { x: w * 0.5 + 40, y: 22, w: w * 0.5 - 54, h: h - 70 };
    const label = what === "loss" ? t.trainLoss : t.trainError,
      ys = land ? holes(land.line[what]) : [];
    const [lo, hi] = land ? range([ys]) : [0, 1],
      Y = {
        lo: Math.max(0, lo - (hi - lo) * 0.05),
        hi: Math.max(hi + (hi - lo) * 0.12, what === "loss" ? 1e-3 : 1),
        label,
      };
    if (land) this.plane(g, colors, left, land, what);
    this.panel = new Panel(g, colors, right, { lo: -0.5, hi: 1.5, label: t.way }, Y).frame();
    if (land) this.line(this.panel, land.line.at, ys, colors);
  }

  // Darker is higher; steps of the logarithm for the loss, of the value for the error.
  plane(g, colors, box, { plane, marks }, what) {
    const { a, b } = plane,
      z = holes(plane[what]),
      log = what === "loss",
      [lo, hi] = range([z], log) || [1, 1],
      f = log ? Math.log : Number,
      span = f(hi) - f(lo) || 1;
    const half = (v) => (v[1] - v[0]) / 2,
      X = { lo: a[0] - half(a), hi: a[a.length - 1] + half(a), label: this.t.way },
      Y = { lo: b[0] - half(b), hi: b[b.length - 1] + half(b), label: this.t.across };
    const p = new Panel(g, colors, box, X, Y);
    p.inside(() => {
      g.fillStyle = colors.a;
      a.forEach((x, i) =>
        b.forEach((y, j) => {
          const v = z[i * b.length + j],
            level = Number.isFinite(v) ? Math.round((12 * (f(Math.max(v, lo)) - f(lo))) / span) / 12 : 1,
            px = Math.floor(p.x(x - half(a))),
            py = Math.floor(p.y(y + half(b)));
          g.globalAlpha = 0.06 + 0.84 * level;
          g.fillRect(px, py, Math.floor(p.x(x + half(a))) - px, Math.floor(p.y(y - half(b))) - py);
        }),
      );
    });
    p.frame()
      .trail([0, 1], [0, 0], colors.ink, { width: 1.6 })
      .dots(
        marks.map((m) => m[0]),
        marks.map((m) => m[1]),
        colors.b,
        { radius: 4 },
      );
    marks.forEach((m, i) => p.label("ABC"[i], p.x(m[0]) + 7, p.y(m[1]) - 18, colors.ink));
    p.dots([this.model.get("at")], [0], colors.ink, { radius: 6, hollow: true });
    this.scale(g, colors, box, lo, hi);
  }

  // What the shades mean: lowest and highest, over the plane's upper right corner.
  scale(g, colors, box, lo, hi) {
    const n = 13,
      wide = 5,
      x = box.x + box.w - n * wide - 34,
      y = box.y - 14;
    g.fillStyle = colors.a;
    for (let i = 0; i < n; i++) {
      g.globalAlpha = 0.06 + (0.84 * i) / (n - 1);
      g.fillRect(x + i * wide, y, wide, 9);
    }
    g.globalAlpha = 1;
    g.fillStyle = colors.soft;
    g.textBaseline = "middle";
    g.textAlign = "right";
    g.fillText(text(lo, 2), x - 4, y + 5);
    g.textAlign = "left";
    g.fillText(text(hi, 2), x + n * wide + 4, y + 5);
  }

  line(p, xs, ys, colors) {
    const { g } = p,
      { at, top, mean } = ridge(xs, ys),
      here = this.model.get("at"),
      a = between(xs, ys, 0),
      b = between(xs, ys, 1);
    p.line(xs, ys, colors.a, { width: 2.2 });
    p.line([0, 1], [mean, mean], colors.b, { width: 1.4, dash: [5, 4] });
    if (top > mean) {
      g.strokeStyle = colors.b;
      g.lineWidth = 2;
      g.setLineDash([]);
      p.path([p.x(at), p.y(mean), p.x(at), p.y(top)]);
      p.label(
        this.t.barrier,
        p.x(at) + (at > 0.6 ? -g.measureText(this.t.barrier).width - 6 : 6),
        (p.y(mean) + p.y(top)) / 2 - 8,
        colors.b,
      );
    }
    p.dots([0, 1], [a, b], colors.b, { radius: 4 });
    p.label("A", p.x(0) - 14, p.y(a) - 18, colors.ink);
    p.label("B", p.x(1) + 6, p.y(b) - 18, colors.ink);
    p.dots([here], [between(xs, ys, here)], colors.ink, { radius: 6, hollow: true });
  }

  show() {
    const { t } = this,
      s = this.status,
      land = this.land,
      what = this.model.get("shown"),
      recorded = this.life === "recorded",
      at = this.model.get("at");
    this.all.at.show();
    this.all.lr.show();
    const lr = recorded ? this.file.rates[this.index] : this.model.get("lr"),
      fine = recorded ? this.file.made.finetune : FINE,
      share = recorded ? 1 : this.model.get("share");
    let words = recorded ? t.walks.recorded({ seed: this.file.made.seed, n: this.file.made.steps }) + t.space : "";
    if (land) {
      const { line, barrier } = land,
        height = barrier[what],
        tiny = what === "loss" ? 1e-3 : 0.1;
      words +=
        t.walks.from({ lr: text(lr), low: text(fine[0]), high: text(fine[1]) }) +
        t.space +
        t.walks.here({
          at: text(at),
          loss: text(between(line.at, holes(line.loss), at)),
          error: text(between(line.at, holes(line.error), at)),
        }) +
        t.space;
      const { at: peak } = ridge(line.at, holes(line[what])),
        kind = !(height > tiny) ? "flat" : peak > 1e-9 && peak < 1 - 1e-9 ? "hill" : "slope";
      words += t.walks[kind]({ height: text(height), unit: t.walks.units[what] });
      this.frame.root.dataset.barrier = kind;
    } else if (["running", "paused", "stopping"].includes(s))
      words += t.walks.trains({ share: Math.round(100 * share) });
    else words += (t.walks[s] || t.trains[s] || t.walks.idle)({ made: 0, n: 0, loss: "–", rate: "–" });
    this.tell(words, t.walks.picture({ what: t.heights[what] }), recorded ? (at + 0.5) / 2 : share, 1);
  }

  numbers() {
    const { t } = this,
      line = this.land?.line;
    this.frame.numbers(
      [t.way, t.trainLoss, t.trainError],
      line ? line.at.map((x, i) => [text(x), text(line.loss[i] ?? NaN), text(line.error[i] ?? NaN)]) : [],
    );
  }
}

export const landscapeWalk = (raw, el) => {
  const lab = new LandscapeWalk(raw, el);
  return () => lab.end();
};
