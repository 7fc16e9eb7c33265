// What the tests of the timeline page share: the server as a process, a browser that nothing escapes, cases.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {chromium} from 'playwright-core';

export const KEY = 'ui-key';
export const READ_ONLY_KEY = 'reading-key';

/** openwop-refserver on a free port, or on the one given, with the workflows of the test and the examples. */
export class Server {
  constructor({binary, source}) {
    this.binary = binary;
    this.source = source;
    this.folder = mkdtempSync(join(tmpdir(), 'openwop-ui-'));
  }

  async start(port = 0) {
    const words = ['--ui', '--listen', `127.0.0.1:${port}`, '--store', `rocksdb:${join(this.folder, 'data')}`,
      '--workflows', join(this.source, 'test/ui/workflows'), '--workflows', join(this.source, 'examples/workflows'),
      '--api-key', `${KEY}=acme`, '--api-key', `${READ_ONLY_KEY}=acme:manifest:read`];
    this.process = spawn(this.binary, words, {stdio: ['ignore', 'pipe', 'pipe']});
    this.log = '';
    this.killed = false;
    this.process.stderr.on('data', (text) => { this.log += text; });
    const line = await new Promise((resolve, reject) => {
      let out = '';
      this.process.stdout.on('data', (text) => {
        out += text;
        if (out.includes('\n')) resolve(out);
      });
      this.process.on('exit', (code, signal) => {
        const how = `the server ended with ${code ?? signal}: ${this.log}`;
        reject(new Error(how));
        if (!this.killed) console.error(how);
      });
    });
    this.url = JSON.parse(line).listening;
    return this;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  async kill() {
    this.killed = true;
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
  }

  async close() {
    await this.kill();
    rmSync(this.folder, {recursive: true, force: true});
  }

  async call(method, path, body) {
    const response = await fetch(this.url + path, {
      method, body: body && JSON.stringify(body),
      headers: {Authorization: `Bearer ${KEY}`, Accept: 'application/json', ...(body && {'Content-Type': 'application/json'})},
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  async create(workflowId, inputs = {}, more = {}) {
    return (await this.call('POST', '/v1/runs', {workflowId, inputs, ...more})).runId;
  }

  async status(runId, wanted) {
    await eventually(`the run to be ${wanted}`, async () => (await this.call('GET', `/v1/runs/${runId}`)).status === wanted);
  }

  resolve(runId, nodeId, resumeValue) {
    return this.call('POST', `/v1/runs/${runId}/interrupts/${encodeURIComponent(nodeId)}`, {resumeValue});
  }
}

export async function eventually(what, question, timeoutMs = 15_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

export function equal(got, wanted, what) {
  check(JSON.stringify(got) === JSON.stringify(wanted), `${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

/** Chromium, with a watch on every page: requests to elsewhere, errors on the console, what the policy forbids. */
export class Browser {
  /** Statuses of answers that the case in hand asks for; Chromium puts each on the console as an error. */
  expected = new Set();
  findings = [];
  requests = 0;

  async start(executablePath, server) {
    this.server = server;
    this.browser = await chromium.launch({executablePath, args: ['--disable-dev-shm-usage', '--disable-gpu']});
    return this;
  }

  async page({colorScheme = 'light', key = KEY, ...options} = {}) {
    const context = await this.browser.newContext({viewport: {width: 1360, height: 900}, colorScheme, ...options});
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on('request', (request) => {
      this.requests += 1;
      if (new URL(request.url()).origin !== this.server.url) this.findings.push(`a request left the origin: ${request.url()}`);
      if (request.url().includes(KEY)) this.findings.push(`the key is in a URL: ${request.url()}`);
    });
    page.on('pageerror', (error) => this.findings.push(`uncaught: ${error.stack}`));
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      const text = message.text();
      if ([...this.expected].some((part) => text.includes(part))) return;
      this.findings.push(`console: ${text} ${message.location().url}`);
    });
    if (key) {
      await page.addInitScript((text) => {
        if (!sessionStorage.getItem('test.was-here')) sessionStorage.setItem('openwop.key', text);
        sessionStorage.setItem('test.was-here', 'yes');
      }, key);
    }
    return page;
  }

  /** A page at a place behind the #. */
  async at(hash, options) {
    const page = await this.page(options);
    await page.goto(`${this.server.url}/ui${hash}`);
    return page;
  }

  async closePages() {
    for (const context of this.browser.contexts()) await context.close();
  }
}

/** Runs the cases one after the other; the number of failures. */
export async function runCases(cases, browser) {
  let failures = 0;
  for (const [name, body] of cases) {
    const began = Date.now();
    browser.expected = new Set();
    browser.findings = [];
    let problem = null;
    try {
      await body();
    } catch (error) {
      problem = error.stack;
      for (const [index, context] of browser.browser.contexts().entries()) {
        await context.pages()[0]?.screenshot({path: `failed-${failures}-${index}.png`}).catch(() => {});
      }
    }
    await browser.closePages();
    const findings = browser.findings;
    if (problem === null && findings.length === 0) {
      console.log(`ok      ${name} (${Date.now() - began} ms)`);
      continue;
    }
    failures += 1;
    console.log(`FAILED  ${name}\n${[problem, ...findings].filter(Boolean).join('\n')}`);
  }
  return failures;
}
