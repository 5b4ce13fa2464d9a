// Each page and each write in a real browser against a real agent without access control.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { createRequire } from "node:module";
import { Agent, openPage, startBrowser } from "./agent.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.SCREENSHOTS;
const HOSTILE = `<img src=x onerror="window.broken=1">'"&`;

let agent;
let browser;
let view;

before(async () => {
  [agent, browser] = await Promise.all([Agent.start({ limits: { kv_history_versions: 5 } }), startBrowser()]);
  view = await openPage(browser, agent);
  await fill();
});

after(async () => {
  await browser?.close();
  await agent?.stop();
});

async function fill() {
  await agent.put("/v1/agent/service/register", { Name: "web", Port: 80, Tags: ["blue", "v1"], Meta: { team: "shop" }, Checks: [{ Name: "alive", CheckID: "web-ttl", TTL: "1h", Status: "passing", Notes: "By the clock" }] });
  await agent.put("/v1/agent/service/register", { ID: "web-2", Name: "web", Port: 81, Tags: ["green"], Checks: [{ Name: "alive", CheckID: "web2-ttl", TTL: "1h" }] });
  await agent.put("/v1/agent/service/register", { Name: "db", Port: 5432 });
  await agent.put("/v1/agent/service/register", { Name: "web-proxy", Kind: "connect-proxy", Port: 21000, Proxy: { DestinationServiceName: "web", Upstreams: [{ DestinationName: "db", LocalBindPort: 9000 }] } });
  await agent.put("/v1/kv/app/config.json", '{"a": 1, "b": [true, null]}');
  await agent.put("/v1/kv/app/deep/er/key", "x");
  await agent.put("/v1/kv/plain", "one\ntwo\nthree");
}

