// What waits for somebody's answer, oldest first, over all runs that the key sees.
import {h, isTyping, replace, setText} from './dom.js';
import {absolute, ago} from './format.js';

const PAGE = 100;
const LOOK_AGAIN_MS = 4000;

export class InboxPage {
  #api;
  #stop = new AbortController();
  #timer = null;
  #list = h('ul.inbox');
  #note = h('p.empty', {hidden: true});
  #problem = h('div', {role: 'alert'});
  #more = h('p.hint', {hidden: true}, 'There are more; answer these first.');

  /** `onRefused(error)`: the server wants another key. */
  constructor(api, onRefused) {
    this.#api = api;
    this.onRefused = onRefused;
    this.title = 'Inbox';
    this.element = h('div.inbox-page', null, h('div.page-title', null, h('h1', null, 'Waiting for an answer')),
      this.#problem, this.#list, this.#note, this.#more);
  }

  async start() {
    await this.#load();
    if (this.#stop.signal.aborted) return;
    this.#timer = setInterval(() => {
      if (document.visibilityState === 'visible') void this.#load();
    }, LOOK_AGAIN_MS);
  }

  stop() {
    this.#stop.abort(new DOMException('left the page', 'AbortError'));
    clearInterval(this.#timer);
  }

  async #load() {
    try {
      const page = await this.#api.interrupts({limit: PAGE}, this.#stop.signal);
      replace(this.#problem);
      this.#draw(page.interrupts);
      this.#more.hidden = !page.nextCursor;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (error.status === 401) return this.onRefused(error);
      const why = error.status === 403 ? 'this key may not answer interrupts (scope approvals:respond)' : error.message;
      replace(this.#problem, h('p.problem', null, `The inbox cannot be read: ${why}.`));
    }
  }

  #draw(interrupts) {
    const old = new Map([...this.#list.children].map((item) => [item.dataset.id, item]));
    interrupts.forEach((entry, index) => {
      const item = old.get(entry.interruptId) ?? this.#item(entry);
      old.delete(entry.interruptId);
      setText(item.querySelector('.age'), ago(Date.parse(entry.requestedAt)));
      if (this.#list.children[index] !== item) this.#list.insertBefore(item, this.#list.children[index] ?? null);
    });
    for (const item of old.values()) item.remove();
    this.#note.hidden = interrupts.length > 0;
    setText(this.#note, 'Nothing waits for an answer.');
  }

  #item(entry) {
    return h('li', {dataset: {id: entry.interruptId}},
      h('span.chip', {dataset: {tone: 'wait'}}, h('span.dot', {'aria-hidden': 'true'}), entry.kind),
      h('div', null, h('a.inbox-title', {href: `#/runs/${entry.runId}?answer`}, entry.title ?? entry.nodeId),
        h('p.answer-facts', null, entry.workflowId, ' · ', h('span.event-node', null, entry.nodeId),
          entry.expiresAt && ` · until ${absolute(Date.parse(entry.expiresAt))}`)),
      h('span.age.hint', {title: absolute(Date.parse(entry.requestedAt))}));
  }

  onKey(event) {
    if (isTyping(event)) return false;
    const step = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1}[event.key];
    if (!step) return false;
    const links = [...this.#list.querySelectorAll('a')];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
    return true;
  }
}
