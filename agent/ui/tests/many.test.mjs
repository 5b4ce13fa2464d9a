// Ten thousand services: the list shows what is in view, finds and sorts, and follows changes.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { Agent, openPage, startBrowser } from "./agent.mjs";

const COUNT = 10_000;
let agent;
let browser;

before(async () => {
  [agent, browser] = await Promise.all([Agent.start(), startBrowser()]);
  await agent.put("/v1/catalog/register", { Node: "many", Address: "10.0.0.1" });
  for (let from = 0; from < COUNT; from += 500) {
    const operations = Array.from({ length: 500 }, (_, i) => {
      const name = `service-${String(from + i).padStart(5, "0")}`;
      return { Service: { Verb: "set", Node: "many", Service: { ID: name, Service: name, Port: 80, Tags: ["t"] } } };
    });
    await agent.put("/v1/txn", operations);
  }
});

after(async () => {
  await browser?.close();
  await agent?.stop();
});

it("keeps ten thousand services in hand", async () => {
  const view = await openPage(browser, agent);
  const { page } = view;
  const started = Date.now();
  await view.goto("dc1/services");
  await page.getByText(`${COUNT + 1} of ${COUNT + 1} services`).waitFor();
  console.log(`figure: first list of ${COUNT} services after ${Date.now() - started} ms`);
  const heap = (await (await page.context().newCDPSession(page)).send("Runtime.getHeapUsage")).usedSize;
  console.log(`figure: the page uses ${(heap / 2 ** 20).toFixed(1)} MiB for them`);
  assert.ok((await page.locator(".list > li").count()) < 60);
  await page.getByLabel("Search by name or tag").fill("service-09999");
  await page.getByText(`1 of ${COUNT + 1} services`).waitFor();
  await page.getByRole("link", { name: "service-09999" }).waitFor();
  await page.getByLabel("Search by name or tag").fill("");
  await page.getByLabel("Order").selectOption("name");
  await page.getByRole("link", { name: "service-00000" }).focus();
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.activeElement.textContent === "service-09999");
  await agent.put("/v1/agent/service/register", { Name: "zz-last", Port: 1 });
  await page.getByText(`${COUNT + 2} of ${COUNT + 2} services`).waitFor();
  assert.deepEqual(view.problems, []);
  await view.close();
});
