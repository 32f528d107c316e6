// SharedRate: one rate for every setting, and what it costs in each. The same formulas stand in lrwidgets/shared_rate.py.
import { Panel } from "./core/chart.js";
import { button, h, select, slider } from "./core/controls.js";
import { Frame } from "./core/frame.js";
import { Model } from "./core/model.js";
import { range, text } from "./core/numbers.js";
import { closest } from "./regimes.js";

// sign: is more better? near: what counts as close to the best. times: from what is stored to what is shown. deep: what a strip
// shows. step: from the best to the second number on its axis.
export const UNITS = {
  points: { sign: 1, near: 0.01, times: 100, digits: 1, deep: 0.15, step: 0.1 },
  nats: { sign: -1, near: 0.02, times: 1, digits: 3, deep: 0.5, step: 0.4 },
};
const ORDERED = ["width", "depth"];
const LOWEST = ["regulariser"]; // asked for the lowest range; the others without an order for the highest
const MARGIN = 0.1; // decades, below which a range has not moved
const STRIP = 78,
  TOP = 22,
  FOOT = 40,
  ANSWER = 96;

const holes = (values, times) => values.map((v) => (v === null ? NaN : v * times));
const scores = (group, s) => holes(s.mean, UNITS[group.unit].sign);

// Where a curve stays within `near` of its best: {low, best, high}; straight lines between the rates on a log axis.
export function reach(rates, ys, near) {
  const best = ys.reduce((b, y, i) => (y > ys[b] || !Number.isFinite(ys[b]) ? i : b), 0),
    floor = ys[best] - near,
    x = rates.map(Math.log10);
  const end = (step) => {
    for (let i = best, j = best + step; ; i = j, j += step) {
      if (!Number.isFinite(ys[j])) return rates[i];
      if (ys[j] < floor) return 10 ** (x[i] + ((x[j] - x[i]) * (ys[i] - floor)) / (ys[i] - ys[j]));
    }
  };
  return { low: end(-1), best, high: end(1) };
}

// The rates that were measured in every setting.
export const common = (group) => group.rates.filter((_, i) => group.settings.every((s) => s.mean[i] !== null));

// What a rate costs in each setting, in the unit that is stored: the best of its curve minus the curve.
export function costs(group, rate) {
  const i = group.rates.indexOf(rate);
  return group.settings.map((s) => {
    const ys = scores(group, s);
    return Math.max(...ys.filter(Number.isFinite)) - ys[i];
  });
}

// The rate whose greatest cost is least.
export const least = (group) =>
  common(group)
    .map((rate) => [Math.max(...costs(group, rate)), rate])
    .reduce((a, b) => (b[0] < a[0] ? b : a))[1];

export const reaches = (group) =>
  group.settings.map((s) => {
    const r = reach(group.rates, scores(group, s), UNITS[group.unit].near);
    return { ...r, middle: Math.sqrt(r.low * r.high) };
  });

// What the reader was asked to guess: "up", "down" or "same" from the first to the last, or the name of the highest or lowest.
export function truth(name, group) {
  const all = reaches(group),
    way = Math.log10(all[all.length - 1].middle / all[0].middle);
  if (ORDERED.includes(name)) return way > MARGIN ? "up" : way < -MARGIN ? "down" : "same";
  const sign = LOWEST.includes(name) ? -1 : 1;
  return group.settings[all.reduce((b, r, i) => (sign * r.middle > sign * all[b].middle ? i : b), 0)].name;
}

class SharedRate {
  constructor(raw, el) {
    this.model = new Model(raw);
    const frame = (this.frame = new Frame(this.model, el, {
      kind: "shared_rate",
      height: () => this.height(),
      draw: (...a) => this.draw(...a),
    }));
    this.t = frame.t;
    frame.root.dataset.life = "recorded";
    this.controls();
    this.dragging();
    frame.onTable = () => this.numbers();
    this.model.on("group", () => {
      if (this.guess !== "skip") this.model.write("guess", "");
      this.model.write("revealed", false);
      this.ask();
    });
    this.model.on("guess revealed", () => this.ask());
    this.model.on("rate curves", () => this.update());
    this.ask();
  }

  get name() {
    return this.model.get("group");
  }

  get group() {
    return this.model.get("curves").groups[this.name];
  }

  get guess() {
    return this.model.get("guess");
  }

  get rate() {
    const all = common(this.group);
    return all[closest(all, this.model.get("rate"))];
  }

  get revealed() {
    return this.guess !== "" && this.model.get("revealed");
  }

  label(s) {
    const { names, settings } = this.t.share;
    return settings[this.name]?.({ of: s }) ?? names[s] ?? s;
  }

  value(v) {
    const { times, digits } = UNITS[this.group.unit];
    return text(Number((v * times).toFixed(digits)), 5);
  }

  shown(x) {
    return this.t.share.units[this.group.unit]({ x: this.value(x) });
  }

  get margin() {
    return this.shown(UNITS[this.group.unit].near);
  }