/** Scans what is shown for problems of accessibility, and takes a picture of it. */
async function look(name) {
  const { page } = view;
  await page.evaluate(axe);
  for (const theme of ["light", "dark"]) {
    await page.getByLabel("Theme").selectOption(theme);
    const found = await page.evaluate(() => window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
    const problems = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join("; ")}`);
    assert.deepEqual(problems, [], `${name} in ${theme}`);
  }
  await page.getByLabel("Theme").selectOption("light");
  if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
  assert.deepEqual(view.problems, [], name);
}

const row = (text) => view.page.locator(".list > li", { hasText: text });

describe("services", () => {
  it("lists services with their health, and follows changes", async () => {
    await view.goto("");
    await row("web").first().waitFor();
    assert.match(await row("2 instances").innerText(), /web[\s\S]*critical/);
    await look("services");
    await agent.put("/v1/agent/check/pass/web2-ttl");
    await row("2 instances").getByText("passing").waitFor();
    await view.page.getByLabel("Search by name or tag").fill("db");
    await view.page.getByText("1 of 4 services").waitFor();
  });

  it("shows instances, their checks and who calls whom", async () => {
    await view.goto("dc1/services/web");
    await row("web-2").waitFor();
    await look("service");
    await view.page.getByRole("link", { name: "Topology" }).click();
    await view.page.getByRole("list", { name: "Services that web calls" }).getByText("db").waitFor();
    await look("topology");
    await view.page.getByRole("link", { name: "db", exact: true }).click();
    await view.page.getByRole("heading", { name: "db" }).waitFor();
    await view.page.getByRole("link", { name: "Topology" }).click();
    await view.page.getByRole("list", { name: "Services that call db" }).getByText("web").waitFor();
    await view.goto("dc1/services/web/n1/web");
    await view.page.getByText("By the clock").waitFor();
    await view.page.getByText("team").waitFor();
    await look("instance");
  });

  it("deregisters an instance", async () => {
    await agent.put("/v1/catalog/register", { Node: "elsewhere", Address: "10.0.0.9", Service: { Service: "old", Port: 1 } });
    await view.goto("dc1/services/old/elsewhere/old");
    await view.page.getByRole("button", { name: "Deregister" }).click();
    await view.page.getByRole("dialog").getByRole("button", { name: "Deregister" }).click();
    await view.page.getByText("There is no service old now.").waitFor();
  });
});

describe("nodes", () => {
  it("lists nodes and shows one", async () => {
    await view.goto("dc1/nodes");
    await row("n1").waitFor();
    await look("nodes");
    await row("n1").getByRole("link").click();
    await view.page.getByText("Agent alive and reachable").waitFor();
    await look("node");
    for (const tab of ["Services", "Round-trip times", "Sessions", "Meta"]) {
      await view.page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: tab }).click();
    }
    assert.deepEqual(view.problems, []);
  });
});

describe("keys", () => {
  it("walks folders and shows values before they are edited", async () => {
    await view.goto("dc1/kv");
    await row("app/").getByRole("link").click();
    await row("config.json").waitFor();
    await look("keys");
    await row("config.json").getByRole("link").click();
    await view.page.locator(".t-key", { hasText: '"a"' }).waitFor();
    assert.equal(await view.page.locator("textarea").count(), 0);
    await look("key");
  });

  it("creates, edits, brings back and deletes a key", async () => {
    const { page } = view;
    await view.goto("dc1/kv?prefix=made%2F&new=");
    await page.getByLabel("Key", { exact: true }).fill("made/by/hand");
    await page.getByLabel("Value").fill("first");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("region", { name: "Value" }).getByText("first").waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Value").fill("second");
    await look("edit");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("region", { name: "Value" }).getByText("second").waitFor();
    assert.equal((await agent.ask("GET", "/v1/kv/made/by/hand?raw")).content, "second");
    await page.getByRole("button", { name: "Bring back" }).click();
    await page.getByRole("region", { name: "Value" }).getByText("first").waitFor();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("made/by/hand was deleted.").waitFor();
    assert.equal((await agent.ask("GET", "/v1/kv/made/by/hand")).status, 404);
  });

  it("loses nobody's change: shows both, writes only against what was seen", async () => {
    const { page } = view;
    await view.goto("dc1/kv?key=plain");
    await page.getByRole("button", { name: "Edit" }).click();
    await agent.put("/v1/kv/plain", "one\nTWO\nthree");
    await page.getByLabel("Value").fill("one\ntwo\nTHREE");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Somebody else changed this key").waitFor();
    await page.locator("dialog .diff .new", { hasText: "TWO" }).waitFor();
    await page.locator("dialog .diff .new", { hasText: "THREE" }).waitFor();
    assert.equal((await agent.ask("GET", "/v1/kv/plain?raw")).content, "one\nTWO\nthree");
    await look("conflict");
    await page.getByRole("button", { name: "Go on with mine" }).click();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    assert.equal((await agent.ask("GET", "/v1/kv/plain?raw")).content, "one\ntwo\nTHREE");
  });

  it("shows big values and bytes that are no text without freezing", async () => {
    const { page } = view;
    await agent.put("/v1/kv/big", "line of a big value\n".repeat(25_000));
    await view.goto("dc1/kv?key=big");
    await page.getByRole("button", { name: /Show all/ }).waitFor();
    await fetch(`${agent.url}/v1/kv/binary`, { method: "PUT", body: new Uint8Array([0, 255, 1, 2]) });
    await view.goto("dc1/kv?key=binary");
    await page.getByText("00 ff 01 02").waitFor();
    assert.equal(await page.getByRole("button", { name: "Edit" }).isDisabled(), true);
  });

  it("exports and imports as the command line does", async () => {
    const { page } = view;
    await view.goto("dc1/kv?prefix=app%2F");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export" }).click()]);
    const exported = JSON.parse(readFileSync(await download.path(), "utf8"));
    assert.deepEqual(exported.map((e) => e.key), ["app/config.json", "app/deep/er/key"]);
    const entries = Array.from({ length: 150 }, (_, i) => ({ key: `in/${String(i).padStart(3, "0")}`, flags: i, value: btoa(`v${i}`) }));
    await page.locator('input[type="file"]').setInputFiles({ name: "in.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(entries)) });
    await page.getByText("150 keys were imported.").waitFor();
    assert.equal((await agent.ask("GET", "/v1/kv/in/?keys")).json().length, 150);
    await page.locator('input[type="file"]').setInputFiles({ name: "bad.json", mimeType: "application/json", buffer: Buffer.from('{"no":1}') });
    await page.getByText("This is not an export").waitFor();
    await view.goto("dc1/kv?prefix=in%2F");
    await page.getByRole("button", { name: "Delete folder" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete folder" }).click();
    await page.getByText("in/ was deleted.").waitFor();
    assert.equal((await agent.ask("GET", "/v1/kv/in/?keys")).status, 404);
  });
});

describe("sessions, intentions, config, cluster", () => {
  it("invalidates a session", async () => {
    const { ID } = (await agent.put("/v1/session/create", { Name: "holder" })).json();
    await agent.put(`/v1/kv/locked?acquire=${ID}`, "mine");
    await view.goto("dc1/kv?key=locked");
    await view.page.getByText("Locked by").waitFor();
    await view.goto("dc1/sessions");
    await row("holder").waitFor();
    await look("sessions");
    await row("holder").getByRole("button", { name: "Invalidate" }).click();
    await view.page.getByRole("dialog").getByRole("button", { name: "Invalidate" }).click();
    await view.page.getByText("There are no sessions.").waitFor();
  });

  it("creates, changes and deletes an intention", async () => {
    const { page } = view;
    await view.goto("dc1/intentions/new");
    await page.getByLabel("Source").fill("web");
    await page.getByLabel("Destination").fill("db");
    await page.getByRole("button", { name: "Save" }).click();
    await row("web → db").waitFor();
    await look("intentions");
    await row("web → db").getByRole("link").click();
    await page.getByLabel("Action").selectOption("deny");
    await look("intention");
    await page.getByRole("button", { name: "Save" }).click();
    await row("deny").waitFor();
    await row("web → db").getByRole("link").click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("There are no intentions").waitFor();
  });

  it("creates, changes and deletes a config entry", async () => {
    const { page } = view;
    await view.goto("dc1/config/service-defaults/?new=");
    await page.getByLabel("Entry as JSON").fill('{"Kind": "service-defaults", "Name": "web", "Protocol": "http"}');
    await page.getByRole("button", { name: "Save" }).click();
    await row("web").waitFor();
    await look("config");
    await row("web").getByRole("link").click();
    await page.getByLabel("Entry as JSON").fill('{"Kind": "service-defaults", "Name": "web", "Protocol": "grpc"}');
    await look("config-entry");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("The entry was saved.").first().waitFor();
    assert.equal((await agent.ask("GET", "/v1/config/service-defaults/web")).json().Protocol, "grpc");
    await row("web").getByRole("link").click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("There is no service-defaults.").waitFor();
  });

  it("shows the cluster, and saves and restores a snapshot", async () => {
    const { page } = view;
    await view.goto("dc1/cluster");
    await page.getByRole("cell", { name: "alive" }).waitFor();
    await look("cluster");
    await page.getByRole("link", { name: "Servers", exact: true }).click();
    await page.getByRole("cell", { name: "leader" }).waitFor();
    await look("servers");
    for (const name of ["Gossip keys", "Certificates"]) await page.getByRole("link", { name }).click();
    await page.getByRole("link", { name: "Snapshots" }).click();
    await look("snapshots");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save a snapshot" }).click()]);
    await agent.put("/v1/kv/after-the-snapshot", "x");
    await page.locator('input[type="file"]').setInputFiles(await download.path());
    await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
    await page.getByText("The snapshot was restored.").waitFor();
    assert.equal((await agent.ask("GET", "/v1/kv/after-the-snapshot")).status, 404);
  });
});

describe("the page itself", () => {
  it("says that access control is off", async () => {
    await view.goto("dc1/acls");
    await view.page.getByText("Access control is off").waitFor();
    await look("access-off");
  });

  it("runs no script of hostile names, keys, values and outputs", async () => {
    const { page } = view;
    await agent.put("/v1/catalog/register", { Node: "hostile", Address: "10.0.0.1", NodeMeta: { x: HOSTILE }, Service: { Service: HOSTILE, ID: HOSTILE, Tags: [HOSTILE], Meta: { y: HOSTILE } }, Check: { Name: HOSTILE, CheckID: "c", Status: "critical", Output: HOSTILE, Notes: HOSTILE, ServiceID: HOSTILE } });
    await agent.put(`/v1/kv/${encodeURIComponent(HOSTILE)}`, HOSTILE);
    const name = encodeURIComponent(HOSTILE);
    for (const path of ["dc1/services", `dc1/services/${name}`, `dc1/services/${name}/hostile/${name}`, "dc1/nodes", "dc1/nodes/hostile", "dc1/kv", `dc1/kv?key=${name}`, `${name}/services`, `dc1/${name}`]) {
      await view.goto(path);
      await page.locator("main").getByText(path.includes("dc1/n") ? "hostile" : /onerror|no such page|No path/).first().waitFor();
      assert.equal(await page.evaluate(() => window.broken), undefined, path);
    }
    assert.equal(await page.locator("img").count(), 0);
    assert.deepEqual(view.problems, []);
  });

  it("can be used with the keyboard alone", async () => {
    const { page } = view;
    await view.goto("dc1/services");
    await row("consul").waitFor();
    await row("consul").getByRole("link").focus();
    await page.keyboard.press("Home");
    const first = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("ArrowDown");
    assert.notEqual(await page.evaluate(() => document.activeElement.textContent), first);
    await page.keyboard.press("Enter");
    await page.getByRole("navigation", { name: "Sections" }).waitFor();
  });

  it("fits a phone", async () => {
    const phone = await openPage(browser, agent, { viewport: { width: 375, height: 700 } });
    for (const path of ["dc1/services", "dc1/services/web/n1/web", "dc1/nodes", "dc1/kv", "dc1/cluster"]) {
      await phone.goto(path);
      await phone.page.locator("h1").waitFor();
      const [wide, room] = await phone.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= room, `${path} is ${wide} wide`);
    }
    await phone.close();
  });

  it("says so when the agent goes away, and goes on when it can", async () => {
    const { page } = view;
    await view.goto("dc1/services");
    await row("web").first().waitFor();
    await page.route("**/v1/internal/ui/services*", (route) => route.abort());
    await agent.put("/v1/agent/service/register", { Name: "late", Port: 1 });
    await page.getByText("Not up to date").waitFor();
    await page.unroute("**/v1/internal/ui/services*");
    await row("late").waitFor();
  });
});
