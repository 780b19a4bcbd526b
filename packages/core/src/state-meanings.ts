import type { OccurrenceState } from './storage/occurrence-record.ts'

/** The meaning of each state of a run in a sentence, for legends, tooltips and help. {@link whyOf} explains one run. */
export const stateMeanings: Readonly<Record<OccurrenceState, string>> = {
  pending: 'Waits for a node with capacity, or for its time.',
  queued: 'Waits until an earlier run of its job ends.',
  running: 'A node runs it.',
  completed: 'All of its tasks completed.',
  completed_with_errors: 'All of its tasks ran, and at least one failed.',
  failed: 'A task failed.',
  failed_stale: 'Its node died, or did not end it in time.',
  canceled: 'A person, an update or a later run ended it. A slot can be canceled before it is due.',
  skipped: 'A rule of the job did not let it run: its overlap policy, a full queue or a pause.',
  missed: 'No node decided about the slot in time, and the recovery strategy does not run it.',
}
