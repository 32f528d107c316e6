// What a kernel sends while it trains: numbered rows, or the whole at once; and the run before, as a ghost.
import { Series, floats } from "./series.js";

export class Stream {
  // changed(what): "life", "rows" or "clear".
  constructor(model, changed) {
    Object.assign(this, { model, changed, live: false, serial: -1, ghost: null });
    this.rows = new Series(model.get("width"));
    this.load();
    model.on("snapshot", () => {
      this.load();
      changed("rows");
    });
    model.on("msg:custom", (message, buffers) => this.hear(message, buffers || []));
    model.send("hello");
  }

  load() {
    const data = floats(this.model.get("snapshot")),
      width = this.model.get("width");
    if (this.rows.width !== width) this.rows = new Series(width);
    this.rows.clear();
    this.rows.add(data);
  }

  hear(message, buffers) {
    if (message.is === "live") {
      this.live = message.life || "live";
      this.serial = message.serial;
      if (message.rows > this.rows.n) this.model.send("resync");
      this.changed("life");
    } else if (message.is === "clear") this.clear(message.serial);
    else if (message.is === "rows" && message.serial === this.serial) {
      if (this.rows.add(floats(buffers[0]), message.first)) this.changed("rows");
      else this.model.send("resync");
    }
  }

  clear(serial = this.serial) {
    if (this.rows.n) this.ghost = { rows: this.rows.copy(), meta: this.meta };
    this.serial = serial;
    this.rows = new Series(this.model.get("width"));
    this.changed("clear");
  }
}
