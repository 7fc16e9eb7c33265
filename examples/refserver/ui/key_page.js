// The door: asks for the key, and tries it before it is kept.
import {ApiError, keyStore} from './api.js';
import {h} from './dom.js';

export class KeyPage {
  constructor(api, {reason = '', onKey}) {
    this.title = 'Key';
    const problem = h('p.problem', {role: 'alert', id: 'key-problem', hidden: reason === ''}, reason);
    const input = h('input', {type: 'password', id: 'key', required: true, autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'key-hint key-problem'});
    const button = h('button.primary', {type: 'submit'}, 'Show the runs');
    this.input = input;
    this.element = h('div.key-page', null, h('form', {onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      problem.hidden = true;
      try {
        await tryKey(api, input.value.trim());
        onKey();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        input.focus();
        input.select();
      }
      button.disabled = false;
    }}, h('h1', null, 'Runs of this server'),
      h('label', {for: 'key'}, 'API key'), input,
      h('p.hint', {id: 'key-hint'}, 'Kept in this tab until it is closed, and sent to this server only. It needs the scope runs:read.'),
      problem, button));
  }
  start() {
    this.input.focus();
  }
  stop() {}
  onKey() {
    return false;
  }
}

async function tryKey(api, key) {
  // Headers hold nothing else; fetch would say so in its own words.
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Error('A key has no spaces and no characters beyond ASCII.');
  try {
    await api.open('/v1/runs?limit=1', {key});
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) throw new Error(error.code === 'unauthenticated' ? 'The server does not know this key.' : `The server refuses this key: ${error.message}`);
    if (error.status === 403) throw new Error('This key may not read runs: it lacks the scope runs:read.');
    throw new Error(`The key cannot be tried: ${error.message}.`);
  }
  keyStore.set(key);
}
