// One face for both lives of a widget: a kernel's model in JupyterLab, a plain object in the static page.

export class Model {
  constructor(raw) {
    this.raw = raw;
    this.offs = [];
  }

  get(key) {
    return this.raw.get(key);
  }

  // The page writes a control; the kernel (if there is one) and linked widgets hear of it.
  write(key, value) {
    if (this.raw.get(key) === value) return;
    this.raw.set(key, value);
    this.raw.save_changes();
  }

  on(keys, call) {
    for (const key of keys.split(" ")) {
      const event = key.includes(":") ? key : "change:" + key,
        f = (...a) => call(...a);
      this.raw.on(event, f);
      this.offs.push(() => this.raw.off(event, f));
    }
  }

  send(command) {
    try {
      this.raw.send({ do: command });
    } catch {
      /* the kernel is gone: nobody hears it */
    }
  }

  off() {
    this.offs.splice(0).forEach((f) => f());
  }
}
