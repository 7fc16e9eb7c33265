// One event: its payload, what it changed, and the state of the run behind it.
import {append, h, replace} from './dom.js';
import {diff} from './diff.js';
import {absolute, brief, offset} from './format.js';
import {jsonView} from './json_view.js';
import {groupOf} from './status.js';

const TABS = [['changes', 'Changes'], ['payload', 'Payload'], ['state', 'State']];
const kMarks = {added: '+', removed: '−', changed: '~'};

export class EventDetail {
  #log;
  #tab = 'changes';
  #shown = null;
  #begun;
  #body = h('div.detail-body', {role: 'tabpanel', id: 'detail-body', tabindex: '0'});
  #head = h('div.detail-head');
  #tabs;
  #forkSlot = h('div.detail-fork');

  /** `begun()`: the variables of the run's snapshot. `forkControl(sequence)`: what stands for "fork from here". */
  constructor(log, {begun, forkControl, onSelect, onClose}) {
    this.#log = log;
    this.#begun = begun;
    this.forkControl = forkControl;
    this.onSelect = onSelect;
    this.#tabs = h('div.tabs', {role: 'tablist', 'aria-label': 'Parts of the event', onkeydown: (event) => this.#onTabKey(event)},
      TABS.map(([id, text]) => h('button.tab', {
        type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': 'detail-body', onclick: () => this.#showTab(id),
      }, text)));
    this.element = h('section.detail', {'aria-label': 'Event'},
      h('div.detail-bar', null, this.#head,
        h('button.quiet.detail-close', {type: 'button', 'aria-label': 'Close the event', onclick: onClose}, '×')),
      h('div.detail-row', null, this.#tabs, this.#forkSlot), this.#body);
    this.#markTab();
    this.clear();
  }

  clear() {
    this.#shown = null;
    this.element.classList.add('nothing');
    replace(this.#head, h('h2', null, 'No event selected'));
    replace(this.#forkSlot);
    replace(this.#body, h('p.empty', null, 'Pick an event to see what it says and what it changed. ',
      h('kbd', null, 'j'), ' and ', h('kbd', null, 'k'), ' go through them.'));
  }

  focus() {
    this.#body.focus();
  }
  contains(element) {
    return this.element.contains(element);
  }

  async show(sequence) {
    this.#shown = sequence;
    this.element.classList.remove('nothing');
    const type = this.#log.type(sequence);
    const node = this.#log.node(sequence);
    replace(this.#head,
      h('h2', {dataset: {group: groupOf(type)}}, h('span.event-sequence', null, `#${sequence}`), ' ',
        h('span.event-type', null, type)),
      h('p.detail-facts', null, node && [h('span.event-node', null, node), ' · '],
        h('time', {datetime: new Date(this.#log.time(sequence)).toISOString()}, absolute(this.#log.time(sequence))),
        ` · ${offset(this.#log.time(sequence) - this.#log.time(0))}`));
    replace(this.#forkSlot, this.forkControl(sequence));
    await this.#fill();
  }

  #showTab(id) {
    this.#tab = id;
    this.#markTab();
    if (this.#shown !== null) void this.#fill();
  }

  #markTab() {
    for (const tab of this.#tabs.children) {
      const on = tab.id === `tab-${this.#tab}`;
      tab.setAttribute('aria-selected', String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    this.#body.setAttribute('aria-labelledby', `tab-${this.#tab}`);
  }

  #onTabKey(event) {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const at = TABS.findIndex(([id]) => id === this.#tab);
    this.#showTab(TABS[(at + step + TABS.length) % TABS.length][0]);
    document.getElementById(`tab-${this.#tab}`).focus();
  }

  async #fill() {
    const sequence = this.#shown;
    try {
      const event = this.#log.peek(sequence) ?? await this.#log.fetch(sequence);
      const content = this.#tab === 'payload' ? this.#payload(event) : await this.#states(sequence);
      if (this.#shown === sequence) replace(this.#body, content);
    } catch (error) {
      if (this.#shown === sequence) replace(this.#body, h('p.problem', {role: 'alert'}, error.message));
    }
  }

  #payload(event) {
    const {payload, ...envelope} = event;
    const prefix = `evt_${this.#log.runId}_`;
    const cause = String(event.causationId ?? '').startsWith(prefix) ? Number(event.causationId.slice(prefix.length)) : NaN;
    return [
      h('div.json-head', null, h('h3', null, 'Payload'), copyButton(payload)),
      jsonView(payload, {label: 'Payload'}),
      Number.isInteger(cause) && h('p', null, 'Caused by ',
        h('button.link', {type: 'button', onclick: () => this.onSelect(cause)}, `event #${cause}`)),
      h('details.envelope', null, h('summary', null, 'Envelope'), jsonView(envelope, {label: 'Envelope'})),
    ];
  }

  async #states(sequence) {
    const {before, after} = await this.#log.statesAround(sequence, this.#begun());
    if (this.#tab === 'state') {
      return [h('div.json-head', null, h('h3', null, `State behind event #${sequence}`), copyButton(after)),
        jsonView(after, {label: 'State'})];
    }
    return changeList(diff(before, after));
  }
}

function changeList(changes) {
  if (changes.length === 0) return h('p.empty', null, 'This event changed nothing of the state.');
  return h('ul.changes', {'aria-label': 'Changes of the state'}, changes.map((change) => {
    const item = h('li.change', {dataset: {kind: change.kind}},
      h('span.change-mark', {'aria-hidden': 'true'}, kMarks[change.kind]),
      h('span.change-path', null, change.path || '(all)'), h('span.unseen', null, ` ${change.kind}: `));
    const values = h('div.change-values');
    if (change.kind !== 'added') append(values, [value('before', change.before)]);
    if (change.kind === 'changed') append(values, [h('span.change-arrow', {'aria-label': 'became'}, '→')]);
    if (change.kind !== 'removed') append(values, [value('after', change.after)]);
    item.append(values);
    return item;
  }));
}

function value(side, content) {
  const big = content !== null && typeof content === 'object' && Object.keys(content).length > 0;
  return h(`div.change-${side}`, null, big ? jsonView(content, {label: side}) : brief(content, 400));
}

function copyButton(content) {
  const button = h('button.quiet', {
    type: 'button',
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(JSON.stringify(content, null, 2));
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'The browser refuses';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    },
  }, 'Copy');
  return button;
}
