// Live events: server-sent events read with fetch, because EventSource sends no Authorization header.
import {ApiError, backoffMs, sleep} from './api.js';

/** The server sends a comment after 15 s of silence; after this long without anything the connection is dead. */
const SILENCE_MS = 45_000;

/**
 * Follows a run from behind `lastSequence` until it ends. `onEvents(events)` gets batches in order; `onState(state)`
 * gets 'live', 'away' (trying again) or 'ended'. Returns when the run has ended; rejects when it cannot go on: the key
 * is refused, the run is gone, `signal` was aborted.
 */
export async function followEvents(api, runId, lastSequence, {onEvents, onState, signal}) {
  let last = lastSequence;
  let attempt = 0;
  for (;;) {
    try {
      const ended = await readStream(api, runId, last, signal, (events) => {
        attempt = 0;
        onState('live');
        if (events.length === 0) return;
        last = events[events.length - 1].sequence;
        onEvents(events);
      });
      if (ended) return onState('ended');
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof ApiError && !error.passing) throw error;
    }
    onState('away');
    await sleep(backoffMs(attempt++), signal);
  }
}

const isTerminal = (event) => /^run\.(completed|failed|cancelled)$/.test(event.type);

async function readStream(api, runId, last, signal, onEvents) {
  const silence = new AbortController();
  const stop = () => silence.abort();
  signal.addEventListener('abort', stop, {once: true});
  let timer = setTimeout(stop, SILENCE_MS);
  let ended = false;
  try {
    const path = `/v1/runs/${encodeURIComponent(runId)}/events?streamMode=debug` +
      (last >= 0 ? `&lastEventId=${last}` : '');
    const response = await api.open(path, {headers: {Accept: 'text/event-stream'}, signal: silence.signal});
    onEvents([]);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new SseParser();
    for (;;) {
      const {value, done} = await reader.read();
      // The end of the stream without the end of the run: the server goes away, or somebody in between does.
      if (done) return ended;
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_MS);
      const events = parser.push(value).map((data) => JSON.parse(data));
      ended = ended || events.some(isTerminal);
      onEvents(events);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    silence.abort();
  }
}

/** push(text) gives the data of the frames that are whole by now. */
export class SseParser {
  #line = '';
  #data = [];

  push(text) {
    const frames = [];
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line.startsWith('data:')) {
        this.#data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
      } else if (line === '' && this.#data.length > 0) {
        frames.push(this.#data.join('\n'));
        this.#data = [];
      }
    }
    return frames;
  }
}
