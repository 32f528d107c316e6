// @ts-check
// A small tanh network in plain float64 arrays: loss, gradient, Hessian-vector products, sharpness.
// Weights lie in one array, layer by layer: W [out, in] by rows, then b [out], as PyTorch holds them.

/**
 * @typedef {Float64Array} Vector
 * @typedef {{in: number, out: number, w: number, b: number}} Layer
 */

/**
 * The xorshift32 generator of Marsaglia (2003): numbers in [0, 1). lrwidgets/edge.py draws the same.
 * @type {(seed: number) => () => number}
 */
export function uniform(seed) {
  let s = Math.imul(seed + 1, 2654435769) >>> 0;
  const next = () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s / 4294967296;
  };
  for (let i = 0; i < 10; i++) next();
  return next;
}

export class Net {
  /**
   * x [n], y [n]; the loss is the mean of (f(x) − y)².
   * @param {number[]} sizes
   * @param {number[]} x
   * @param {number[]} y
   */
  constructor(sizes, x, y) {
    this.x = x;
    this.y = y;
    let at = 0;
    /** @type {Layer[]} */
    this.layers = sizes.slice(1).map((out, l) => {
      const layer = { in: sizes[l], out, w: at, b: at + out * sizes[l] };
      at = layer.b + out;
      return layer;
    });
    this.size = at;
    const room = () => sizes.map((k) => new Float64Array(k));
    this.a = room();
    this.ra = room();
    this.d = room();
    this.rd = room();
  }

  /**
   * Weights and biases uniform within ±1/√(inputs of the layer).
   * @param {number} seed
   */
  start(seed) {
    const next = uniform(seed),
      w = new Float64Array(this.size);
    for (const { in: n, out, w: from } of this.layers) {
      const k = 1 / Math.sqrt(n);
      for (let i = from; i < from + out * n + out; i++) w[i] = (2 * next() - 1) * k;
    }
    return w;
  }

  /**
   * The loss at w; adds its gradient to g and, where there is a direction v, the product H v to hv.
   * @type {(w: Vector, g: Vector, v?: Vector | null, hv?: Vector | null) => number}
   */
  measure(w, g, v = null, hv = null) {
    let loss = 0;
    for (let i = 0; i < this.x.length; i++) {
      const r = this.forward(this.x[i], w, v) - this.y[i];
      loss += (r * r) / this.x.length;
      this.backward((2 * r) / this.x.length, w, g, v, hv);
    }
    return loss;
  }

  /** @type {(x: number, w: Vector, v: Vector | null) => number} */
  forward(x, w, v) {
    const { a, ra, layers } = this,
      last = layers.length - 1;
    a[0][0] = x;
    ra[0][0] = 0;
    layers.forEach((L, l) => {
      const from = a[l],
        rfrom = ra[l],
        to = a[l + 1],
        rto = ra[l + 1];
      for (let j = 0; j < L.out; j++) {
        let z = w[L.b + j],
          rz = v ? v[L.b + j] : 0,
          k = L.w + j * L.in;
        if (v)
          for (let i = 0; i < L.in; i++, k++) {
            z += w[k] * from[i];
            rz += v[k] * from[i] + w[k] * rfrom[i];
          }
        else for (let i = 0; i < L.in; i++, k++) z += w[k] * from[i];
        to[j] = l < last ? Math.tanh(z) : z;
        rto[j] = l < last ? (1 - to[j] * to[j]) * rz : rz;
      }
    });
    return a[last + 1][0];
  }

