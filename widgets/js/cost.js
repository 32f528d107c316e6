// CostLedger: what a search for a better rate costs and brings. The same formulas stand in lrwidgets/cost.py.
import { Panel } from "./core/chart.js";
import { number } from "./core/controls.js";
import { Frame } from "./core/frame.js";
import { Model } from "./core/model.js";
import { range, text } from "./core/numbers.js";

const LIMITS = {
  trainings: [0, 1e5],
  training_cost: [0, 1e12],
  gain: [-100, 100],
  gain_low: [-100, 100],
  gain_high: [-100, 100],
  point_value: [0, 1e12],
  inference_cost: [0, 1e12],
  inference_change: [-100, 1000],
  months: [0, 1200],
};
const NAMES = Object.keys(LIMITS);
const ENTRIES = ["training", "inference", "accuracy", "net"];

export function ledger(v) {
  const training = -v.trainings * v.training_cost,
    dearer = (v.inference_cost * v.inference_change) / 100,
    inference = -v.months * dearer;
  const [net, low, high] = [v.gain, v.gain_low, v.gain_high].map(
    (g) => training + inference + v.months * g * v.point_value,
  );
  const monthly = v.gain * v.point_value - dearer;
  return {
    training,
    inference,
    accuracy: v.months * v.gain * v.point_value,
    net,
    net_low: low,
    net_high: high,
    months_needed: monthly > 0 ? -training / monthly : training === 0 ? 0 : Infinity,
    gain_needed: v.months * v.point_value ? -(training + inference) / (v.months * v.point_value) : Infinity,
  };
}

const amount = (x) =>
  Math.abs(x) >= 1000 && Math.abs(x) < 1e12 ? Math.round(x).toLocaleString("en").replace("-", "−") : text(x);
const read = (model) => Object.fromEntries(NAMES.map((name) => [name, Number(model.get(name))]));

function drawMonths(g, colors, box, v, t) {
  const end = Math.max(1, v.months),
    at = (gain, m) => ledger({ ...v, gain, months: m }).net,
    rays = [v.gain_low, v.gain_high, v.gain].map((gain) => [at(gain, 0), at(gain, end)]);
  const [lo, hi] = range([...rays, [0]]),
    pad = (hi - lo) * 0.08 || 1,
    p = new Panel(
      g,
      colors,
      box,
      { lo: 0, hi: end, label: t.month },
      { lo: lo - pad, hi: hi + pad, label: t.money },
    ).frame();
  p.inside(() => {
    g.fillStyle = colors.band;
    g.beginPath();
    g.moveTo(p.x(0), p.y(rays[0][0]));
    g.lineTo(p.x(end), p.y(rays[0][1]));
    g.lineTo(p.x(end), p.y(rays[1][1]));
    g.fill();
  });
  p.line([0, end], [0, 0], colors.soft, { width: 1.2 }).line([0, end], rays[2], colors.a, { width: 2.2 });
  const { months_needed: needed } = ledger(v);
  if (needed > 0 && needed <= end) p.mark(needed, text(needed), colors.b).dots([needed], [0], colors.b, { radius: 4 });
}

function drawEntries(g, colors, box, v, t) {
  const books = ledger(v),
    values = ENTRIES.map((k) => books[k]),
    [lo, hi] = range([values, [0, books.net_low, books.net_high]]),
    pad = (hi - lo) * 0.12 || 1;
  const p = new Panel(g, colors, box, { lo: 0, hi: 4 }, { lo: lo - pad, hi: hi + pad }),
    wide = box.w / 4;
  g.strokeStyle = colors.soft;
  g.lineWidth = 1;
  g.setLineDash([]);
  p.path([box.x, p.y(0), box.x + box.w, p.y(0)]);
  ENTRIES.forEach((name, i) => {
    const x = box.x + wide * (i + 0.2),
      y = p.y(values[i]),
      zero = p.y(0);
    g.fillStyle = name === "net" ? colors.a : values[i] < 0 ? colors.b : colors.c;
    g.fillRect(x, Math.min(y, zero), wide * 0.6, Math.max(1, Math.abs(y - zero)));
    g.fillStyle = colors.ink;
    g.textAlign = "center";
    g.textBaseline = values[i] < 0 ? "top" : "bottom";
    g.fillText(amount(values[i]), x + wide * 0.3, y + (values[i] < 0 ? 3 : -3));
    g.fillStyle = colors.soft;
    g.textBaseline = "top";
    g.fillText(t.entries[name], x + wide * 0.3, box.y + box.h + 8);
  });
  const x = box.x + wide * 3.9;
  g.strokeStyle = colors.ink;
  g.lineWidth = 1.4;
  p.path([x, p.y(books.net_low), x, p.y(books.net_high)]);
}

function sentence(v, model, t) {
  const b = ledger(v),
    say = t.costs,
    parts = [],
    ends = [Math.min(b.net_low, b.net_high), Math.max(b.net_low, b.net_high)];
  parts.push(
    say[b.net < 0 ? "minus" : "plus"]({
      months: text(v.months),
      net: amount(Math.abs(b.net)),
      low: amount(ends[0]),
      high: amount(ends[1]),
    }),
  );
  parts.push(Number.isFinite(b.months_needed) ? say.pays({ needed: text(b.months_needed) }) : say.never());
  if (Number.isFinite(b.gain_needed)) parts.push(say.gain({ gain: text(b.gain_needed) }));
  if (ends[0] < 0 && ends[1] > 0) parts.push(say.open());
  const known = Object.entries(model.get("measured") || {}).filter(([name, value]) => v[name] === value);
  if (known.length)
    parts.push(say.measured({ names: known.map(([name]) => t.ledger[name]).join(t.space ? ", " : "、") }));
  return parts.join(t.space);
}

export function costLedger(raw, el) {
  const model = new Model(raw);
  const frame = new Frame(model, el, {
    kind: "cost_ledger",
    height: (w) => (w < 520 ? 540 : 320),
    draw(g, w, h, colors) {
      const v = read(model),
        narrow = w < 520;
      drawMonths(
        g,
        colors,
        narrow ? { x: 62, y: 22, w: w - 76, h: 200 } : { x: 62, y: 22, w: w * 0.52 - 82, h: h - 70 },
        v,
        frame.t,
      );
      drawEntries(
        g,
        colors,
        narrow ? { x: 16, y: 300, w: w - 32, h: 200 } : { x: w * 0.52 + 16, y: 22, w: w * 0.48 - 26, h: h - 70 },
        v,
        frame.t,
      );
    },
  });
  const t = frame.t,
    all = NAMES.map((key) =>
      number({ label: t.ledger[key], key, model, min: LIMITS[key][0], max: LIMITS[key][1], step: "any" }),
    );
  frame.row.append(...all.map((c) => c.root));
  frame.badge.textContent = t.here;
  frame.onTable = () => {
    const b = ledger(read(model));
    frame.numbers(
      [t.entry, t.amount],
      ENTRIES.map((k) => [t.entries[k], amount(b[k])]),
    );
  };
  const update = () => {
    const v = read(model);
    all.forEach((c) => c.show());
    frame.root.dataset.verdict = ledger(v).net < 0 ? "minus" : "plus";
    frame.speak(sentence(v, model, t), t.costs.picture({ months: text(v.months) }) + t.space + sentence(v, model, t));
    if (frame.details.open) frame.onTable();
    frame.picture.soon();
  };
  model.on(`${NAMES.join(" ")} measured`, update);
  update();
  return () => frame.end();
}
