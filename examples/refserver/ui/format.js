// Times, durations and ids as people read them.

const clock = new Intl.DateTimeFormat(undefined, {
  year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false,
});

export function absolute(ms) {
  return Number.isFinite(ms) ? `${clock.format(ms)}.${String(Math.floor(ms) % 1000).padStart(3, '0')}` : '–';
}

/** 0 ms, 421 ms, 3.2 s, 4 min 10 s, 3 h 05 min, 2 d 4 h */
export function duration(ms) {
  if (!Number.isFinite(ms)) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

export function offset(ms) {
  return `+${duration(Math.max(ms, 0))}`;
}

export function ago(ms, now = Date.now()) {
  const past = now - ms;
  if (!Number.isFinite(past)) return '–';
  if (past < 0) return `in ${coarse(-past)}`;
  return past < 2000 ? 'just now' : `${coarse(past)} ago`;
}

function coarse(ms) {
  if (ms < 60_000) return `${Math.max(Math.round(ms / 1000), 1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** Run ids begin with their time; the end tells them apart. */
export function shortId(id) {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

/** A value in one line, cut where it gets long. */
export function brief(value, max = 80) {
  if (value === undefined) return '(hidden)';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, max + 1)) : JSON.stringify(value) ?? '';
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}
