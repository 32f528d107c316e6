// The static page's host: no kernel, no fetch, no import(url), so that file:// works too.
// It reads the widget state stored in the page, mounts the kit on it, and keeps stored links alive.
import kit, { VIEWS } from "./kit.js";
import { bytes } from "./core/series.js";

const here = (document.currentScript && document.currentScript.src.replace(/[^/]*$/, "")) || "";

export class StoredModel {
  constructor(state) {
    this.values = state;
    this.hears = new Map();
    this.stored = true;
  }

  get(key) {
    return this.values[key];
  }

  set(key, value) {
    if (Object.is(this.values[key], value)) return;
    this.values[key] = value;
    for (const event of ["change:" + key, "change"]) this.fire(event, this, value);
  }

  fire(event, ...heard) {
    for (const f of [...(this.hears.get(event) || [])]) f(...heard);
  }

  save_changes() {}

  send() {}

  on(event, f) {
    if (!this.hears.has(event)) this.hears.set(event, new Set());
    this.hears.get(event).add(f);
  }

  off(event, f) {
    this.hears.get(event)?.delete(f);
  }
}

const waiting = {};

// A recorded run arrives as a script that hands its data over under its name.
export function recorded(name, data) {
  const w = (waiting[name] ||= {});
  if (data) {
    w.data = data;
    w.done?.(data);
    return null;
  }
  w.promise ||= new Promise((done, fail) => {
    if (w.data) {
      done(w.data);
      return;
    }
    w.done = done;
    const s = document.createElement("script");
    s.src = `${here}recorded/${name}.js`;
    s.onerror = () => fail(new Error(s.src));
    document.head.append(s);
  });
  return w.promise;
}

function decode(entry) {
  const state = { ...entry.state };
  for (const { path, data } of entry.buffers || [])
    if (path.length === 1) state[path[0]] = new DataView(bytes(data).buffer);
  return state;
}

export function mount(el, state, model = new StoredModel(state)) {
  model.recorded ||= recorded;
  return { model, end: kit().render({ model, el }) };
}

const json = (kind) =>
  [...document.querySelectorAll(`script[type="application/vnd.jupyter.widget-${kind}+json"]`)].map((s) => ({
    s,
    value: JSON.parse(s.textContent),
  }));

function link(states, models, { source, target, _model_name }) {
  const end = ([ref, key]) => ({ model: models[ref.replace("IPY_MODEL_", "")], key });
  const a = end(source),
    b = end(target);
  if (!a.model || !b.model) return;
  a.model.on("change:" + a.key, (_m, v) => b.model.set(b.key, v));
  if (_model_name === "LinkModel") b.model.on("change:" + b.key, (_m, v) => a.model.set(a.key, v));
  b.model.set(b.key, a.model.get(a.key));
}

export function start() {
  const states = Object.assign({}, ...json("state").map(({ value }) => value.state)),
    models = {};
  for (const [id, entry] of Object.entries(states))
    if (VIEWS[entry.state.kind]) models[id] = new StoredModel(decode(entry));
  for (const entry of Object.values(states))
    if (/^(Directional)?LinkModel$/.test(entry.model_name))
      link(states, models, { ...entry.state, _model_name: entry.model_name });
  for (const { s, value } of json("view")) {
    const model = models[value.model_id];
    if (!model || s.dataset.lrw) continue;
    s.dataset.lrw = "on";
    const el = document.createElement("div");
    s.before(el);
    try {
      mount(el, null, model);
    } catch (problem) {
      el.setAttribute("role", "alert");
      el.textContent = String(problem);
    }
  }
}

window.lrwidgets = { mount, recorded, start };
if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
else start();
