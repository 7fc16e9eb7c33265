// The list of runs: filters that the API has, pages by cursor, the first page looked at again now and then.
import {announce, h, isTyping, replace, setText} from './dom.js';
import {absolute, ago, duration} from './format.js';
import {isTerminal} from './fold.js';
import {RUN_STATUSES, statusChip} from './status.js';

const PAGE = 50;
/** Rows on the page; who wants older ones narrows the filter. */
const MAX_ROWS = 2000;
const LOOK_AGAIN_MS = 4000;
const FILTERS = ['status', 'workflowId', 'tag', 'createdFrom', 'createdBefore'];

export class RunsPage {
  #api;
  #filter;
  #stop = new AbortController();
  #runs = [];
  #cursor = null;
  #selected = 0;
  #timer = null;
  #loading = null;
  #rows = h('tbody');
  #note = h('p.empty', {hidden: true});
  #more = h('button', {type: 'button', hidden: true, onclick: () => this.#loadMore()}, 'Older runs');
  #problem = h('div', {role: 'alert'});

  /** `onRefused(error)`: the server wants another key. */
  constructor(api, query, onRefused) {
    this.#api = api;
    this.onRefused = onRefused;
    this.#filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
    this.title = 'Runs';
    this.#build();
  }

  async start() {
    await this.#load();
    if (this.#stop.signal.aborted) return;
    this.#timer = setInterval(() => {
      if (document.visibilityState === 'visible') void this.#lookAgain();
    }, LOOK_AGAIN_MS);
  }

  stop() {
    this.#stop.abort(new DOMException('left the page', 'AbortError'));
    clearInterval(this.#timer);
  }

  #build() {
    const field = (name, label, control) => {
      control.id = `filter-${name}`;
      control.name = name;
      control.value = this.#filter[name];
      return h('div.field', null, h('label', {for: control.id}, label), control);
    };
    const local = (iso) => {
      const time = new Date(iso);
      return iso && Number.isFinite(time.getTime()) ? new Date(time - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19) : '';
    };
    this.first = h('input', {type: 'search', placeholder: 'any', autocomplete: 'off', spellcheck: 'false', 'aria-keyshortcuts': '/'});
    const status = h('select', null, h('option', {value: ''}, 'any'), RUN_STATUSES.map((name) => h('option', {value: name}, name.replace('-', ' '))));
    const from = h('input', {type: 'datetime-local', step: 1});
    const before = h('input', {type: 'datetime-local', step: 1});
    this.form = h('form.filters', {role: 'search', 'aria-label': 'Filter the runs', onsubmit: (event) => {
      event.preventDefault();
      this.#apply();
    }, onchange: () => this.#apply()},
      field('workflowId', 'Workflow', this.first), field('status', 'Status', status),
      field('tag', 'Tag', h('input', {type: 'search', placeholder: 'any', autocomplete: 'off', spellcheck: 'false'})),
      field('createdFrom', 'Created from', from), field('createdBefore', 'Created before', before),
      h('div.answer-buttons', null, h('button.primary', {type: 'submit'}, 'Filter'),
        h('button', {type: 'button', onclick: () => this.#clear()}, 'Clear')));
    from.value = local(this.#filter.createdFrom);
    before.value = local(this.#filter.createdBefore);
    this.element = h('div.runs-page', null, h('div.page-title', null, h('h1', null, 'Runs')),
      this.form, this.#problem,
      h('div.table-box', null, h('table.runs', null,
        h('thead', null, h('tr', null, ['Status', 'Workflow', 'Run', 'Created', 'Took'].map((text) => h('th', {scope: 'col'}, text)))),
        this.#rows)),
      this.#note, h('div.after-table', null, this.#more));
  }

  #clear() {
    for (const name of FILTERS) this.form.elements[name].value = '';
    this.#apply();
  }

  #apply() {
    const values = Object.fromEntries(FILTERS.map((name) => [name, this.form.elements[name].value.trim()]));
    for (const name of ['createdFrom', 'createdBefore']) {
      if (values[name]) values[name] = new Date(values[name]).toISOString();
    }
    const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ''));
    const hash = query.size > 0 ? `#/runs?${query}` : '#/runs';
    if (hash !== location.hash) {
      history.replaceState(null, '', hash);
      this.#filter = values;
      this.#selected = 0;
      void this.#load();
    }
  }

  #query(more = {}) {
    const set = Object.entries({...this.#filter, limit: PAGE, ...more}).filter(([, value]) => value !== '' && value !== null);
    return Object.fromEntries(set);
  }

  async #load() {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.element.setAttribute('aria-busy', 'true');
    try {
      const page = await this.#api.runs(this.#query(), AbortSignal.any([loading.signal, this.#stop.signal]));
      this.#runs = page.runs;
      this.#cursor = page.nextCursor ?? null;
      replace(this.#problem);
      this.#draw();
      announce(`${this.#runs.length}${this.#cursor ? ' and more' : ''} runs`);
    } catch (error) {
      if (loading.signal.aborted || this.#stop.signal.aborted) return;
      if (error.status === 401 || error.status === 403) return this.onRefused(error);
      this.#fail(error);
    } finally {
      this.element.removeAttribute('aria-busy');
    }
  }

  #fail(error) {
    replace(this.#problem, h('p.problem', null, `The runs cannot be read: ${error.message}. `,
      h('button', {type: 'button', onclick: () => void this.#load()}, 'Try again')));
  }

  async #loadMore() {
    this.#more.disabled = true;
    try {
      const page = await this.#api.runs(this.#query({cursor: this.#cursor}), this.#stop.signal);
      const known = new Set(this.#runs.map((run) => run.runId));
      this.#runs.push(...page.runs.filter((run) => !known.has(run.runId)));
      this.#cursor = page.nextCursor ?? null;
      this.#draw();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#fail(error);
    }
    this.#more.disabled = false;
  }

  // New runs come on top, and those of the first page may have gone on; what was loaded below stays.
  async #lookAgain() {
    try {
      const page = await this.#api.runs(this.#query(), this.#stop.signal);
      const fresh = new Set(page.runs.map((run) => run.runId));
      const chosen = this.#runs[this.#selected]?.runId;
      const rest = this.#runs.length > PAGE ? this.#runs.slice(PAGE).filter((run) => !fresh.has(run.runId)) : [];
      if (rest.length === 0) this.#cursor = page.nextCursor ?? null;
      this.#runs = [...page.runs, ...rest];
      const at = this.#runs.findIndex((run) => run.runId === chosen);
      if (at >= 0) this.#selected = at;
      replace(this.#problem);
      this.#draw();
    } catch {
      // The head of the page tells about the connection; the list stays as it was.
    }
  }

  #draw() {
    const full = this.#runs.length >= MAX_ROWS;
    const old = new Map([...this.#rows.children].map((row) => [row.dataset.run, row]));
    this.#runs.forEach((run, index) => {
      let row = old.get(run.runId);
      old.delete(run.runId);
      if (!row) row = this.#row(run);
      this.#update(row, run, index);
      if (this.#rows.children[index] !== row) this.#rows.insertBefore(row, this.#rows.children[index] ?? null);
    });
    for (const row of old.values()) row.remove();
    this.#more.hidden = this.#cursor === null || full;
    const filtered = FILTERS.some((name) => this.#filter[name] !== '');
    this.#note.hidden = this.#runs.length > 0 && !full;
    setText(this.#note, full ? `The newest ${MAX_ROWS} runs are shown; narrow the filter for older ones.`
      : filtered ? 'No run matches the filter.' : 'There are no runs yet. Create one with POST /v1/runs, and it shows up here.');
  }

  #row(run) {
    return h('tr', {dataset: {run: run.runId}, onclick: (event) => {
      if (!event.target.closest('a')) location.hash = `#/runs/${run.runId}`;
    }},
      h('td'), h('td.workflow', null, run.workflowId),
      h('td', null, h('a.run-link', {href: `#/runs/${run.runId}`}, run.runId)),
      h('td', {title: absolute(Date.parse(run.createdAt))}, h('time', {datetime: run.createdAt})), h('td.number'));
  }

  #update(row, run, index) {
    row.classList.toggle('chosen', index === this.#selected);
    const [status, , , created, took] = row.children;
    if (row.dataset.status !== run.status) {
      row.dataset.status = run.status;
      replace(status, statusChip(run.status));
    }
    setText(created.firstChild, ago(Date.parse(run.createdAt)));
    const end = isTerminal(run.status) ? Date.parse(run.changedAt) : Date.now();
    setText(took, duration(end - Date.parse(run.createdAt)));
  }

  #choose(index) {
    this.#selected = Math.min(Math.max(index, 0), this.#runs.length - 1);
    [...this.#rows.children].forEach((row, at) => row.classList.toggle('chosen', at === this.#selected));
    this.#rows.children[this.#selected]?.querySelector('a').focus();
  }

  onKey(event) {
    if (event.key === 'Escape' && isTyping(event)) {
      this.#choose(this.#selected);
      return true;
    }
    if (isTyping(event)) return false;
    const inTable = this.#rows.contains(document.activeElement);
    switch (event.key) {
      case 'j':
      case 'ArrowDown': this.#choose(inTable ? this.#selected + 1 : this.#selected); return true;
      case 'k':
      case 'ArrowUp': this.#choose(inTable ? this.#selected - 1 : this.#selected); return true;
      case 'Home': this.#choose(0); return true;
      case 'End': this.#choose(this.#runs.length - 1); return true;
      case '/':
        this.first.focus();
        this.first.select();
        return true;
      default: return false;
    }
  }
}
