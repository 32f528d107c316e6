// @ts-check
// The three curves of the Stride, and gradient descent on them. The same formulas stand in lrwidgets/stride.py,
// and in lrlib.tasks, which lets the wells go on as straight lines beyond what is drawn here.

/**
 * A loss on a line: f, its derivatives g and h, its minima, the span that is drawn, and 2/h at each minimum.
 * @typedef {{f: Real, g: Real, h: Real, minima: number[], span: number[], limits: number[]}} Curve
 * @typedef {(x: number) => number} Real
 * @typedef {{verdict: string, period: number, well?: number}} Verdict
 */

/** @type {Real} */
const bump = (x) => 0.8 * Math.exp(-(((x + 3) / 0.3) ** 2) / 2);

/** @type {Record<string, (c: number) => Omit<Curve, "limits">>} */
export const CURVES = {
  quadratic: (c) => ({ f: (x) => (c * x * x) / 2, g: (x) => c * x, h: () => c, minima: [0], span: [-3, 3] }),
  tilted: () => ({
    f: (x) => 0.05 * x ** 4 - 0.5 * x * x + 0.15 * x,
    g: (x) => 0.2 * x ** 3 - x + 0.15,
    h: (x) => 0.6 * x * x - 1,
    minima: [-2.3, 2.2],
    span: [-4, 4],
  }),
  dent: () => ({
    f: (x) => 0.125 * x * x - bump(x),
    g: (x) => 0.25 * x + ((x + 3) * bump(x)) / 0.09,
    h: (x) => 0.25 + (bump(x) * (1 - (x + 3) ** 2 / 0.09)) / 0.09,
    minima: [-2.9, 0],
    span: [-6, 6],
  }),
};

/** @type {(name: string, curvature: number) => Curve} */
export function curve(name, curvature) {
  const c = { ...CURVES[name](curvature), limits: /** @type {number[]} */ ([]) };
  c.minima = c.minima.map((x) => newton(c, x));
  const f = c.f,
    least = Math.min(...c.minima.map(f));
  c.f = (x) => f(x) - least;
  c.limits = c.minima.map((x) => 2 / c.h(x));
  return c;
}

/** @type {(c: Omit<Curve, "limits">, x: number) => number} */
function newton(c, x) {
  for (let i = 0; i < 30; i++) x -= c.g(x) / c.h(x);
  return x;
}

/**
 * x_0 … x_steps with x_{t+1} = x_t − lr f′(x_t); stays at ±Infinity once it overflows.
 * @type {(c: Curve, lr: number, start: number, steps: number) => number[]}
 */
export function descend(c, lr, start, steps) {
  const xs = [start];
  for (let t = 0; t < steps; t++) {
    const x = xs[t],
      y = x - lr * c.g(x);
    xs.push(Number.isFinite(y) ? y : Math.sign(Number.isNaN(y) ? x : y) * Infinity);
  }
  return xs;
}

/**
 * Where the rate leads in the end: {verdict, period}. Exact on the parabola, by 4,000 steps elsewhere.
 * @type {(name: string, c: Curve, lr: number, start: number) => Verdict}
 */
export function judge(name, c, lr, start) {
  if (name === "quadratic") {
    const p = lr * c.h(0),
      near = (/** @type {number} */ a) => Math.abs(p - a) <= 1e-9 * a;
    if (near(2)) return { verdict: "periodic", period: 2 };
    return { verdict: p > 2 ? "diverging" : p > 1 && !near(1) ? "alternating" : "monotone", period: 1 };
  }
  const xs = descend(c, lr, start, 4000),
    tail = xs.slice(-65);
  if (!tail.every((x) => Math.abs(x) < 1e3)) return { verdict: "diverging", period: 0 };
  for (let p = 1; p <= 32; p++) {
    if (!tail.every((x, i) => i < p || Math.abs(x - tail[i - p]) < 1e-7)) continue;
    if (p > 1) return { verdict: "periodic", period: p };
    const rest = tail[64],
      away = c.minima.map((x) => Math.abs(x - rest));
    return {
      verdict: lr * c.h(rest) > 1 + 1e-9 ? "alternating" : "monotone",
      period: 1,
      well: away.indexOf(Math.min(...away)),
    };
  }
  return { verdict: "wandering", period: 0 };
}
