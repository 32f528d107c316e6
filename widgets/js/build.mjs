// Builds the kit into ../lrwidgets/static, or with --check compares it with what is there.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL(".", import.meta.url));
const target = fileURLToPath(new URL("../lrwidgets/static/", import.meta.url));
const common = {
  absWorkingDir: source,
  bundle: true,
  minify: true,
  charset: "utf8",
  target: "es2022",
  write: false,
  legalComments: "none",
};

const [kit, page, css] = await Promise.all([
  build({ ...common, entryPoints: ["kit.js"], format: "esm" }),
  build({ ...common, entryPoints: ["page.js"], format: "iife" }),
  build({ ...common, entryPoints: ["kit.css"] }),
]);
const files = { "kit.js": kit, "page.js": page, "kit.css": css };
await mkdir(target, { recursive: true });
let stale = 0;
for (const [name, result] of Object.entries(files)) {
  const text = result.outputFiles[0].text,
    path = target + name;
  if (process.argv.includes("--check")) {
    const old = (await readFile(path, "utf8").catch(() => "")).replaceAll("\r\n", "\n");
    if (old !== text) {
      stale++;
      console.error(`${name} is not what the source gives: run "node build.mjs"`);
    }
  } else {
    await writeFile(path, text);
    console.log(`${name} ${text.length} bytes`);
  }
}
process.exit(stale ? 1 : 0);
