// The pages of access control, and the others with tokens of different rights.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, it } from "node:test";
import { createRequire } from "node:module";
import { Agent, openPage, startBrowser } from "./agent.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.SCREENSHOTS;
const SECRET = "6b6e5a0f-6f1c-4a5e-9f5c-0c2d5d9d1a11";

let agent;
let browser;
let view;

before(async () => {
  const acl = { enabled: true, default_policy: "deny", tokens: { initial_management: SECRET, agent: SECRET } };
  [agent, browser] = await Promise.all([Agent.start({ acl }), startBrowser()]);
  view = await openPage(browser, agent);
});

after(async () => {
  await browser?.close();
  await agent?.stop();
});

async function look(name) {
  await view.page.evaluate(axe);
  const found = await view.page.evaluate(() => window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join("; ")}`), [], name);
  if (shots) await view.page.screenshot({ path: `${shots}/${name}.png` });
  assert.deepEqual(view.problems, [], name);
}

async function enter(secret) {
  await view.page.getByRole("button", { name: /^Token/ }).click();
  await view.page.getByLabel("Secret ID").fill(secret);
  await view.page.getByRole("button", { name: "Use this token" }).click();
}

const row = (text) => view.page.locator(".list > li", { hasText: text });

it("shows nothing without a token, and refuses one that nobody has", async () => {
  await view.goto("dc1/kv");
  await view.page.locator("main").getByText(/Your token does not allow this|There are no keys/).waitFor();
  await enter("11111111-2222-3333-4444-555555555555");
  await view.page.locator(".note.bad").getByText(/ACL not found/).waitFor();
  await look("token");
  await view.page.getByRole("button", { name: "Close", exact: true }).click();
});

it("takes a token, keeps it out of addresses, and shows what it may see", async () => {
  const urls = [];
  view.page.on("request", (request) => urls.push(request.url()));
  await view.goto("dc1/acls/tokens");
  await enter(SECRET);
  await row("Master Token").or(row("Initial Management")).or(row("Anonymous Token")).first().waitFor();
  assert.ok(!urls.some((url) => url.includes(SECRET)));
  await look("tokens");
});

it("creates a policy, a role and a token, and changes and deletes them", async () => {
  const { page } = view;
  await view.goto("dc1/acls/policies/new");
  await page.getByLabel("Name").fill("app-read");
  await page.getByLabel("Rules").fill('key_prefix "app/" { policy = "read" }');
  await look("policy");
  await page.getByRole("button", { name: "Save" }).click();
  await row("app-read").waitFor();
  await look("policies");
  await view.goto("dc1/acls/policies/new");
  await page.getByLabel("Name").fill("bad");
  await page.getByLabel("Rules").fill("nonsense {");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".note.bad").waitFor();
  await view.goto("dc1/acls/roles/new");
  await page.getByLabel("Name").fill("app");
  await page.getByLabel("app-read").check();
  await look("role");
  await page.getByRole("button", { name: "Save" }).click();
  await row("app").waitFor();
  await look("roles");
  await view.goto("dc1/acls/tokens/new");
  await page.getByLabel("Description").fill("for the app");
  await page.getByRole("group", { name: "Roles" }).getByLabel("app").check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Show" }).click();
  const secret = await page.locator("code").innerText();
  assert.match(secret, /^[0-9a-f-]{36}$/);
  await page.getByRole("button", { name: "Hide" }).click();
  await look("token-page");
  await agent.put("/v1/kv/app/x", "seen", SECRET);
  await agent.put("/v1/kv/other/x", "hidden", SECRET);
  await page.getByRole("button", { name: "Use here" }).click();
  await view.goto("dc1/kv?key=app%2Fx");
  await page.getByRole("region", { name: "Value" }).getByText("seen").waitFor();
  await view.goto("dc1/kv?key=other%2Fx");
  await page.getByText("Your token does not allow this.").waitFor();
  await view.goto("dc1/acls/explain");
  await page.getByLabel("Name").fill("app/x");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByRole("region", { name: "Explanation" }).getByText("app-read").waitFor();
  await look("explain");
  await enter(SECRET);
  await view.goto("dc1/acls/tokens");
  await row("for the app").getByRole("link").click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("The token was deleted.").waitFor();
  for (const [noun, name] of [["roles", "app"], ["policies", "app-read"]]) {
    await view.goto(`dc1/acls/${noun}`);
    await row(name).getByRole("link").click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("was deleted.").first().waitFor();
  }
});

it("signs out", async () => {
  const { page } = view;
  await view.goto("dc1/acls/tokens");
  await page.getByRole("button", { name: /^Token/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Your token does not allow this.").waitFor();
  assert.equal(await page.evaluate(() => Object.values({ ...localStorage }).join()), await page.evaluate(() => localStorage.getItem("concord:theme") ?? ""));
});