  /**
   * d and rd: derivatives of the loss by the inputs of each layer's tanh, and their change along v.
   * @type {(slope: number, w: Vector, g: Vector, v: Vector | null, hv: Vector | null) => void}
   */
  backward(slope, w, g, v, hv) {
    const { a, ra, d, rd, layers } = this,
      last = layers.length;
    d[last][0] = slope;
    rd[last][0] = (2 * ra[last][0]) / this.x.length;
    for (let l = last - 1; l >= 0; l--) {
      const L = layers[l],
        h = a[l],
        rh = ra[l],
        to = d[l],
        rto = rd[l];
      to.fill(0);
      rto.fill(0);
      for (let j = 0; j < L.out; j++) {
        const e = d[l + 1][j],
          re = rd[l + 1][j];
        let k = L.w + j * L.in;
        if (v && hv) {
          for (let i = 0; i < L.in; i++, k++) {
            g[k] += e * h[i];
            hv[k] += re * h[i] + e * rh[i];
            to[i] += w[k] * e;
            rto[i] += v[k] * e + w[k] * re;
          }
          hv[L.b + j] += re;
        } else
          for (let i = 0; i < L.in; i++, k++) {
            g[k] += e * h[i];
            to[i] += w[k] * e;
          }
        g[L.b + j] += e;
      }
      if (l)
        for (let i = 0; i < L.in; i++) {
          const s = 1 - h[i] * h[i];
          rto[i] = rto[i] * s - 2 * h[i] * rh[i] * to[i];
          to[i] *= s;
        }
    }
  }
}

/** @type {(a: Vector, b: Vector) => number} */
const dot = (a, b) => {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += a[i] * b[i];
  return s;
};
/** @type {(a: Vector, k: number) => Vector} */
const scaled = (a, k) => a.map((v) => v * k);

/**
 * The largest eigenvalue of a tridiagonal matrix (diagonal a, beside it b), by bisection on Sturm's count.
 * @type {(a: number[], b: number[]) => number}
 */
export function top(a, b) {
  let hi = -Infinity,
    lo = Infinity;
  a.forEach((v, i) => {
    const r = (i ? b[i - 1] : 0) + (i < a.length - 1 ? b[i] : 0);
    hi = Math.max(hi, v + r);
    lo = Math.min(lo, v - r);
  });
  const allBelow = (/** @type {number} */ t) => {
    let q = 1;
    for (let i = 0; i < a.length; i++) {
      q = a[i] - t - (i ? (b[i - 1] * b[i - 1]) / q : 0);
      if (q >= 0) return false;
    }
    return true;
  };
  for (let i = 0; i < 60; i++) {
    const mid = (lo + hi) / 2;
    if (allBelow(mid)) hi = mid;
    else lo = mid;
  }
  return (lo + hi) / 2;
}

/**
 * The largest eigenvalue of the Hessian at w, by the Lanczos iteration from `start`: {value, vector}.
 * It ends where two products in succession change the value by less than `accuracy` of it.
 * @param {Net} net
 * @param {Vector} w
 * @param {Vector} start
 * @returns {{value: number, vector: Vector}}
 */
export function sharpness(net, w, start, { accuracy = 1e-3, most = 40 } = {}) {
  /** @type {Vector[]} */
  const basis = [];
  /** @type {number[][]} */
  const [a, b] = [[], []],
    g = new Float64Array(net.size);
  let q = scaled(start, 1 / Math.sqrt(dot(start, start))),
    value = NaN,
    calm = 0;
  while (basis.length < most && calm < 2) {
    const hv = new Float64Array(net.size);
    net.measure(w, g, q, hv);
    basis.push(q);
    a.push(dot(q, hv));
    for (let twice = 0; twice < 2; twice++)
      for (const p of basis) {
        const c = dot(p, hv);
        for (let i = 0; i < hv.length; i++) hv[i] -= c * p[i];
      }
    const now = top(a, b),
      length = Math.sqrt(dot(hv, hv));
    if (!Number.isFinite(now)) return { value: NaN, vector: start };
    calm = Math.abs(now - value) <= accuracy * Math.abs(now) ? calm + 1 : 0;
    value = now;
    if (length < 1e-12 * Math.abs(value)) break;
    b.push(length);
    q = scaled(hv, 1 / length);
  }
  return { value, vector: ritz(basis, a, b, value) };
}

/**
 * The vector that belongs to the value, from the rows of (T − value) s = 0, one after the other.
 * @type {(basis: Vector[], a: number[], b: number[], value: number) => Vector}
 */
function ritz(basis, a, b, value) {
  const s = [1],
    out = new Float64Array(basis[0].length);
  for (let i = 0; i + 1 < basis.length; i++) s.push(((value - a[i]) * s[i] - (i ? b[i - 1] * s[i - 1] : 0)) / b[i]);
  basis.forEach((p, j) => {
    for (let i = 0; i < out.length; i++) out[i] += s[j] * p[i];
  });
  return out;
}
