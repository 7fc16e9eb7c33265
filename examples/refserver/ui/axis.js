// From moments to places on the lanes. Two scales: time, and the order of events, which shows what happened within one
// millisecond and takes no room for long waits.

export class Axis {
  /** `extent`: {from, to, count} of the run. */
  constructor(kind, {from, to, count}) {
    this.kind = kind;
    this.from = from;
    this.length = Math.max(kind === 'time' ? to - from : count, 1);
  }

  /** A share of the width, from 0 to 1. `sequence` null: now, the end of what is known. */
  place(time, sequence) {
    const at = this.kind === 'time' ? time - this.from : sequence ?? this.length;
    return Math.min(Math.max(at / this.length, 0), 1);
  }

  /** [{at, value}] at round values, no more than about `wanted`. */
  ticks(wanted) {
    const raw = this.length / Math.max(wanted, 1);
    const step = this.kind === 'time' ? roundTime(raw) : Math.max(roundDecimal(raw), 1);
    const ticks = [];
    for (let value = 0; value <= this.length; value += step) ticks.push({at: value / this.length, value});
    return ticks;
  }
}

function roundDecimal(raw) {
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * magnitude).find((step) => step >= raw);
}

// From a minute on round is something else than a power of ten.
function roundTime(raw) {
  if (raw < 30_000) return Math.max(roundDecimal(raw), 1);
  const steps = [30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400].map((seconds) => seconds * 1000);
  return steps.find((step) => step >= raw) ?? Math.ceil(raw / 86_400_000) * 86_400_000;
}
