// Starts a real agent for the tests of the page, and a browser; both end with the tests.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const program = process.env.CONCORD_BIN ?? "consul";
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Ports that were free a moment ago, all held together until the last is known. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((done) => {
      const server = createServer().listen(0, "127.0.0.1", () => done(server));
    })),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export class Agent {
  /** Starts a server in development mode with more configuration, and waits for its leader. */
  static async start(more = {}) {
    const [http, dns, rpc, lan, wan] = await freePorts(5);
    const dir = await mkdtemp(join(tmpdir(), "concord-ui-"));
    const config = {
      ports: { http, dns, server: rpc, serf_lan: lan, serf_wan: wan, grpc: -1 },
      bind_addr: "127.0.0.1",
      node_name: "n1",
      log_level: "info",
      ...more,
    };
    await writeFile(join(dir, "agent.json"), JSON.stringify(config));
    const child = spawn(program, ["agent", "-dev", `-config-file=${join(dir, "agent.json")}`], { stdio: ["ignore", "pipe", "pipe"] });
    const agent = new Agent(child, dir, `http://127.0.0.1:${http}`);
    child.stdout.on("data", (data) => (agent.log += data));
    child.stderr.on("data", (data) => (agent.log += data));
    const ended = new Promise((_, fail) => child.on("exit", (code) => fail(new Error(`the agent ended with ${code}:\n${agent.log.slice(-4000)}`))));
    ended.catch(() => {});
    await Promise.race([ended, agent.#leader(more.acl?.tokens.initial_management)]);
    return agent;
  }

  constructor(child, dir, url) {
    this.child = child;
    this.dir = dir;
    this.url = url;
    this.log = "";
  }

  async #leader(secret) {
    const deadline = Date.now() + 30_000;
    for (;;) {
      try {
        const answer = await fetch(`${this.url}/v1/status/leader`);
        if (answer.ok && (await answer.json()) !== "") {
          // The catalog has the server itself once the leader is at work.
          const nodes = await fetch(`${this.url}/v1/catalog/nodes?index=1&wait=5s`, { headers: secret ? { "X-Consul-Token": secret } : {} });
          if (nodes.ok && (await nodes.json()).length > 0) return;
        }
      } catch {
        // Not listening yet.
      }
      if (Date.now() > deadline) throw new Error(`no leader:\n${this.log.slice(-4000)}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async ask(method, path, body, token) {
    const headers = token ? { "X-Consul-Token": token } : {};
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const answer = await fetch(this.url + path, { method, headers, body: text });
    const content = await answer.text();
    if (!answer.ok && answer.status !== 404) throw new Error(`${method} ${path}: ${answer.status} ${content}`);
    return { status: answer.status, content, json: () => JSON.parse(content) };
  }

  put(path, body, token) {
    return this.ask("PUT", path, body, token);
  }

  async stop() {
    const gone = new Promise((done) => this.child.on("exit", done));
    this.child.kill("SIGKILL");
    await gone;
    await rm(this.dir, { recursive: true, force: true });
  }
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: browserPath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A page that fails the test on any error of a script, refused content or request that leaves the agent. */
export async function openPage(browser, agent, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const problems = [];
  page.on("pageerror", (error) => problems.push(`script: ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy|Refused/.test(message.text())) problems.push(message.text());
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(agent.url) && !url.startsWith("blob:") && !url.startsWith("data:")) problems.push(`request to ${url}`);
  });
  return {
    page,
    problems,
    goto: (path) => page.goto(`${agent.url}/ui/${path}`),
    close: () => context.close(),
  };
}
