// @ts-check
// What the edge of stability trains in the page: a tanh network on 20 points of a Chebyshev polynomial, all at once.
import { Net, sharpness, uniform } from "./core/net.js";

export const POINTS = Array.from({ length: 20 }, (_, i) => -1 + (2 * i) / 19);
/** @type {(x: number) => number} */
export const target = (x) => 16 * x ** 5 - 20 * x ** 3 + 5 * x;
const LIMIT = 1e3; // of the first loss: beyond it the run has diverged, as in lrlib.fit

/** @type {(width: number) => Net} */
export const network = (width) => new Net([1, width, width, 1], POINTS, POINTS.map(target));

/**
 * Rows [step, loss before it, rate applied, sharpness or NaN], one a step. `rate()` is asked before each step.
 * @param {{width: number, seed: number, steps: number, every: number}} run
 * @param {() => number} rate
 */
export function* descent({ width, seed, steps, every }, rate) {
  const net = network(width),
    w = net.start(seed),
    next = uniform(seed);
  /** @type {Float64Array} */
  let vector = w.map(() => next() - 0.5),
    first = NaN;
  for (let t = 0; t < steps; t++) {
    const g = new Float64Array(net.size),
      lr = rate(),
      loss = net.measure(w, g);
    if (t === 0) first = loss;
    if (!(loss <= LIMIT * first)) {
      yield [t, loss, NaN, NaN];
      return;
    }
    let high = NaN;
    if (t % every === 0) {
      const found = sharpness(net, w, vector);
      high = found.value;
      vector = mixed(found.vector, next);
    }
    for (let i = 0; i < w.length; i++) w[i] -= lr * g[i];
    yield [t, loss, lr, high];
  }
}

/**
 * A tenth of a random direction, so that no eigenvector is out of reach of the next search.
 * @type {(v: Float64Array, next: () => number) => Float64Array}
 */
function mixed(v, next) {
  const z = v.map(() => next() - 0.5),
    norm = (/** @type {Float64Array} */ u) => Math.sqrt(u.reduce((s, x) => s + x * x, 0)) || 1,
    a = norm(v),
    b = norm(z);
  return v.map((x, i) => x / a + (0.1 * z[i]) / b);
}
