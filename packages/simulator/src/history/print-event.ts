import type { HistoryEvent } from './history.ts'

/** Formats an event as one line of text. */
export function printEvent(event: HistoryEvent): string {
  const { mono, life, outcome, kind, ...rest } = event
  const how = outcome === 'ok' ? '' : ` (${outcome})`
  return `${(mono / 1000).toFixed(3).padStart(10)} ${(life ?? '-').padEnd(6)} ${kind}${how} ${JSON.stringify(rest, shorten)}`
}

/** Shortens ids to their beginnings, which are enough to distinguish the ids. Leaves out definitions. */
function shorten(key: string, value: unknown): unknown {
  if (key === 'definition' || key === 'lineage' || key === 'fingerprint' || key === 'handlerKey') return undefined
  if (key === 'attempts' && Array.isArray(value)) {
    return value.map((attempt: { number: number; state: string }) => `${attempt.number} ${attempt.state}`).join(', ')
  }
  if (typeof value === 'string' && /^(occ|job|run|task)_/.test(value)) return value.slice(0, 12)
  return value
}
