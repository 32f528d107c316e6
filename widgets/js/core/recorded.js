// @ts-check
// Recorded runs, format 1: columns of uint16 on a linear or log scale; 65535 stands for a value that is not finite.
//   {v: 1, made: {…}, axes: [{name, values, log?}], columns: [{name, lo, hi, log, n}], runs: [{at: [i, …], b64, …}]}
/**
 * @typedef {{at: number[], b64: string}} Run
 * @typedef {{name: string, values: (string | number)[], log?: boolean}} Axis
 * @typedef {{name: string, lo: number, hi: number, log: boolean, n: number}} Column
 * @typedef {{axes: Axis[], columns: Column[], runs: Run[]}} Recording
 */
import { bytes } from "./series.js";

/** @type {(file: Recording, run: Run) => Record<string, Float64Array>} */
export function unpack(file, run) {
  const raw = bytes(run.b64),
    view = new DataView(raw.buffer),
    /** @type {Record<string, Float64Array>} */
    out = {};
  let k = 0;
  for (const { name, lo, hi, log, n } of file.columns) {
    const f = log ? Math.log : Number,
      [a, b] = [f(lo), f(hi)];
    out[name] = Float64Array.from({ length: n }, () => {
      const u = view.getUint16(2 * k++, true),
        v = a + ((b - a) * u) / 65534;
      return u === 65535 ? NaN : log ? Math.exp(v) : v;
    });
  }
  return out;
}

/** @type {(file: Recording, run: Run, name: string) => string | number} */
export const value = (file, run, name) => {
  const i = file.axes.findIndex((a) => a.name === name);
  return file.axes[i].values[run.at[i]];
};

/**
 * The run nearest to what is wanted: names must agree where some run has them; numbers come as near as they can.
 * @type {(file: Recording, wanted: Record<string, any>) => Run | null}
 */
export function nearest(file, wanted) {
  let best = null,
    least = Infinity;
  for (const run of file.runs) {
    let far = 0;
    file.axes.forEach((axis, i) => {
      const v = axis.values[run.at[i]],
        w = wanted[axis.name];
      if (typeof v === "string") far += v === w ? 0 : 1e6 / (i + 1);
      else far += axis.log ? Math.abs(Math.log10(v / w)) : Math.abs(v - w);
    });
    if (far < least) {
      least = far;
      best = run;
    }
  }
  return best;
}

/**
 * The values of one axis that were recorded together with the wanted names on the axes before it.
 * @type {(file: Recording, name: string, wanted: Record<string, string | number>) => (string | number)[]}
 */
export function choices(file, name, wanted) {
  const i = file.axes.findIndex((a) => a.name === name);
  const fits = (/** @type {Run} */ run) =>
    file.axes.every(
      (axis, j) => j >= i || typeof axis.values[0] !== "string" || axis.values[run.at[j]] === wanted[axis.name],
    );
  const seen = new Set(file.runs.filter(fits).map((run) => run.at[i]));
  return file.axes[i].values.filter((_, k) => seen.has(k));
}

/**
 * Calls back when el comes near the screen, once.
 * @type {(el: Element, call: () => void) => () => void}
 */
export function whenSeen(el, call) {
  const seen = new IntersectionObserver(
    (entries) => {
      if (entries.some((e) => e.isIntersecting)) {
        seen.disconnect();
        call();
      }
    },
    { rootMargin: "300px" },
  );
  seen.observe(el);
  return () => seen.disconnect();
}

// Moves `show(fraction)` from 0 to 1 in about three seconds; at once where motion is unwelcome.
export class Player {
  /**
   * @param {(fraction: number) => void} show
   * @param {() => void} ended
   */
  constructor(show, ended) {
    this.show = show;
    this.ended = ended;
    this.at = 1;
    this.frame = 0;
  }

  get playing() {
    return this.frame !== 0;
  }

  /** @type {(from: number, still: boolean) => void} */
  play(from, still) {
    this.pause();
    this.at = still ? 1 : from;
    const begin = performance.now(),
      start = this.at;
    const tick = (/** @type {number} */ now) => {
      this.at = Math.min(1, start + Math.max(0, now - begin) / 3000);
      this.frame = this.at < 1 ? requestAnimationFrame(tick) : 0;
      this.show(this.at);
      if (!this.frame) this.ended();
    };
    if (still) {
      this.show(1);
      this.ended();
    } else this.frame = requestAnimationFrame(tick);
  }

  pause() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }
}