  controls() {
    const { model, t, frame } = this;
    this.menu = select({
      label: t.vary,
      key: "group",
      model,
      choices: () => Object.keys(model.get("curves").groups).map((k) => [k, t.share.groups[k] || k]),
    });
    this.slider = slider({
      label: t.sharedRate,
      key: "rate",
      model,
      min: 1e-9,
      max: 1e3,
      step: 0.05,
      log: true,
      list: () => common(this.group),
    });
    this.note = h("p", { class: "lrw-say lrw-ask", "aria-live": "polite" });
    frame.row.append(this.menu.root, this.slider.root);
    frame.buttons.before(this.note);
  }

  // A press or a drag on the picture takes the rate under it; an upward swipe still scrolls.
  dragging() {
    const { canvas } = this.frame.picture;
    canvas.style.touchAction = "pan-y";
    const pick = (e) => {
      if (!this.guess || !(e.buttons & 1) || !this.panel) return;
      this.model.write(
        "rate",
        common(this.group).reduce((a, b) =>
          Math.abs(this.panel.x(b) - e.offsetX) < Math.abs(this.panel.x(a) - e.offsetX) ? b : a,
        ),
      );
    };
    for (const event of ["pointerdown", "pointermove"]) canvas.addEventListener(event, pick);
    canvas.addEventListener("pointerdown", (e) => canvas.setPointerCapture(e.pointerId));
  }

  // The question with its buttons, or the verdict on the guess with the challenge.
  ask() {
    const { t, model, frame } = this,
      say = t.share,
      open = this.guess !== "",
      choose = (guess) => () => {
        model.write("guess", guess);
        frame.buttons.querySelector("button")?.focus();
      };
    const ways = ORDERED.includes(this.name)
      ? Object.entries(say.ways)
      : this.group.settings.map((s) => [s.name, this.label(s.name)]);
    this.note.textContent = open
      ? [this.verdict(), say.challenge].join(t.space)
      : say.ask[this.name] || say.ask.largest;
    frame.buttons.replaceChildren(
      ...(open
        ? [
            button(model.get("revealed") ? t.conceal : t.reveal, () => {
              model.write("revealed", !model.get("revealed"));
              frame.buttons.querySelector("button").focus();
            }),
            button(t.guessAgain, choose("")),
          ]
        : [...ways.map(([k, label]) => button(label, choose(k))), button(t.skipGuess, choose("skip"))]),
    );
    this.slider.root.hidden = !open;
    frame.root.dataset.asked = open ? "" : "waiting";
    this.update();
  }

  verdict() {
    const { t, group } = this,
      say = t.share,
      all = reaches(group),
      right = truth(this.name, group),
      settings = group.settings.map((s) => this.label(s.name)),
      last = all.length - 1;
    const i = group.settings.findIndex((s) => s.name === right);
    const words =
      i < 0
        ? say.moved({
            way: say.ways[right],
            from: text(all[0].middle),
            to: text(all[last].middle),
            first: settings[0],
            last: settings[last],
          })
        : say.highest({ name: settings[i], middle: text(all[i].middle) });
    return this.guess === "skip"
      ? say.told({ truth: words })
      : say.verdict({ truth: words, guess: say.ways[this.guess] || this.label(this.guess) });
  }

  height() {
    return TOP + this.group.settings.length * STRIP + FOOT + (this.revealed ? ANSWER : 0);
  }

  draw(g, w, _h, colors) {
    const { group, t } = this,
      { rates } = group,
      X = { lo: rates[0] / 1.15, hi: rates[rates.length - 1] * 1.15, log: true, label: t.sharedAxis },
      all = reaches(group),
      n = group.settings.length,
      open = this.guess !== "",
      lost = costs(group, this.rate);
    g.fillStyle = colors.soft;
    g.textAlign = "left";
    g.textBaseline = "top";
    g.fillText(`${t.share.axis[group.unit]} · ${t.share.bar({ margin: this.margin })}`, 4, 4);
    group.settings.forEach((s, i) => {
      const box = { x: 44, y: TOP + i * STRIP + 22, w: w - 58, h: STRIP - 28 };
      this.strip(g, colors, box, X, s, all[i], i === n - 1, open || i === 0, open ? lost[i] : null);
    });
    if (this.revealed) this.worst(g, colors, { x: 44, y: TOP + n * STRIP + FOOT + 26, w: w - 58, h: 58 }, X);
  }

