// What an event says, in half a line of text.
import {brief, duration, shortId} from './format.js';

const errorText = (error) => (error ? `${error.code ?? 'error'}: ${error.message ?? ''}` : '');
const after = (payload) => (Number.isFinite(payload.durationMs) ? `after ${duration(payload.durationMs)}` : '');

const answer = (value) => value !== undefined && (typeof value?.action === 'string' ? value.action : brief(value, 60));

const kSummaries = {
  'run.started': (p) => `workflow ${p.workflowId ?? ''}`,
  'run.completed': (p) => [after(p), p.outputs !== undefined && brief(p.outputs)],
  'run.failed': (p) => errorText(p.error),
  'run.cancelled': (p) => [p.reason, p.cancelledBy && `by ${p.cancelledBy}`],
  'run.paused': (p) => p.reason,
  'run.resumed': (p) => p.reason,
  'node.started': (p) => [p.typeId, p.attempt > 0 && `attempt ${p.attempt + 1}`],
  'node.completed': (p) => [p.durationMs > 0 && after(p), p.outputs !== undefined && brief(p.outputs)],
  'node.failed': (p) => errorText(p.error),
  'node.skipped': (p) => p.reason,
  'node.cancelled': (p) => p.reason,
  'node.retried': (p) => [p.attempt !== undefined && `attempt ${p.attempt + 1}`, p.delayMs && `in ${duration(p.delayMs)}`],
  'node.suspended': (p) => `waits for ${p.kind ?? p.reason ?? 'an answer'}`,
  'node.resumed': (p) => answer(p.resumeValue),
  'interrupt.requested': (p) => p.data?.title ?? p.kind,
  'interrupt.resolved': (p) => [answer(p.resumeValue), p.resolvedBy && `by ${p.resolvedBy}`],
  'approval.requested': (p) => p.title,
  'approval.received': (p) => [p.action, p.decidedBy && `by ${p.decidedBy}`],
  'variable.changed': (p) => `${p.name} = ${brief(p.next)}`,
  'channel.written': (p) => `${p.channel} ${p.reducer === 'replace' ? '=' : `← ${p.reducer}`} ${brief(p.value)}`,
  'log.appended': (p) => [p.level && p.level !== 'info' && `${p.level}:`, p.message],
  'artifact.created': (p) => [p.artifactType, p.artifactId && shortId(p.artifactId)],
  'version.pinned': (p) => `${p.changeId} = ${p.version}`,
  'cap.breached': (p) => `${p.kind}: ${p.observed} of ${p.limit}`,
  'replay.diverged': (p) => [p.divergenceKind, p.atSequence !== undefined && `at #${p.atSequence} of the source`],
  'agent.reasoned': (p) => brief(p.reasoning ?? p.summary ?? p),
  'output.chunk': (p) => brief(p.chunk),
};

export function summaryOf(event) {
  const payload = event.payload ?? {};
  const make = Object.hasOwn(kSummaries, event.type) ? kSummaries[event.type] : (p) => brief(p);
  return [make(payload)].flat().filter((part) => part).join(' · ');
}
