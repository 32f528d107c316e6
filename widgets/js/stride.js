// Stride: each step of gradient descent on a curve, and what the rate does in the end. No kernel needed.
import { number, select, slider } from "./core/controls.js";
import { curve, descend, judge } from "./core/curves.js";
import { Frame } from "./core/frame.js";
import { range, text } from "./core/numbers.js";
import { Panel } from "./core/chart.js";
import { Model } from "./core/model.js";

const read = (model) => {
  const [name, curvature, lr, start, steps] = ["curve", "curvature", "lr", "start", "steps"].map((k) => model.get(k));
  const c = curve(name, curvature),
    xs = descend(c, lr, start, steps);
  return { name, curvature, lr, start, steps, c, xs, ...judge(name, c, lr, start) };
};

function marks(model, t) {
  const c = curve(model.get("curve"), model.get("curvature"));
  const names = c.limits.length === 1 ? [t.limit] : t.wells[model.get("curve")];
  return c.limits.map((at, i) => ({ at, label: `${names[i]} ${text(at)}` })).sort((a, b) => a.at - b.at);
}

// The part of the x axis to show: the curve's own, or as far as the steps go while that can still be seen.
function span(d) {
  const far = d.xs.filter((x) => Math.abs(x) < 3 * d.c.span[1]),
    r = range([far, d.c.span]);
  return { lo: r[0] - 0.15, hi: r[1] + 0.15, label: "x" };
}

function drawCurve(g, colors, box, d, t) {
  const X = span(d),
    grid = Array.from({ length: 301 }, (_, i) => X.lo + ((X.hi - X.lo) * i) / 300),
    ys = grid.map(d.c.f);
  const [lo, hi] = range([ys]),
    pad = (hi - lo) * 0.06;
  const p = new Panel(g, colors, box, X, { lo: lo - pad, hi: hi + pad, label: t.loss }).frame();
  p.line(grid, ys, colors.soft, { width: 2 });
  const fs = d.xs.map(d.c.f);
  p.trail(d.xs, fs, colors.a, { width: 1.3, alpha: 0.75 })
    .dots(d.xs, fs, colors.a, { radius: 3 })
    .dots([d.start], [d.c.f(d.start)], colors.b, { radius: 5, hollow: true });
}

function drawLoss(g, colors, box, d, t) {
  const gap = d.xs.map((x) => Math.min(1e12, Math.max(d.c.f(x), 1e-12)));
  const [lo, hi] = range([gap]),
    steps = d.xs.map((_, i) => i);
  const p = new Panel(
    g,
    colors,
    box,
    { lo: 0, hi: d.steps, label: t.step },
    { lo: lo / 2, hi: Math.max(hi * 2, lo * 10), log: true, label: t.logLoss },
  ).frame();
  p.trail(steps, gap, colors.a).dots(steps, gap, colors.a, { radius: d.steps > 60 ? 1.5 : 2.5 });
}

function sentence(d, t) {
  const v = {
    steps: d.steps,
    x: text(d.xs[d.xs.length - 1]),
    period: d.period,
    lr: text(d.lr),
    curvature: text(d.curvature),
    factor: text(1 - d.lr * d.curvature),
  };
  const first = t.says[d.verdict](v);
  if (d.well >= 0) return t.rests[d.verdict]({ ...v, into: t.into[d.name][d.well] });
  return d.name === "quadratic" ? `${first}${t.space}${t.says.factor(v)}` : first;
}

export function stride(raw, el) {
  const model = new Model(raw);
  const frame = new Frame(model, el, {
    kind: "stride",
    height: (w) => (w < 520 ? 470 : Math.min(330, 200 + w / 6)),
    draw(g, w, h, colors) {
      const d = read(model),
        narrow = w < 520;
      const left = narrow ? { x: 46, y: 22, w: w - 56, h: 200 } : { x: 46, y: 22, w: w * 0.6 - 56, h: h - 66 };
      const right = narrow
        ? { x: 46, y: 290, w: w - 56, h: 130 }
        : { x: w * 0.6 + 44, y: 22, w: w * 0.4 - 54, h: h - 66 };
      drawCurve(g, colors, left, d, frame.t);
      drawLoss(g, colors, right, d, frame.t);
    },
  });
  const t = frame.t,
    at = (key, more) => ({ label: t[key], key, model, ...more });
  const lr = slider(at("lr", { min: 0.001, max: 10, step: 0.01, log: true, marks: () => marks(model, t) }));
  const bend = slider(at("curvature", { min: 0.1, max: 10, step: 0.1 }));
  const all = [
    lr,
    bend,
    number(at("start", { min: -6, max: 6, step: 0.1 })),
    number(at("steps", { min: 1, max: 200 })),
    select(at("curve", { choices: () => Object.entries(t.curves) })),
  ];
  frame.row.append(...all.map((c) => c.root));
  frame.badge.textContent = t.here;
  frame.onTable = () => {
    const d = read(model);
    frame.numbers(
      [t.step, t.x, t.loss, t.slope],
      d.xs.map((x, i) => [String(i), text(x, 4), text(d.c.f(x), 4), text(d.c.g(x), 4)]),
    );
  };
  const update = () => {
    const d = read(model);
    all.forEach((c) => c.show());
    bend.enable(d.name === "quadratic");
    bend.root.hidden = d.name !== "quadratic";
    frame.root.dataset.verdict = d.verdict;
    frame.speak(sentence(d, t), t.picture({ steps: d.steps, start: text(d.start), verdict: t.verdicts[d.verdict] }));
    if (frame.details.open) frame.onTable();
    frame.picture.soon();
  };
  model.on("lr curvature start steps curve", update);
  update();
  return () => frame.end();
}
