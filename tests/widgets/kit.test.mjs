// The pure functions of the kit: node --test tests/widgets/
import assert from "node:assert/strict";
import { test } from "node:test";
import { curve, descend, judge } from "../../widgets/js/core/curves.js";
import { VIEWS } from "../../widgets/js/kit.js";
import { TABLES, WORDS } from "../../widgets/js/core/i18n.js";
import {
  decimate,
  logTicks,
  range,
  round,
  smooth,
  text,
  ticks,
} from "../../widgets/js/core/numbers.js";
import {
  choices,
  nearest,
  unpack,
  value,
} from "../../widgets/js/core/recorded.js";
import { Series, floats } from "../../widgets/js/core/series.js";
import { Net, sharpness, top, uniform } from "../../widgets/js/core/net.js";
import { stand } from "../../widgets/js/edge.js";
import { descent } from "../../widgets/js/edge_task.js";
import { bands, closest } from "../../widgets/js/regimes.js";
import { between, ridge } from "../../widgets/js/landscape.js";
import { outcome } from "../../widgets/js/sweep_lab.js";

test("ticks are round, inside and evenly spaced", () => {
  assert.deepEqual(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(-3.15, 3.15, 6), [-3, -2, -1, 0, 1, 2, 3]);
  for (const [lo, hi] of [
    [0, 400],
    [1e-6, 3e-6],
    [-1e9, 1e9],
  ]) {
    const t = ticks(lo, hi, 5);
    assert.ok(
      t.length >= 3 &&
        t.length <= 12 &&
        t[0] >= lo &&
        t.at(-1) <= hi * (1 + 1e-9),
    );
  }
  assert.deepEqual(ticks(2, 2), []);
  assert.deepEqual(ticks(0, Infinity), []);
});

test("log ticks are powers of ten, thinned, and 1-2-5 where these are few", () => {
  assert.deepEqual(logTicks(1e-4, 10), [1e-4, 1e-3, 1e-2, 0.1, 1, 10]);
  assert.deepEqual(logTicks(0.15, 6), [0.2, 0.5, 1, 2, 5]);
  assert.ok(logTicks(1e-12, 1e12, 6).length <= 7);
});

test("decimation keeps the ends and the peaks of each column, and breaks at holes", () => {
  const n = 10000,
    ys = Array.from({ length: n }, (_, i) => (i === 5003 ? 99 : Math.sin(i)));
  const runs = decimate(
    n,
    (i) => (i * 300) / n,
    (i) => ys[i],
  );
  assert.equal(runs.length, 1);
  const y = runs[0].filter((_, i) => i % 2);
  assert.ok(y.includes(99) && y.length <= 4 * 2 * 301);
  assert.equal(y[0], ys[0]);
  assert.equal(y.at(-1), ys[n - 1]);
  assert.equal(
    decimate(
      5,
      (i) => i * 9,
      (i) => (i === 2 ? NaN : i),
    ).length,
    2,
  );
  assert.deepEqual(decimate(0, Number, Number), []);
});

test("numbers are short and carry a real minus sign", () => {
  assert.equal(text(-0.12345), "−0.123");
  assert.equal(text(0.00001), "1e−5");
  assert.equal(text(123456), "1.2e5");
  assert.equal(text(NaN), "–");
  assert.equal(text(-Infinity), "−∞");
  assert.equal(text(0), "0");
  assert.equal(round(0.39810717), 0.398);
});

test("range skips what is not finite, and what a log axis cannot show", () => {
  assert.deepEqual(
    range([
      [1, NaN, -2],
      [Infinity, 5],
    ]),
    [-2, 5],
  );
  assert.deepEqual(range([[0, -1, 3]], true), [3, 3]);
  assert.equal(range([[NaN]]), null);
});

test("the running mean is unbiased at its start and leaves holes", () => {
  const m = smooth([2, 2, NaN, 2]);
  assert.ok(
    Math.abs(m[0] - 2) < 1e-12 &&
      Math.abs(m[3] - 2) < 1e-12 &&
      Number.isNaN(m[2]),
  );
});

test("a series takes rows in order, repeats without harm, and notices a gap", () => {
  const s = new Series(2);
  assert.ok(s.add(Float32Array.of(1, 2, 3, 4), 0));
  assert.ok(!s.add(Float32Array.of(9, 9), 3));
  assert.ok(s.add(Float32Array.of(3, 4, 5, 6), 1));
  assert.equal(s.n, 3);
  assert.deepEqual([...s.column(1)], [2, 4, 6]);
  for (let i = 3; i < 5000; i++) s.add(Float32Array.of(i, -i), i);
  assert.equal(s.n, 5000);
  assert.equal(s.at(4999, 1), -4999);
  const c = s.copy();
  s.clear();
  assert.equal(c.n, 5000);
});

