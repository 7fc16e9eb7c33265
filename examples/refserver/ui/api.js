// The OpenWOP API of the server that gave this page: same origin, the user's key in a header, never in a URL.

const KEY = 'openwop.key';
const RETRIES = 3;

/** The key lives as long as its tab, and nowhere else. */
export const keyStore = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  set: (key) => sessionStorage.setItem(KEY, key),
  forget: () => sessionStorage.removeItem(KEY),
};

/** `status` 0: there was no answer. */
export class ApiError extends Error {
  constructor(status, code, message, details, retryAfterS) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfterMs = retryAfterS * 1000;
  }
  get passing() {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

async function errorOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Something between here and the server has answered.
  }
  return new ApiError(response.status, String(body.error ?? 'http_error'),
    String(body.message ?? `the server answered ${response.status}`), body.details,
    Number(response.headers.get('Retry-After')) || 0);
}

export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    function stop() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal?.addEventListener('abort', stop, {once: true});
  });
}

/** Grows with each attempt; the spread keeps many pages from coming back at once. */
export function backoffMs(attempt, floorMs = 0) {
  return Math.max(floorMs, Math.min(500 * 2 ** attempt, 15_000) * (0.75 + Math.random() / 2));
}

export class Api {
  /** `onConnection(text)`: what is wrong with the way to the server; '' when it works. */
  constructor({onConnection = () => {}} = {}) {
    this.onConnection = onConnection;
  }

  /** The response itself, for streams; anything but success is an ApiError. */
  async open(path, {method = 'GET', headers = {}, body, signal, key = keyStore.get()} = {}) {
    let response;
    try {
      response = await fetch(path, {
        method, body, signal, cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer', redirect: 'error',
        headers: {Accept: 'application/json', ...(key && {Authorization: `Bearer ${key}`}), ...headers},
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, 'no_answer', 'the server does not answer', undefined, 0);
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /** Reads again when the trouble may pass. */
  async get(path, options = {}) {
    for (let attempt = 0; ; ++attempt) {
      try {
        const response = await this.open(path, options);
        const answer = await response.json();
        this.onConnection('');
        return answer;
      } catch (error) {
        if (!(error instanceof ApiError) || !error.passing) throw error;
        if (attempt >= RETRIES) {
          this.onConnection(error.message);
          throw error;
        }
        if (attempt > 0) this.onConnection(`${error.message}; trying again`);
        await sleep(backoffMs(attempt, error.retryAfterMs), options.signal);
      }
    }
  }

  /** A write. Its key makes a repeat harmless, so it is repeated too when there was no answer. */
  async post(path, value, {signal} = {}) {
    const headers = {'Content-Type': 'application/json', 'Idempotency-Key': randomText()};
    for (let attempt = 0; ; ++attempt) {
      try {
        const response = await this.open(path, {method: 'POST', headers, body: JSON.stringify(value), signal});
        return await response.json();
      } catch (error) {
        if (!(error instanceof ApiError) || !error.passing || attempt >= 1) throw error;
        await sleep(backoffMs(attempt, error.retryAfterMs), signal);
      }
    }
  }

  discovery(signal) {
    return this.get('/.well-known/openwop', {signal});
  }
  runs(filter, signal) {
    return this.get(`/v1/runs?${new URLSearchParams(filter)}`, {signal});
  }
  run(id, signal) {
    return this.get(`/v1/runs/${encodeURIComponent(id)}`, {signal});
  }
  interrupts(filter, signal) {
    return this.get(`/v1/interrupts?${new URLSearchParams(filter)}`, {signal});
  }
  /** One page of the log behind `lastSequence`; waits a second at most when there is none. */
  events(id, lastSequence, signal) {
    return this.get(`/v1/runs/${encodeURIComponent(id)}/events/poll?lastSequence=${lastSequence}&timeout=1`, {signal});
  }
  resolve(id, nodeId, resumeValue) {
    return this.post(`/v1/runs/${encodeURIComponent(id)}/interrupts/${encodeURIComponent(nodeId)}`, {resumeValue});
  }
  fork(id, request) {
    return this.post(`/v1/runs/${encodeURIComponent(id)}:fork`, request);
  }
}

// crypto.randomUUID() is there on https and localhost only.
function randomText() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
