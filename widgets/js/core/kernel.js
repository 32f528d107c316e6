// Where no Python is, a widget that can compute its runs itself gets this in a kernel's place: the same commands,
// the same messages. `train(model)` is a generator of rows; one frame of the screen is one turn of it.
import { still } from "./theme.js";

const TURN = 10; // ms of computing in a frame
const MOST = 8; // rows in a frame: the reader shall have time to steer
const SHOWN = { moving: 60, still: 1000 }; // ms between two pictures

export class PageKernel {
  constructor(raw, train) {
    Object.assign(this, { raw, train, serial: 0, rows: [], news: [], run: null, timer: 0, told: 0 });
    raw.send = (message) => queueMicrotask(() => this[message.do === "run" ? "start" : message.do]?.());
  }

  say(message, rows) {
    this.raw.fire("msg:custom", message, rows ? [Float32Array.from(rows.flat()).buffer] : []);
  }

  status(name) {
    this.raw.set("status", name);
  }

  get at() {
    return this.raw.get("status");
  }

  hello() {
    this.say({ is: "live", life: "page", serial: this.serial, rows: this.rows.length });
    if (this.rows.length) this.resync();
  }

  resync() {
    this.say({ is: "rows", serial: this.serial, first: 0 }, this.rows);
  }

  begin() {
    this.halt();
    this.rows = [];
    this.news = [];
    this.say({ is: "clear", serial: ++this.serial });
  }

  start() {
    if (["running", "paused"].includes(this.at)) return;
    this.begin();
    this.raw.set("error", "");
    this.run = this.train(this.raw);
    this.status("running");
    this.turn();
  }

  pause() {
    if (this.at === "running") {
      this.halt();
      this.flush();
      this.status("paused");
    }
  }

  resume() {
    if (this.at === "paused") {
      this.status("running");
      this.turn();
    }
  }

  stop() {
    if (["running", "paused"].includes(this.at)) this.over("stopped");
  }

  reset() {
    this.begin();
    this.run = null;
    this.status("idle");
  }

  halt() {
    cancelAnimationFrame(this.timer);
    this.timer = 0;
  }

  flush() {
    if (!this.news.length) return;
    const first = this.rows.length;
    this.rows.push(...this.news);
    this.say({ is: "rows", serial: this.serial, first }, this.news);
    this.news = [];
    this.told = performance.now();
  }

  over(status) {
    this.halt();
    this.flush();
    this.run = null;
    this.status(status);
  }

  turn() {
    this.timer = requestAnimationFrame(() => this.work());
  }

  work() {
    const began = performance.now();
    try {
      for (let k = 0; k < MOST && performance.now() - began < TURN; k++) {
        const { done, value } = this.run.next();
        if (done) {
          this.over("done");
          return;
        }
        this.news.push(value);
      }
    } catch (problem) {
      this.raw.set("error", String(problem));
      this.over("failed");
      return;
    }
    if (performance.now() - this.told >= (still() ? SHOWN.still : SHOWN.moving)) this.flush();
    this.turn();
  }

  end() {
    this.halt();
  }
}
