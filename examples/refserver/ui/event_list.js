// The events as a list of rows of one height. Only the rows in sight exist; those whose event is not in memory say so
// until it has come.
import {append, h, oncePerFrame, setText} from './dom.js';
import {absolute, offset} from './format.js';
import {groupOf} from './status.js';
import {summaryOf} from './summary.js';

const ROW = 30;
const MARGIN_ROWS = 6;
const MAX_ROWS = 300;
/** Browsers do not draw elements of any height. */
const MAX_HEIGHT = 8_000_000;

export class EventList {
  #log;
  #filter = {text: '', group: '', node: ''};
  #matches = null;  // sequences, or null: all
  #matched = 0;     // how many of the log have been held against the filter
  #rows = new Map();
  #selected = -1;
  #inSight = false;  // the selected row is, and stays so when the list gets smaller
  #follow = false;
  #spacer = h('div.event-space', {role: 'presentation'});
  #empty = h('p.empty', {hidden: true}, 'No event matches the filter.');
  #draw = oncePerFrame(() => this.#render());

  /** `onSelect(sequence)`: the selection went to an event. `onOpen()`: somebody wants to look into it. */
  constructor(log, {onSelect, onOpen}) {
    this.#log = log;
    this.onSelect = onSelect;
    this.onOpen = onOpen;
    this.element = h('div.event-list', {
      role: 'listbox', tabindex: '0', 'aria-label': 'Events', onscroll: () => this.#onScroll(),
    }, this.#spacer, this.#empty);
    new ResizeObserver(() => {
      if (this.#selected >= 0 && this.#inSight) this.#reveal(this.#indexOf(this.#selected));
      this.#draw();
    }).observe(this.element);
  }

  get length() {
    return this.#matches ? this.#matches.length : this.#log.count;
  }
  get selected() {
    return this.#selected;
  }
  #sequenceAt(index) {
    return this.#matches ? this.#matches[index] : index;
  }
  #indexOf(sequence) {
    return this.#matches ? this.#matches.indexOf(sequence) : sequence;
  }

  /** Goes to the end, and with it as the log grows, until somebody scrolls away or selects an event. */
  follow() {
    this.#follow = true;
    this.#draw();
  }

  setFilter(changes) {
    this.#filter = {...this.#filter, ...changes};
    const {text, group, node} = this.#filter;
    this.#matches = text || group || node ? [] : null;
    this.#matched = 0;
    this.#follow = false;
    this.grown();
    if (this.#indexOf(this.#selected) >= 0) this.#reveal(this.#indexOf(this.#selected));
    else this.element.scrollTop = 0;
  }

  /** The log has got more events. */
  grown() {
    if (this.#matches) {
      const {text, group, node} = this.#filter;
      for (; this.#matched < this.#log.count; ++this.#matched) {
        const type = this.#log.type(this.#matched);
        const of = this.#log.node(this.#matched);
        if (group && groupOf(type) !== group) continue;
        if (node && of !== node) continue;
        if (text && !type.toLowerCase().includes(text) && !of.toLowerCase().includes(text)) continue;
        this.#matches.push(this.#matched);
      }
    }
    this.#draw();
  }

  #onScroll() {
    const {scrollTop, scrollHeight, clientHeight} = this.element;
    // At the end new events are followed, elsewhere they leave the place alone.
    this.#follow = scrollTop + clientHeight >= scrollHeight - ROW;
    const top = this.#indexOf(this.#selected) * ROW;
    this.#inSight = top >= 0 && top + ROW > scrollTop && top < scrollTop + clientHeight;
    this.#draw();
  }

  #fit() {
    this.#spacer.style.height = `${Math.min(this.length * ROW, MAX_HEIGHT)}px`;
  }

  #render() {
    const count = this.length;
    this.#fit();
    this.#empty.hidden = count > 0 || this.#log.count === 0;
    const height = this.element.clientHeight;
    if (this.#follow && this.#selected < 0) this.element.scrollTop = this.element.scrollHeight;
    const first = Math.max(Math.floor(this.element.scrollTop / ROW) - MARGIN_ROWS, 0);
    const end = Math.min(Math.ceil((this.element.scrollTop + height) / ROW) + MARGIN_ROWS, count, first + MAX_ROWS);
    const wanted = new Map();
    for (let index = first; index < end; ++index) wanted.set(this.#sequenceAt(index), index);
    for (const [sequence, row] of this.#rows) {
      if (wanted.has(sequence)) continue;
      row.element.remove();
      this.#rows.delete(sequence);
    }
    // In the order of the log, which is what screen readers go by.
    let before = null;
    for (const [sequence, index] of wanted) {
      const {element} = this.#place(this.#row(sequence), sequence, index, count);
      const next = before ? before.nextSibling : this.#spacer.firstChild;
      if (next !== element) this.#spacer.insertBefore(element, next);
      before = element;
    }
  }

  #row(sequence) {
    let row = this.#rows.get(sequence);
    if (!row) {
      row = {filled: false, summary: h('span.event-summary')};
      const type = this.#log.type(sequence);
      const node = this.#log.node(sequence);
      row.element = h('div.event', {
        role: 'option', id: `event-${sequence}`, dataset: {group: groupOf(type)},
        title: absolute(this.#log.time(sequence)),
        onclick: () => this.select(sequence), ondblclick: () => this.onOpen(),
      });
      append(row.element, [
        h('span.event-sequence', null, String(sequence)),
        h('span.event-time', null, offset(this.#log.time(sequence) - this.#log.time(0))),
        h('span.event-type', null, type), h('span.event-node', null, node), row.summary]);
      this.#rows.set(sequence, row);
    }
    if (!row.filled) this.#fill(row, sequence);
    return row;
  }

  #fill(row, sequence) {
    const event = this.#log.peek(sequence);
    if (event) {
      row.filled = true;
      setText(row.summary, summaryOf(event));
      return;
    }
    setText(row.summary, '…');
    this.#log.fetch(sequence).then(() => this.#draw(), () => setText(row.summary, 'could not be loaded; scroll to try again'));
  }

  #place(row, sequence, index, count) {
    row.element.style.transform = `translateY(${index * ROW}px)`;
    row.element.setAttribute('aria-selected', String(sequence === this.#selected));
    row.element.setAttribute('aria-posinset', String(index + 1));
    row.element.setAttribute('aria-setsize', String(count));
    return row;
  }

  select(sequence) {
    if (sequence < 0 || sequence >= this.#log.count) return;
    if (this.#indexOf(sequence) < 0) this.setFilter({text: '', group: '', node: ''});
    this.#selected = sequence;
    this.#inSight = true;
    this.#reveal(this.#indexOf(sequence));
    this.#render();
    this.element.setAttribute('aria-activedescendant', `event-${sequence}`);
    this.onSelect(sequence);
  }

  clearSelection() {
    this.#selected = -1;
    this.element.removeAttribute('aria-activedescendant');
    this.#draw();
  }

  /** Moves the selection by rows of what the filter lets through. */
  move(by) {
    if (this.length === 0) return;
    const index = this.#indexOf(this.#selected);
    const to = index < 0 ? (by > 0 ? 0 : this.length - 1) : Math.min(Math.max(index + by, 0), this.length - 1);
    this.select(this.#sequenceAt(to));
  }

  #reveal(index) {
    this.#fit();
    const top = index * ROW;
    const {scrollTop, clientHeight} = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.element.scrollTop = top + ROW - clientHeight;
  }
}