test("floats reads a view that does not begin at its buffer's start", () => {
  const a = new Float32Array([7, 8, 9]);
  assert.deepEqual([...floats(new DataView(a.buffer, 4))], [8, 9]);
  assert.deepEqual([...floats(null)], []);
});

const file = {
  v: 1,
  made: {},
  axes: [
    { name: "task", values: ["a", "b"] },
    { name: "lr", values: [0.01, 0.1, 1], log: true },
  ],
  columns: [
    { name: "loss", lo: 0.01, hi: 1, log: true, n: 2 },
    { name: "factor", lo: 0, hi: 2, log: false, n: 1 },
  ],
  runs: [{ at: [0, 0] }, { at: [0, 2] }, { at: [1, 1] }],
};

test("a recorded run is unpacked from uint16 on its scale", () => {
  const raw = new Uint16Array([0, 65535, 32767]);
  const d = unpack(file, { b64: Buffer.from(raw.buffer).toString("base64") });
  assert.ok(
    Math.abs(d.loss[0] - 0.01) < 1e-9 &&
      Number.isNaN(d.loss[1]) &&
      Math.abs(d.factor[0] - 1) < 1e-4,
  );
});

test("the nearest run agrees in names first and in numbers next", () => {
  assert.deepEqual(nearest(file, { task: "a", lr: 0.02 }).at, [0, 0]);
  assert.deepEqual(nearest(file, { task: "a", lr: 0.2 }).at, [0, 2]);
  assert.deepEqual(nearest(file, { task: "b", lr: 100 }).at, [1, 1]);
  assert.ok(nearest(file, { task: "?", lr: 1 }));
  assert.equal(value(file, file.runs[1], "lr"), 1);
  assert.deepEqual(choices(file, "lr", { task: "a" }), [0.01, 1]);
  assert.deepEqual(choices(file, "task", {}), ["a", "b"]);
});

test("the threshold is the largest rate below the target, and a diverged lane is below nothing", () => {
  assert.deepEqual(outcome([1, 2, 3, 4], [0.1, 0.05, 0.2, NaN], 0.3), {
    threshold: 3,
    best: 2,
    least: 0.05,
  });
  assert.equal(outcome([1, 2], [NaN, 5], 0.3).threshold, null);
});

test("gradient descent on the parabola multiplies the distance by 1 − lr·curvature", () => {
  const c = curve("quadratic", 4),
    xs = descend(c, 0.4, 1, 6);
  xs.forEach((x, t) => assert.ok(Math.abs(x - (-0.6) ** t) < 1e-12));
  assert.equal(c.limits[0], 0.5);
  assert.deepEqual(
    ["monotone", "alternating", "periodic", "diverging"],
    [0.25, 0.4, 0.5, 0.51].map((lr) => judge("quadratic", c, lr, 1).verdict),
  );
});

test("each well has the limit 2/f″ at its bottom, where the slope is zero", () => {
  for (const name of ["tilted", "dent"]) {
    const c = curve(name, 1);
    c.minima.forEach((x, i) => {
      assert.ok(Math.abs(c.g(x)) < 1e-9);
      assert.ok(c.h(x) > 0);
      assert.ok(Math.abs(c.limits[i] * c.h(x) - 2) < 1e-9);
    });
    assert.ok(Math.min(...c.minima.map(c.f)) === 0);
  }
});

test("gradient and Hessian-vector product are the differences of loss and gradient", () => {
  const net = new Net([1, 4, 3, 1], [-0.5, 0.2, 0.9], [1, -1, 0.5]),
    w = net.start(2),
    next = uniform(9),
    v = w.map(() => next() - 0.5);
  const at = (e) => {
    const g = new Float64Array(net.size);
    return [
      net.measure(
        w.map((x, i) => x + e * v[i]),
        g,
      ),
      g,
    ];
  };
  const g = new Float64Array(net.size),
    hv = new Float64Array(net.size),
    e = 1e-5,
    [up, gUp] = at(e),
    [down, gDown] = at(-e);
  net.measure(w, g, v, hv);
  assert.ok(
    Math.abs(g.reduce((s, x, i) => s + x * v[i], 0) - (up - down) / (2 * e)) <
      1e-8,
  );
  hv.forEach((x, i) =>
    assert.ok(Math.abs(x - (gUp[i] - gDown[i]) / (2 * e)) < 1e-7),
  );
  const { value, vector } = sharpness(net, w, v, { accuracy: 1e-12 }),
    u = new Float64Array(net.size);
  net.measure(w, new Float64Array(net.size), vector, u);
  u.forEach((x, i) =>
    assert.ok(
      Math.abs(x - value * vector[i]) <
        1e-4 * Math.abs(value) * Math.hypot(...vector),
    ),
  );
});

