import type { JobRecord } from '@jobistemer/core/storage'
import { type Mutant, mutants } from './mutant.ts'

const sentence = (text: string): string => `pause with an end: ${text}`

const keepsUntilThen = sentence('no claim takes a pending occurrence before the end, and claims answer that instant')
const lateSlots = sentence('a slot before its end is skipped and one at its end starts, however late they are created')
const longerWins = sentence('the pause that holds longer wins')

/** Mutants with faults in the steps that apply a pause with the end `until`. */
export const pauseMutants: readonly Mutant[] = mutants({
  'holds pending occurrences until the job is resumed, although its pause has an end': {
    rejectedBy: [keepsUntilThen, sentence('a trigger waits for its end, and starts at once after it')],
    pausedUntil: (_, { paused }) => (paused === null ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY),
  },
  'takes a pause with an end for none': {
    rejectedBy: [keepsUntilThen, lateSlots],
    pausedUntil: (ledger, head) =>
      head.paused?.until === undefined ? ledger.pausedUntil(head) : Number.NEGATIVE_INFINITY,
  },
  'ends a pause a moment too early': {
    rejectedBy: [keepsUntilThen],
    claimableFrom: (ledger, record) => {
      const from = ledger.claimableFrom(record)
      return from > record.dueAt ? from - 1 : from
    },
  },
  'ends a pause a moment too late': {
    rejectedBy: [keepsUntilThen, sentence('what is woken during it waits for its end')],
    claimableFrom: (ledger, record) => {
      const from = ledger.claimableFrom(record)
      return from > record.dueAt ? from + 1 : from
    },
  },
  'makes an occurrence due at the end of a pause, although it is due later': {
    rejectedBy: [sentence('an occurrence that is due after the end is due at its own time')],
    claimableFrom: (ledger, record) => {
      const until = ledger.pausedUntil(ledger.jobs.get(record.jobId) as JobRecord)
      return Number.isFinite(until) ? until : ledger.claimableFrom(record)
    },
  },
  'forgets what waited when a pause has ended': {
    rejectedBy: [keepsUntilThen, sentence('another one can follow it')],
    claimable: (ledger, exceptHandlerKeys) =>
      ledger.claimable(exceptHandlerKeys).filter(({ jobId, dueAt }) => {
        const until = ledger.jobs.get(jobId)?.paused?.until
        return until === undefined || dueAt >= until || ledger.now < until
      }),
  },
  'lifts a pause for all as soon as one node sees that it is over': {
    rejectedBy: [sentence('holds also for the claim of a node whose clock is behind')],
    steps() {
      const over = new Set<string>()
      return {
        pausedUntil: (ledger, head) => {
          const until = ledger.pausedUntil(head)
          if (ledger.now >= until && Number.isFinite(until)) over.add(`${head.id} ${until}`)
          return over.has(`${head.id} ${until}`) ? Number.NEGATIVE_INFINITY : until
        },
      }
    },
  },
  'does not say when a pause ends': {
    rejectedBy: [keepsUntilThen, longerWins],
    nextDueAt: (ledger, pending, now) =>
      ledger.nextDueAt(
        pending.filter((record) => ledger.claimableFrom(record) === record.dueAt),
        now,
      ),
  },
  'judges a slot by when it is created': {
    rejectedBy: [lateSlots],
    isSlotPaused: (ledger, head, _scheduledAt, now) => now < ledger.pausedUntil(head),
  },
  'clears a pause that is over': {
    rejectedBy: [sentence('is kept in the head, also when it is over')],
    claim: (ledger, request) => {
      for (const head of [...ledger.jobs.values()]) {
        if ((head.paused?.until ?? Number.POSITIVE_INFINITY) <= request.now) ledger.putHead({ ...head, paused: null })
      }
      return ledger.claim(request)
    },
  },
  'lets the later of two pauses win': {
    rejectedBy: [longerWins],
    pauseJob: (ledger, head, change, now) =>
      ledger.pauseJob(change.paused === null ? head : { ...head, paused: null }, change, now),
  },
  'lets the earlier of two pauses win': {
    rejectedBy: [longerWins],
    pauseJob: (ledger, head, change, now) => {
      const isKept = change.paused !== null && now < ledger.pausedUntil(head)
      return isKept ? ({ outcome: 'unchanged', job: head } as const) : ledger.pauseJob(head, change, now)
    },
  },
  'lifts a pause that is over': {
    rejectedBy: [sentence('resuming lifts it at once, and one that is over answers unchanged')],
    pauseJob: (ledger, head, change, now) => {
      if (change.paused !== null || head.paused === null) return ledger.pauseJob(head, change, now)
      return ledger.pauseJob({ ...head, paused: { at: 0, reason: null, actor: null } }, change, now)
    },
  },
  'takes nothing of a job whose pause is over': {
    rejectedBy: ['take next: the next of a job whose pause has ended is taken'],
    takeWoken: (ledger, woken, taker, now) =>
      ledger.jobs.get(woken.jobId)?.paused === null ? ledger.takeWoken(woken, taker, now) : null,
  },
})
