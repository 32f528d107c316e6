// @ts-check
// Numbers for readers and for axes: rounding, ticks, decimation.

/** @type {(x: number, digits?: number) => number} */
export const round = (x, digits = 3) => Number(Number(x).toPrecision(digits));

/**
 * 0.0123, 12.3, 1.2e−7: short, with a real minus sign.
 * @param {number} x
 * @param {number} [digits]
 * @returns {string}
 */
export function text(x, digits = 3) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "–" : x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  const s =
    size !== 0 && (size < 1e-3 || size >= 1e5)
      ? x.toExponential(1).replace(".0e", "e").replace("e+", "e")
      : String(round(x, digits));
  return s.replace(/-/g, "−");
}

/**
 * Round values from lo to hi, about n of them, at steps of 1, 2 or 5 times a power of ten.
 * @param {number} lo
 * @param {number} hi
 * @returns {number[]}
 */
export function ticks(lo, hi, n = 5) {
  const raw = (hi - lo) / n;
  if (!(raw > 0) || !Number.isFinite(raw)) return [];
  const power = 10 ** Math.floor(Math.log10(raw));
  const f = raw / power;
  const step = (f < 1.5 ? 1 : f < 3 ? 2 : f < 7 ? 5 : 10) * power;
  const out = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9; k++)
    out.push(Number((k * step).toPrecision(12)));
  return out;
}

/**
 * Powers of ten from lo to hi, thinned to n; with 2 and 5 between them where fewer than three fit.
 * @param {number} lo
 * @param {number} hi
 * @returns {number[]}
 */
export function logTicks(lo, hi, n = 6) {
  const a = Math.ceil(Math.log10(lo) - 1e-9);
  const b = Math.floor(Math.log10(hi) + 1e-9);
  const every = Math.max(1, Math.ceil((b - a + 1) / n));
  const out = [];
  for (let e = a - 1; e <= b; e++) {
    for (const m of b - a >= 2 ? [1] : [1, 2, 5]) {
      const v = Number(`${m}e${e}`);
      if (v >= lo * (1 - 1e-9) && v <= hi * (1 + 1e-9) && (m > 1 || (e - a) % every === 0)) out.push(v);
    }
  }
  return out;
}

/**
 * The least and the greatest of the finite values (of the positive ones for a log axis).
 * @param {Iterable<Iterable<number>>} arrays
 * @returns {[number, number] | null}
 */
export function range(arrays, log = false) {
  let lo = Infinity,
    hi = -Infinity;
  for (const a of arrays)
    for (const v of a)
      if (Number.isFinite(v) && (!log || v > 0)) {
        if (v < lo) lo = v;
        if (v > hi) hi = v;
      }
  return lo <= hi ? [lo, hi] : null;
}

/**
 * One point per pixel column would lose peaks: keep first, least, greatest and last of each column.
 * px(i), py(i) → pixels; returns runs of points [x, y, x, y, …] broken where a value is not finite.
 * @param {number} n
 * @param {(i: number) => number} px
 * @param {(i: number) => number} py
 * @returns {number[][]}
 */
export function decimate(n, px, py) {
  /** @type {number[][]} */
  const runs = [];
  /** @type {number[] | null} */
  let run = null;
  let col = NaN,
    first = 0,
    lo = 0,
    hi = 0,
    last = 0;
  const flush = () => {
    if (run && !Number.isNaN(col)) {
      run.push(col, first);
      if (lo !== first) run.push(col, lo);
      if (hi !== lo) run.push(col, hi);
      if (last !== hi) run.push(col, last);
    }
    col = NaN;
  };
  for (let i = 0; i < n; i++) {
    const y = py(i),
      x = Math.round(px(i) * 2) / 2;
    if (!Number.isFinite(y) || !Number.isFinite(x)) {
      flush();
      run = null;
      continue;
    }
    if (!run) runs.push((run = []));
    if (x !== col) {
      flush();
      col = x;
      first = lo = hi = last = y;
    } else {
      if (y < lo) lo = y;
      if (y > hi) hi = y;
      last = y;
    }
  }
  flush();
  return runs;
}

/**
 * Exponential running mean, started at the first finite value.
 * @param {ArrayLike<number>} values
 * @param {number} [beta]
 */
export function smooth(values, beta = 0.9) {
  const out = new Float64Array(values.length);
  let m = 0,
    w = 0;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      out[i] = NaN;
      continue;
    }
    m = beta * m + (1 - beta) * values[i];
    w = beta * w + (1 - beta);
    out[i] = m / w;
  }
  return out;
}
