// The log of one run in bounded memory. Of every event there are a few bytes (type, node, time) to draw and filter
// with; the events themselves are kept for the pages that were looked at last and fetched again when needed. At the
// beginning of each page the folded state is kept, so that the state at any event costs one page of folding.
import {emptyState, fold} from './fold.js';

export const PAGE = 500;
/** Pages of whole events in memory; the one at the end is always there. */
const MAX_PAGES = 10;
/** Beyond it the rest of the log is not followed, and the page says so. */
export const MAX_EVENTS = 200_000;

/** Text <-> small number. */
class Names {
  #codes = new Map();
  list = [];
  code(name) {
    let code = this.#codes.get(name);
    if (code === undefined) {
      code = this.list.push(name) - 1;
      this.#codes.set(name, code);
    }
    return code;
  }
}

/** An array of numbers that grows. */
class Column {
  #values;
  constructor(Type) {
    this.#values = new Type(1024);
  }
  set(index, value) {
    if (index >= this.#values.length) {
      const larger = new this.#values.constructor(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[index] = value;
  }
  at(index) {
    return this.#values[index];
  }
}

export class EventLog {
  #api;
  #runId;
  #types = new Names();
  #nodes = new Names();
  #typeOf = new Column(Uint16Array);
  #nodeOf = new Column(Uint32Array);
  #timeOf = new Column(Float64Array);
  #pages = new Map();  // number -> events; in the order of their last use
  #loading = new Map();
  #states = [];        // at the beginning of each page
  #firstValues = {};   // of variables, before their first change

  constructor(api, runId) {
    this.#api = api;
    this.#runId = runId;
    this.count = 0;
    this.state = emptyState;
    this.truncated = false;
    /** Called with each event once, in order. */
    this.observers = [];
  }

  get runId() {
    return this.#runId;
  }
  type(sequence) {
    return this.#types.list[this.#typeOf.at(sequence)];
  }
  node(sequence) {
    return this.#nodes.list[this.#nodeOf.at(sequence)];
  }
  time(sequence) {
    return this.#timeOf.at(sequence);
  }

  /** Takes what comes next; what is there already is passed over. */
  append(events) {
    for (const event of events) {
      if (event.sequence !== this.count) continue;
      if (this.count >= MAX_EVENTS) {
        this.truncated = true;
        return;
      }
      const page = Math.floor(this.count / PAGE);
      if (this.count % PAGE === 0) {
        this.#states.push(this.state);
        this.#pages.set(page, []);
        this.#evict();
      }
      // Appending to a page that was put out while it was the last one cannot happen: the last page stays.
      this.#pages.get(page).push(event);
      this.#typeOf.set(this.count, this.#types.code(String(event.type)));
      this.#nodeOf.set(this.count, this.#nodes.code(String(event.nodeId ?? event.payload?.nodeId ?? '')));
      this.#timeOf.set(this.count, Date.parse(event.timestamp));
      if (event.type === 'variable.changed' && !Object.hasOwn(this.#firstValues, event.payload.name)) {
        this.#firstValues[event.payload.name] = event.payload.previous;
      }
      this.state = fold(this.state, event);
      this.count += 1;
      for (const observer of this.observers) observer(event);
    }
  }

  /** Reads what the server has now; true when the log is over. */
  async load(signal) {
    for (;;) {
      const before = this.count;
      const page = await this.#api.events(this.#runId, this.count - 1, signal);
      this.append(page.events);
      if (page.isComplete) return true;
      if (this.truncated || this.count - before < PAGE) return false;
    }
  }

  /** The event, or undefined when it has to be fetched first. */
  peek(sequence) {
    return this.#pages.get(Math.floor(sequence / PAGE))?.[sequence % PAGE];
  }

  async fetch(sequence) {
    return (await this.#page(Math.floor(sequence / PAGE)))[sequence % PAGE];
  }

  /**
   * The states before and after an event. `begun`: variables of the run's snapshot, for those that no event has
   * changed: what a run began with is not in its log.
   */
  async statesAround(sequence, begun) {
    const page = Math.floor(sequence / PAGE);
    const events = await this.#page(page);
    let before = this.#states[page];
    for (let i = 0; i < sequence % PAGE; ++i) before = fold(before, events[i]);
    const after = fold(before, events[sequence % PAGE]);
    const first = {};
    for (const [name, value] of Object.entries({...begun, ...this.#firstValues})) {
      if (value !== undefined) first[name] = value;
    }
    const complete = (state) => ({...state, variables: {...first, ...state.variables}});
    return {before: complete(before), after: complete(after)};
  }

  #page(number) {
    const events = this.#pages.get(number);
    if (events) {
      this.#pages.delete(number);
      this.#pages.set(number, events);
      return Promise.resolve(events);
    }
    let loading = this.#loading.get(number);
    if (!loading) {
      loading = this.#read(number).finally(() => this.#loading.delete(number));
      this.#loading.set(number, loading);
    }
    return loading;
  }

  // One answer may hold less than a page: it is cut by bytes as well.
  async #read(number) {
    const size = Math.min(PAGE, this.count - number * PAGE);
    const events = [];
    while (events.length < size) {
      const answer = await this.#api.events(this.#runId, number * PAGE + events.length - 1);
      if (answer.events.length === 0) throw new Error('the log of this run is shorter than it was');
      events.push(...answer.events.slice(0, size - events.length));
    }
    this.#pages.set(number, events);
    this.#evict();
    return events;
  }

  #evict() {
    const last = this.#states.length - 1;
    for (const number of this.#pages.keys()) {
      if (this.#pages.size <= MAX_PAGES) return;
      if (number !== last) this.#pages.delete(number);
    }
  }
}