test("the largest eigenvalue of a tridiagonal matrix is found, also a negative one", () => {
  assert.ok(Math.abs(top([2, 2, 2], [1, 1]) - (2 + Math.SQRT2)) < 1e-12);
  assert.ok(Math.abs(top([-3, -1], [0]) + 1) < 1e-12);
  assert.equal(top([5], []), 5);
});

test("a rate that is far too large ends the run, and the edge has a width", () => {
  const rows = [
      ...descent({ width: 5, seed: 0, steps: 200, every: 20 }, () => 5),
    ],
    end = rows.at(-1);
  assert.ok(
    rows.length < 200 && Number.isNaN(end[2]) && !(end[1] <= 1000 * rows[0][1]),
  );
  assert.deepEqual(
    [10, 19, 20, 21, 25].map((s) => stand(s, 0.1)),
    ["below", "on", "on", "on", "above"],
  );
});

test("regimes become bands in the order of the rates, and the nearest rate counts in decades", () => {
  assert.deepEqual(bands(["1", "1", "2A", "1", "3"]), [
    { name: "1", from: 0, to: 1 },
    { name: "2A", from: 2, to: 2 },
    { name: "1", from: 3, to: 3 },
    { name: "3", from: 4, to: 4 },
  ]);
  assert.deepEqual(bands([]), []);
  assert.deepEqual(
    [0.001, 0.02, 0.04, 5].map((lr) => closest([0.01, 0.1, 1], lr)),
    [0, 0, 1, 2],
  );
});

test("the ridge of a way is its highest point between the ends, and their mean", () => {
  const xs = [-0.5, 0, 0.25, 0.5, 1, 1.5];
  assert.deepEqual(ridge(xs, [99, 1, 2, 7, 3, 99]), {
    at: 0.5,
    top: 7,
    mean: 2,
  });
  assert.equal(ridge(xs, [99, 4, 3, 2, 0, 99]).at, 0);
  assert.equal(between(xs, [0, 2, 4, 8, 9, 9], 0.375), 6);
  assert.equal(between(xs, [1, 2, 4, 8, 9, 9], -7), 1);
});

test("no widget takes another's word, and each has its title", () => {
  const words = TABLES.flatMap((t) => Object.keys(t.en)).filter(
    (k) => k !== "title" && k !== "lives",
  );
  assert.deepEqual(
    words.filter((k, i) => words.indexOf(k) < i),
    [],
    "two tables of core/i18n_*.js use these words",
  );
  assert.deepEqual(
    Object.keys(WORDS.en.title).sort(),
    Object.keys(VIEWS).sort(),
  );
});

test("both languages have the same labels and sentences, and Japanese is Japanese", () => {
  const walk = (a, b, path) => {
    assert.deepEqual(Object.keys(a).sort(), Object.keys(b).sort(), path);
    for (const k of Object.keys(a)) {
      assert.equal(typeof a[k], typeof b[k], `${path}.${k}`);
      if (a[k] && typeof a[k] === "object") walk(a[k], b[k], `${path}.${k}`);
      if (typeof a[k] === "function") {
        const asked = [new Set(), new Set()];
        const spy = (set) =>
          new Proxy(
            {},
            {
              get: (_t, name) => {
                set.add(name);
                return 1;
              },
            },
          );
        assert.equal(typeof a[k](spy(asked[0])), "string");
        assert.match(
          b[k](spy(asked[1])),
          /[\u3040-\u30ff\u4e00-\u9fff]/,
          `${path}.${k}`,
        );
        assert.deepEqual(
          [...asked[0]].sort(),
          [...asked[1]].sort(),
          `${path}.${k} uses other numbers`,
        );
      }
    }
  };
  walk(WORDS.en, WORDS.ja, "words");
});
