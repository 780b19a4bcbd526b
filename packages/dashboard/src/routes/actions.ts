import type {
  BackfillOptions,
  InstantInput,
  OccurrenceId,
  PauseOptions,
  ReplayOptions,
  TriggerOptions,
} from '@jobistemer/core'
import { Problem } from '../problem.ts'
import type { Act } from '../route.ts'

const requestNames = ['data', 'key', 'priority', 'tasks', 'at', 'delay'] as const
const triggerNames = [...requestNames, 'keyScope'] as const

const trigger: Act = {
  method: 'POST',
  path: '/api/trigger',
  action: 'trigger',
  about: 'job',
  takes: triggerNames,
  answer({ client, job, input, voice, options }) {
    return client.trigger(job, { ...(input.pick(triggerNames) as TriggerOptions), ...voice, ...options })
  },
}

const replay: Act = {
  method: 'POST',
  path: '/api/replay',
  action: 'replay',
  about: 'run',
  takes: ['from', ...requestNames],
  answer({ client, run, input, voice, options }) {
    const asked = input.pick(['from', ...requestNames]) as ReplayOptions
    return client.replay(run.id, { ...asked, ...voice, ...options })
  },
}

const cancel: Act = {
  method: 'POST',
  path: '/api/cancel',
  action: 'cancel',
  about: 'run',
  takes: ['force'],
  answer({ client, run, input, voice, options }) {
    const force = input.flag('force')
    return client.cancel(run.id as OccurrenceId, { ...(force !== undefined && { force }), ...voice, ...options })
  },
}

const cancelSlot: Act = {
  method: 'POST',
  path: '/api/cancel-slot',
  action: 'cancelSlot',
  about: 'job',
  takes: ['at'],
  answer({ client, job, input, voice, options }) {
    return client.cancelSlot(job, input.needed('at') as InstantInput, { ...voice, ...options })
  },
}

const pause: Act = {
  method: 'POST',
  path: '/api/pause',
  action: 'pause',
  about: 'job',
  takes: ['until', 'for'],
  async answer({ client, job, input, voice, options }) {
    await client.pause(job, { ...(input.pick(['until', 'for']) as PauseOptions), ...voice, ...options })
    const { paused } = await client.job(job, options)
    return { paused }
  },
}

const resume: Act = {
  method: 'POST',
  path: '/api/resume',
  action: 'resume',
  about: 'job',
  takes: [],
  async answer({ client, job, voice, options }) {
    await client.resume(job, { ...voice, ...options })
    return { paused: null }
  },
}

const backfillNames = ['from', 'to', 'which', 'order', 'maxActive', 'key', 'data', 'priority', 'tasks'] as const

const backfill: Act = {
  method: 'POST',
  path: '/api/backfill',
  action: 'backfill',
  about: 'job',
  takes: [...backfillNames, 'dryRun'],
  isDry: (input) => input.flag('dryRun') === true,
  answer({ client, job, input, voice, options }) {
    input.needed('from')
    input.needed('to')
    const asked = input.pick([...backfillNames, 'dryRun']) as unknown as BackfillOptions
    return client.backfill(job, { ...asked, ...voice, ...options })
  },
}

const stopBackfill: Act = {
  method: 'POST',
  path: '/api/stop-backfill',
  action: 'backfill',
  about: 'job',
  takes: ['key'],
  answer({ client, job, input, voice, options }) {
    return client.stopBackfill(job, input.needed('key'), { ...voice, ...options })
  },
}

const remove: Act = {
  method: 'POST',
  path: '/api/remove',
  action: 'remove',
  about: 'job',
  takes: [],
  async answer({ client, job, options }) {
    const { hasCode, version } = await client.job(job, options)
    if (hasCode !== false) {
      const message = 'A living node may have the code of this job, and would store the job again. Nothing was removed.'
      throw new Problem(409, 'JOB_HAS_CODE', message, 'job')
    }
    await client.remove(job, { expectedVersion: version, ...options })
    return { removed: job }
  },
}

/** Routes of actions on one job or one run. */
export const actions: readonly Act[] = [
  trigger,
  replay,
  cancel,
  cancelSlot,
  pause,
  resume,
  backfill,
  stopBackfill,
  remove,
]
