// The frame: which page is shown (the part of the URL behind #), the key, the inbox count, keys of the keyboard.
//
//   #/runs?status=&workflowId=&tag=&createdFrom=&createdBefore=    #/runs/{runId}?at=SEQUENCE&answer    #/inbox
import {Api, keyStore} from './api.js';
import {h, isTyping, replace, setText} from './dom.js';
import {InboxPage} from './inbox_page.js';
import {KeyPage} from './key_page.js';
import {RunPage} from './run_page.js';
import {RunsPage} from './runs_page.js';
import {initTheme} from './theme.js';

const INBOX_COUNT_MS = 5000;

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const help = document.getElementById('help');
const forgetButton = document.getElementById('forget-button');
const connection = document.getElementById('connection');
const inboxCount = document.getElementById('inbox-count');

const api = new Api({onConnection: (text) => {
  connection.hidden = text === '';
  setText(connection, text);
}});
let page = null;

function pageFor(hash) {
  const [path, query = ''] = hash.replace(/^#/, '').split('?');
  const parameters = new URLSearchParams(query);
  const parts = path.split('/').filter(Boolean);
  if (parts[0] === 'runs' && parts.length === 2) {
    const at = /^\d+$/.test(parameters.get('at') ?? '') ? Number(parameters.get('at')) : null;
    let runId = parts[1];
    try {
      runId = decodeURIComponent(runId);
    } catch {
      // Shown as it stands; the server will not know it either.
    }
    return new RunPage(api, runId, {answer: parameters.has('answer'), at});
  }
  if (parts[0] === 'inbox' && parts.length === 1) return new InboxPage(api, fail);
  return new RunsPage(api, parts[0] === 'runs' || parts.length === 0 ? parameters : new URLSearchParams(), fail);
}

async function show(next) {
  page?.stop();
  page = next;
  replace(main, next.element);
  const withKey = keyStore.get() !== '';
  nav.hidden = !withKey;
  forgetButton.hidden = !withKey;
  for (const link of nav.children) {
    const here = link.dataset.page === 'inbox' ? next instanceof InboxPage : next instanceof RunsPage;
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  setTitle();
  try {
    await next.start();
    setTitle();
  } catch (error) {
    if (page === next && error.name !== 'AbortError') fail(error);
  }
}

function setTitle() {
  document.title = `${page.title} · openwop`;
}

function fail(error) {
  if (error.status === 401) {
    keyStore.forget();
    return askForKey(`The server does not accept the key: ${error.message}.`);
  }
  const [title, text] = {
    403: ['Not for this key', 'The key lacks the scope for this.'],
    404: ['No such run', 'It does not exist, or belongs to another tenant.'],
    503: ['The server is busy', 'It asks to try again later.'],
    0: ['No answer', 'The server cannot be reached.'],
  }[error.status] ?? ['That did not work', ''];
  page?.stop();
  replace(main, h('div.failure', {role: 'alert'}, h('h1', null, title), h('p', null, text), h('p.hint', null, error.message),
    h('div.answer-buttons', null, h('button.primary', {type: 'button', onclick: route}, 'Try again'), h('a.button', {href: '#/runs'}, 'All runs'))));
}

function askForKey(reason = '') {
  void show(new KeyPage(api, {reason, onKey: () => {
    route();
    void countInbox();
  }}));
}

function route() {
  if (keyStore.get() === '') return askForKey();
  void show(pageFor(location.hash));
}

let uncountable = '';  // a key that may not read the inbox is asked about once

async function countInbox() {
  if (keyStore.get() === '' || keyStore.get() === uncountable || document.visibilityState !== 'visible') return;
  try {
    const found = await (await api.open('/v1/interrupts?limit=100')).json();
    inboxCount.hidden = found.interrupts.length === 0;
    setText(inboxCount, found.nextCursor ? '100+' : String(found.interrupts.length));
    inboxCount.setAttribute('aria-label', `${found.interrupts.length} waiting`);
  } catch (error) {
    inboxCount.hidden = true;
    if (error.status === 403) uncountable = keyStore.get();
  }
}

let wentG = 0;
document.addEventListener('keydown', (event) => {
  if (page?.onKey(event)) {
    event.preventDefault();
    return;
  }
  if (isTyping(event)) return;
  if (event.key === '?') return help.showModal();
  const afterG = Date.now() - wentG < 1500;
  wentG = event.key === 'g' ? Date.now() : 0;
  if (afterG && event.key === 'r') location.hash = '#/runs';
  if (afterG && event.key === 'i') location.hash = '#/inbox';
});

document.getElementById('help-button').addEventListener('click', () => help.showModal());
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
forgetButton.addEventListener('click', () => {
  keyStore.forget();
  askForKey();
});
initTheme(document.getElementById('theme-button'));
window.addEventListener('hashchange', route);
setInterval(() => void countInbox(), INBOX_COUNT_MS);
route();
void countInbox();
