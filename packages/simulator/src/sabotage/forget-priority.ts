import type { CreateItem, OccurrenceDetails, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: the storage orders waiting occurrences by time alone, without their priority. */
export function forgetPriority(storage: Storage): Storage {
  return wrapStorage(storage, {
    createOccurrences: (request) => storage.createOccurrences({ ...request, items: request.items.map(plain) }),
  })
}

function plain(item: CreateItem): CreateItem {
  if (item.kind !== 'recovery') return { ...item, details: withoutPriority(item.details) }
  const entries = item.entries.map((entry) => {
    return entry.kind === 'run' ? { ...entry, details: withoutPriority(entry.details) } : entry
  })
  return { ...item, entries }
}

function withoutPriority({ priority: _, ...details }: OccurrenceDetails): OccurrenceDetails {
  return details
}
