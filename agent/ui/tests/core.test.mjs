// The pure parts of the page, without a browser.
import assert from "node:assert/strict";
import { it } from "node:test";
import { build } from "esbuild";

/** A module of the sources, as Node can load it. */
async function load(name) {
  const built = await build({ entryPoints: [new URL(`../src/core/${name}.ts`, import.meta.url).pathname], bundle: true, write: false, format: "esm" });
  return import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString("base64")}`);
}

it("finds the shortest way between two texts, and back to both", async () => {
  const { diff } = await load("diff");
  let seed = 7;
  const random = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  for (let round = 0; round < 300; round++) {
    const text = () => Array.from({ length: random(12) }, () => "abc"[random(3)]).join("\n");
    const [before, after] = [text(), text()];
    const lines = diff(before, after);
    const side = (gone) => lines.filter((line) => line.side !== gone).map((line) => line.text).join("\n");
    assert.equal(side("new"), before);
    assert.equal(side("old"), after);
  }
  assert.deepEqual(diff("a\nb\nc", "a\nx\nc").map((l) => l.side), ["same", "old", "new", "same"]);
});

it("colours without changing a character", async () => {
  const { guess, highlight, LARGEST } = await load("highlight");
  const texts = ['{"a": [1, "x\\"y", null]}', "a: 1 # note\nb:\n  - 'x'", 'service "web" {\n  port = 80 // p\n}', '{"broken', "x".repeat(LARGEST + 1)];
  for (const text of texts) {
    for (const language of ["json", "yaml", "hcl", "text"]) {
      assert.equal(highlight(text, language).map((t) => t.text).join(""), text);
    }
  }
  assert.deepEqual(texts.slice(0, 3).map((text) => guess(text)), ["json", "yaml", "hcl"]);
  assert.equal(guess("plain words"), "text");
  assert.ok(highlight(texts[0], "json").some((t) => t.kind === "key" && t.text === '"a"'));
});

it("keeps bytes as they are", async () => {
  const { asHex, asText, fromBase64, size, toBase64 } = await load("bytes");
  const all = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);
  assert.deepEqual(fromBase64(toBase64(all)), all);
  assert.equal(asText(all), undefined);
  assert.equal(asText(new TextEncoder().encode("\ufeffgrüß")), "\ufeffgrüß");
  assert.match(asHex(all), /^00000000 {2}00 01/);
  assert.deepEqual([size(0), size(1536), size(50 << 20)], ["0 B", "1.5 KiB", "50 MiB"]);
});

it("estimates round-trip times as consul rtt does", async () => {
  const { distance } = await load("distance");
  const at = (x, height, adjustment = 0) => ({ Vec: [x, 0], Height: height, Adjustment: adjustment, Error: 0 });
  assert.ok(Math.abs(distance(at(0, 0.001), at(0.003, 0.001)) - 5) < 1e-9);
  assert.ok(Math.abs(distance(at(0, 0.001, -1), at(0.003, 0.001)) - 5) < 1e-9);
});
