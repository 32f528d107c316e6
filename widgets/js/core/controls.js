// Native, labelled controls. JupyterLab's shortcuts swallow arrow keys unless each control says otherwise.
import { round, text } from "./numbers.js";

let count = 0;
const id = () => `lrw${++count}-${Math.random().toString(36).slice(2, 7)}`;

export function h(tag, attrs = {}, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs))
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v != null) e.setAttribute(k, v);
  e.append(...kids.filter((x) => x != null));
  return e;
}

const control = (tag, attrs, ...kids) => h(tag, { "data-lm-suppress-shortcuts": "true", ...attrs }, ...kids);

// A slider with a box for the exact number. `log`: the slider moves in powers of ten.
// marks() → [{at, label}]: values under the slider; the slider snaps to one that lies within half a step.
// list() → the only values there are (then the slider moves from one to the next), or null.
export function slider({
  label,
  key,
  model,
  min,
  max,
  step,
  log = false,
  marks = () => [],
  list = () => null,
  digits = 3,
}) {
  const a = id(),
    to = log ? Math.log10 : Number,
    from = log ? (v) => 10 ** v : Number;
  const [lo, hi] = [to(min), to(max)],
    place = (all, v) =>
      all.reduce((best, x, i) => (Math.abs(to(x) - to(v)) < Math.abs(to(all[best]) - to(v)) ? i : best), 0);
  const title = h("label", { for: a }, label);
  const bar = control("input", { type: "range", id: a, min: lo, max: hi, step });
  const box = control("input", { type: "number", class: "lrw-box", min, max, step: "any", "aria-label": label });
  const under = h("span", { class: "lrw-marks", "aria-hidden": "true" });
  const snap = (v) => {
    const near = marks().find((m) => Math.abs(to(m.at) - v) < step * 0.55);
    return near ? round(near.at, 12) : round(from(v), digits);
  };
  bar.addEventListener("input", () => {
    const only = list(),
      v = only ? only[Number(bar.value)] : snap(Number(bar.value));
    if (v !== model.get(key)) model.write(key, v);
    show();
  });
  box.addEventListener("change", () => {
    const v = box.valueAsNumber,
      only = list();
    if (v >= min && v <= max) model.write(key, only ? only[place(only, v)] : v);
    show();
  });
  box.addEventListener("input", () => {
    const v = box.valueAsNumber;
    if (!list() && v >= min && v <= max) model.write(key, v);
  });
  function show() {
    const only = list(),
      wanted = Number(model.get(key)),
      v = only ? only[place(only, wanted)] : wanted;
    Object.assign(bar, only ? { min: 0, max: only.length - 1, step: 1 } : { min: lo, max: hi, step });
    if (only) bar.value = place(only, v);
    else if (Math.abs(to(v) - Number(bar.value)) > step / 2 || !(v >= min && v <= max)) bar.value = to(v);
    bar.setAttribute("aria-valuetext", text(v));
    if (Number(box.value) !== v || !box.value) box.value = round(v, 6);
    under.replaceChildren(
      ...marks()
        .filter((m) => m.at >= min && m.at <= max)
        .map((m, i, all) => {
          const at = (100 * (to(m.at) - lo)) / (hi - lo),
            side = all.length > 1 && at < 80 ? (i ? "right" : "left") : at > 75 ? "left" : at < 25 ? "right" : "mid";
          return h("span", { style: `left:${at}%`, class: side }, h("i", {}, m.label));
        }),
    );
  }
  const root = h("div", { class: "lrw-control lrw-wide" }, title, box, h("span", { class: "lrw-bar" }, bar, under));
  return {
    root,
    show,
    enable: (on) => {
      bar.disabled = box.disabled = !on;
    },
  };
}

export function number({ label, key, model, min, max, step = 1 }) {
  const a = id(),
    box = control("input", { type: "number", id: a, min, max, step, class: "lrw-box" });
  box.addEventListener("change", () => {
    const v = box.valueAsNumber;
    if (v >= min && v <= max) model.write(key, step === 1 ? Math.round(v) : v);
    show();
  });
  box.addEventListener("input", () => {
    const v = box.valueAsNumber;
    if (v >= min && v <= max && (step !== 1 || Number.isInteger(v))) model.write(key, v);
  });
  function show() {
    const v = Number(model.get(key));
    if (Number(box.value) !== v || !box.value) box.value = round(v, 6);
  }
  return {
    root: h("div", { class: "lrw-control" }, h("label", { for: a }, label), box),
    show,
    enable: (on) => {
      box.disabled = !on;
    },
  };
}

export function select({ label, key, model, choices }) {
  const a = id(),
    list = control("select", { id: a });
  list.addEventListener("change", () => model.write(key, list.value));
  function show() {
    const names = choices();
    if ([...list.options].map((o) => o.value + o.label).join() !== names.map(([v, t]) => v + t).join())
      list.replaceChildren(...names.map(([v, t]) => h("option", { value: v }, t)));
    list.value = model.get(key);
  }
  return {
    root: h("div", { class: "lrw-control" }, h("label", { for: a }, label), list),
    show,
    enable: (on) => {
      list.disabled = !on;
    },
  };
}

export const button = (label, press) => control("button", { type: "button", onclick: press }, label);
