// What the labs share: a frame with buttons and progress, and four lives. "live": Python trains. "page": the page
// trains. "recorded": the page plays recorded real runs. "asleep": none is there; the last stored picture stays.
import { button, h } from "./controls.js";
import { Frame } from "./frame.js";
import { PageKernel } from "./kernel.js";
import { Model } from "./model.js";
import { choices, nearest, Player, whenSeen } from "./recorded.js";
import { Stream } from "./stream.js";
import { still } from "./theme.js";

const MOMENTUM = ["momentum", "nesterov"];
const BUSY = ["waiting", "loading", "running", "paused", "stopping"];

// A lab says what to draw and to tell, and: `wants`, the traits that pick one of the recorded runs; `keeps`, the controls
// that stay in use beside a recording.
export class Lab {
  constructor(raw, el, kind, { draw, height, train = null }) {
    if (raw.stored && train) this.kernel = raw.kernel ||= new PageKernel(raw, train);
    this.model = new Model(raw);
    this.life = "asleep";
    this.file = null;
    this.frame = new Frame(this.model, el, { kind, draw: (...a) => draw(...a), height });
    this.t = this.frame.t;
    this.player = new Player(
      () => this.update(),
      () => this.buttons(),
    );
    this.addButtons();
    this.stream = new Stream(this.model, (what) => this.heard(what));
    this.model.on("status", () => {
      this.buttons();
      this.update();
    });
    if (raw.recorded) this.frame.ends.push(whenSeen(this.frame.root, () => this.loadRuns(raw, kind)));
    this.frame.ends.push(() => this.player.pause());
    this.awaken("asleep");
  }

  // Show the controls, follow their traits and those named in `more`, and draw for the first time.
  begin(controls, more) {
    this.all = controls;
    this.frame.row.append(...Object.values(controls).map((c) => c.root));
    this.model.on(`${Object.keys(controls).join(" ")} devices ${more}`.trim(), () => {
      if (this.life === "recorded") this.choose();
      this.onFile();
      this.update();
    });
    this.stream.meta = this.describe();
    this.frame.onTable = () => this.numbers();
    this.shown = true;
    this.onFile();
    this.update();
  }

  // The choices of a menu: of a recording only those that it has.
  menu(key) {
    const { t, model } = this,
      names = key === "device" ? Object.fromEntries(model.get("devices").map((d) => [d, d])) : t.menus[key];
    const got =
      this.life === "recorded" && this.wants.includes(key)
        ? choices(this.file, key, this.wanted())
        : Object.keys(names);
    return got.map((v) => [v, names[v]]);
  }

  wanted() {
    return Object.fromEntries(this.wants.map((k) => [k, this.model.get(k)]));
  }

  get hasMomentum() {
    return MOMENTUM.includes(this.model.get("optimizer"));
  }

  // Show each control where it means something.
  onFile() {
    const recorded = this.life === "recorded";
    for (const [key, c] of Object.entries(this.all || {})) {
      c.root.hidden =
        (key === "momentum" && !this.hasMomentum) ||
        (recorded && !this.keeps.includes(key)) ||
        (key === "device" && this.model.get("devices").length < 2);
      c.show();
    }
    if (recorded && !this.run) this.choose();
  }

  // Take the recorded run that is nearest to what the controls say; the one before it stays as a ghost.
  choose() {
    const run = nearest(this.file, this.wanted());
    if (run === this.run) return;
    this.ghostRun = this.run;
    this.run = run;
    this.player.pause();
    this.player.at = 1;
  }

  loadRuns(raw, kind) {
    raw.recorded(kind).then(
      (file) => {
        this.file = file;
        if (this.kernel) this.update();
        else if (this.life !== "live") {
          this.awaken("recorded");
          this.onFile();
          this.update();
        }
      },
      () => this.frame.failure(this.t.noRecording),
    );
  }

  heard(what) {
    if (what === "life") {
      this.player.pause();
      this.awaken(this.stream.live);
      this.onFile();
    }
    if (what === "clear") this.stream.meta = this.describe();
    this.update();
  }

  awaken(life) {
    this.life = life;
    this.frame.root.dataset.life = life;
    this.frame.badge.textContent = this.t.lives[life];
    this.buttons();
  }

  addButtons() {
    const t = this.t,
      press = (name) => () => this.press(name);
    this.keys = {
      run: button(t.run, press("run")),
      pause: button(t.pause, press("pause")),
      stop: button(t.stop, press("stop")),
      reset: button(t.reset, press("reset")),
    };
    this.keys.reset.title = t.resets;
    this.progress = h("progress", { max: 1, value: 0, "aria-label": t.progress });
    this.frame.buttons.append(...Object.values(this.keys), this.progress);
  }

  get status() {
    return this.life === "recorded"
      ? this.player.playing
        ? "running"
        : this.player.at < 1
          ? "paused"
          : "done"
      : this.model.get("status");
  }

  buttons() {
    const s = this.status,
      k = this.keys,
      busy = BUSY.includes(s),
      can = this.life !== "asleep";
    k.run.disabled = !can || busy;
    k.pause.disabled = !can || !["running", "loading", "paused"].includes(s);
    k.pause.textContent = s === "paused" ? this.t.resume : this.t.pause;
    k.stop.disabled = !can || !busy || s === "stopping";
    k.reset.disabled = !can;
    this.frame.root.dataset.status = s;
  }

  press(name) {
    if (this.life === "live" || this.life === "page") {
      this.model.send(name === "pause" && this.status === "paused" ? "resume" : name);
      if (name === "reset") this.forget();
      return;
    }
    const p = this.player,
      halted = !p.playing && p.at < 1;
    if (name === "run") p.play(0, still());
    else if (name === "pause") {
      if (halted) p.play(p.at, still());
      else p.pause();
    } else {
      p.pause();
      p.at = 1;
      if (name === "reset") this.forget();
    }
    this.buttons();
    this.update();
  }

  // Reset forgets the runs; every setting stays as the reader chose it.
  forget() {
    this.stream.rows.clear();
    this.stream.ghost = this.ghostRun = null;
  }

  get busy() {
    return BUSY.includes(this.status);
  }

  update() {
    if (!this.shown) return;
    this.buttons();
    this.show();
    if (this.frame.details.open) this.frame.onTable();
    this.frame.picture.soon();
  }

  // The sentence, and the way that the run has come.
  tell(words, picture, made, steps) {
    this.progress.value = steps ? Math.min(1, made / steps) : 0;
    this.frame.speak(words, picture + this.t.space + words, this.busy ? 1500 : 300);
  }

  end() {
    this.kernel?.end();
    this.frame.end();
  }
}
