import type { ListedCommand } from './command.ts'

const looking = 'Look:'
const acting = 'Step in:'
const defining = 'Definitions:'
const caring = 'Care:'

/** All commands of the program, in the order of its help. */
export const commandList: readonly ListedCommand[] = [
  {
    name: 'jobs',
    summary: 'list jobs, with their next slots',
    group: looking,
    load: async () => (await import('./commands/jobs.ts')).jobs,
  },
  {
    name: 'job',
    summary: 'show one job',
    group: looking,
    load: async () => (await import('./commands/job.ts')).job,
  },
  {
    name: 'versions',
    summary: 'list the versions of a job, and what each has changed',
    group: looking,
    load: async () => (await import('./commands/versions.ts')).versions,
  },
  {
    name: 'next',
    summary: 'list the next slots of a job',
    group: looking,
    load: async () => (await import('./commands/next.ts')).next,
  },
  {
    name: 'history',
    summary: 'list what ran of a job, newest first',
    group: looking,
    load: async () => (await import('./commands/history.ts')).history,
  },
  {
    name: 'run',
    summary: 'show one run whole: tasks, attempts, errors, results',
    group: looking,
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    name: 'failures',
    summary: 'list what has failed lately, of all jobs',
    group: looking,
    load: async () => (await import('./commands/failures.ts')).failures,
  },
  {
    name: 'explain',
    summary: 'explain why an instant of a job ran or did not run, or whether it will',
    group: looking,
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  {
    name: 'counts',
    summary: 'count pending, queued and running runs',
    group: looking,
    load: async () => (await import('./commands/counts.ts')).counts,
  },
  {
    name: 'live',
    summary: 'list running and waiting runs of all jobs',
    group: looking,
    load: async () => (await import('./commands/live.ts')).live,
  },
  {
    name: 'backfills',
    summary: 'list backfills with their results',
    group: looking,
    load: async () => (await import('./commands/backfills.ts')).backfills,
  },
  {
    name: 'nodes',
    summary: 'list the nodes',
    group: looking,
    load: async () => (await import('./commands/nodes.ts')).nodes,
  },
  {
    name: 'ui',
    summary: 'serve the dashboard on this machine',
    group: looking,
    load: async () => (await import('./commands/ui.ts')).ui,
  },
  {
    name: 'trigger',
    summary: 'run a job, now or later, and wait for it',
    group: acting,
    load: async () => (await import('./commands/trigger.ts')).trigger,
  },
  {
    name: 'trigger-many',
    summary: 'trigger the requests of a file, each once however often it is repeated',
    group: acting,
    load: async () => (await import('./commands/trigger-many.ts')).triggerMany,
  },
  {
    name: 'replay',
    summary: 'run once more what has ended',
    group: acting,
    load: async () => (await import('./commands/replay.ts')).replay,
  },
  {
    name: 'backfill',
    summary: 'run slots of a past span',
    group: acting,
    load: async () => (await import('./commands/backfill.ts')).backfill,
  },
  {
    name: 'cancel',
    summary: 'cancel a run, or many',
    group: acting,
    load: async () => (await import('./commands/cancel.ts')).cancel,
  },
  {
    name: 'cancel-slot',
    summary: 'cancel a slot that lies ahead',
    group: acting,
    load: async () => (await import('./commands/cancel-slot.ts')).cancelSlot,
  },
  {
    name: 'pause',
    summary: 'stop jobs until they are resumed',
    group: acting,
    load: async () => (await import('./commands/pause.ts')).pause,
  },
  {
    name: 'resume',
    summary: 'lift the pause of jobs',
    group: acting,
    load: async () => (await import('./commands/pause.ts')).resume,
  },
  {
    name: 'update',
    summary: 'change the schedule of a job',
    group: defining,
    load: async () => (await import('./commands/update.ts')).update,
  },
  {
    name: 'plan',
    summary: 'show what storing definitions would change',
    group: defining,
    load: async () => (await import('./commands/plan.ts')).plan,
  },
  {
    name: 'apply',
    summary: 'store definitions',
    group: defining,
    load: async () => (await import('./commands/plan.ts')).apply,
  },
  {
    name: 'import',
    summary: 'read the jobs of cron, BullMQ, pg-boss, node-cron or croner',
    group: defining,
    load: async () => (await import('./commands/import.ts')).importJobs,
  },
  {
    name: 'remove',
    summary: 'delete jobs',
    group: defining,
    load: async () => (await import('./commands/remove.ts')).remove,
  },
  {
    name: 'doctor',
    summary: 'find out what is wrong with the storage, the jobs, the nodes and the clocks',
    group: caring,
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'prune',
    summary: 'remove old history',
    group: caring,
    load: async () => (await import('./commands/prune.ts')).prune,
  },
  {
    name: 'realign',
    summary: 'set jobs back that a wrong clock has moved ahead',
    group: caring,
    load: async () => (await import('./commands/realign.ts')).realign,
  },
  {
    name: 'conformance',
    summary: 'test a storage with the conformance cases, on separate data',
    group: caring,
    load: async () => (await import('./commands/conformance.ts')).conformance,
  },
  {
    name: 'sql',
    summary: 'print the SQL that makes or migrates a schema of PostgreSQL',
    group: caring,
    load: async () => (await import('./commands/sql.ts')).sql,
  },
  {
    name: 'trust',
    summary: 'trust a folder, so that commands load its configuration',
    group: caring,
    load: async () => (await import('./commands/trust.ts')).trust,
  },
  {
    name: 'completion',
    summary: 'print the completion script of a shell',
    group: caring,
    load: async () => (await import('./commands/completion.ts')).completion,
  },
]