  strip(g, colors, box, X, s, r, last, open, lost) {
    const { group } = this,
      { sign, times, deep, step } = UNITS[group.unit],
      ys = holes(s.mean, times),
      top = ys[r.best],
      far = deep * times,
      near = far / 8;
    const Y = sign > 0 ? { lo: top - far, hi: top + near } : { lo: top - near, hi: top + far };
    const p = (this.panel = new Panel(g, colors, box, X, open ? Y : { lo: 0, hi: 1 }));
    g.strokeStyle = colors.grid;
    g.lineWidth = 1;
    g.setLineDash([]);
    g.strokeRect(box.x, box.y, box.w, box.h);
    if (last) p.below();
    p.title(this.label(s.name), box.x, box.y - 17, colors.ink, "left");
    if (!open) {
      p.title("?", box.x + box.w / 2, box.y + box.h / 2 - 8, colors.soft, "center");
      return;
    }
    for (const v of [s.mean[r.best], s.mean[r.best] - sign * step]) {
      const y = p.y(v * times);
      g.strokeStyle = colors.grid;
      p.path([box.x, y, box.x + box.w, y]);
      p.title(this.value(v), box.x - 6, y - 6, colors.soft, "right");
    }
    if (s.low) p.between(group.rates, holes(s.low, times), holes(s.high, times), colors.a);
    p.line(group.rates, ys, colors.a, { width: 2 }).dots(group.rates, ys, colors.a, { radius: 1.6 });
    g.strokeStyle = colors.c;
    g.lineWidth = 5;
    g.setLineDash([]);
    p.path([p.x(r.low), box.y + box.h - 4, Math.max(p.x(r.high), p.x(r.low) + 2), box.y + box.h - 4]);
    if (lost !== null) this.stand(p, ys, top, lost, colors);
  }

  // Where the shared rate stands on a strip, and how far below the best.
  stand(p, ys, top, lost, colors) {
    const { g, box } = p,
      x = p.x(this.rate),
      y = Math.max(box.y, Math.min(box.y + box.h, p.y(ys[this.group.rates.indexOf(this.rate)])));
    g.strokeStyle = colors.ink;
    g.lineWidth = 1.2;
    g.setLineDash([]);
    p.path([x, box.y, x, box.y + box.h]);
    g.strokeStyle = colors.b;
    g.lineWidth = 3.5;
    p.path([x, p.y(top), x, y]);
    g.fillStyle = colors.b;
    g.beginPath();
    g.arc(x, y, 4, 0, 7);
    g.fill();
    p.title(
      this.value(lost) === "0" ? this.shown(0) : `${UNITS[this.group.unit].sign > 0 ? "−" : "+"}${this.shown(lost)}`,
      box.x + box.w,
      box.y - 17,
      lost > UNITS[this.group.unit].near + 1e-9 ? colors.b : colors.ink,
      "right",
    );
  }

  // The greatest cost against the rate, with its least point.
  worst(g, colors, box, X) {
    const { group, t } = this,
      { times, deep } = UNITS[group.unit],
      rates = common(group),
      ys = rates.map((r) => Math.max(...costs(group, r)) * times),
      best = least(group);
    const p = new Panel(g, colors, box, X, {
      lo: 0,
      hi: Math.min(Math.max(...ys), deep * times * 1.5) * 1.05,
      label: t.share.worstAxis[group.unit],
    }).frame({ below: false });
    p.line(rates, ys, colors.b, { width: 2, dash: [6, 3] })
      .mark(best, text(best), colors.c)
      .dots([best], [ys[rates.indexOf(best)]], colors.c, { radius: 4 });
  }

  sentence() {
    const { t, group } = this,
      say = t.share,
      lost = costs(group, this.rate),
      i = lost.indexOf(Math.max(...lost)),
      { near } = UNITS[group.unit];
    if (!this.guess) return say.wait({ first: this.label(group.settings[0].name) });
    const words = [
      say.cost({
        rate: text(this.rate),
        worst: this.label(group.settings[i].name),
        lost: this.shown(lost[i]),
        n: lost.length,
        near: lost.filter((c) => c <= near + 1e-9).length,
        margin: this.margin,
      }),
    ];
    if (this.revealed) {
      const best = least(group),
        then = costs(group, best),
        high = Math.max(...then);
      words.push(
        say.answer({
          rate: text(best),
          lost: this.shown(high),
          worst: this.label(group.settings[then.indexOf(high)].name),
        }),
        best === this.rate ? say.found() : say.more({ more: this.shown(lost[i] - high) }),
      );
    }
    return words.join(t.space);
  }

  update() {
    const { t, group, frame } = this,
      n = group.settings.length,
      words = this.sentence();
    this.menu.show();
    this.slider.show();
    frame.badge.textContent = t.share.from(group);
    frame.speak(
      words,
      (this.guess
        ? t.share.picture({ n, axis: t.share.axis[group.unit], margin: this.margin })
        : t.share.waits({ n })) +
        t.space +
        words,
    );
    if (frame.details.open) frame.onTable();
    frame.picture.soon();
  }

  numbers() {
    const { t, group } = this,
      c = t.share.columns,
      all = reaches(group),
      lost = costs(group, this.rate),
      i = group.rates.indexOf(this.rate),
      open = this.guess !== "";
    const rows = group.settings.map((s, k) => [
      this.label(s.name),
      this.value(s.mean[all[k].best]),
      text(group.rates[all[k].best]),
      `${text(all[k].low)} – ${text(all[k].high)}`,
      ...(open ? [this.value(s.mean[i]), this.shown(lost[k])] : []),
    ]);
    this.frame.numbers(
      [t.setting, c.best, c.at, c.range({ margin: this.margin }), ...(open ? [c.here, c.lost] : [])],
      open ? rows : rows.slice(0, 1),
    );
  }
}

export const sharedRate = (raw, el) => {
  const view = new SharedRate(raw, el);
  return () => view.frame.end();
};
