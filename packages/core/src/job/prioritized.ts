import type { OccurrenceDetails } from '../storage/occurrence-record.ts'

/** The details to store: with their own priority, or else that of their job, unless it is 0. */
export function prioritized(details: OccurrenceDetails, otherwise: number): OccurrenceDetails {
  if (details.priority === undefined) return otherwise === 0 ? details : { ...details, priority: otherwise }
  if (details.priority !== 0) return details
  const { priority: _, ...rest } = details
  return rest
}
