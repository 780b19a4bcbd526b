import type { JobId } from '../../ids.ts'
import { fingerprintOf } from '../../job/fingerprint.ts'
import type { Job } from '../../job/define-job.ts'
import type { NodeProfile } from '../../storage/node-record.ts'

/** A profile is to stay below what storages hold: a node with more code than this says of says none of it. */
const mostJobs = 8000
const mostHandlerCharacters = 30_000

const bytesPerJob = 8

/** What a node has code for. */
export interface Abilities {
  /** Whether it has the code of every task of this job. */
  canRun(job: Pick<Job, 'id' | 'tasks'>): boolean
}

interface AbilitiesProfile {
  /** Names of handlers. */
  readonly handlers: readonly string[]
  /** The first bytes of the ids of jobs that have code of their own, in base64. */
  readonly jobs: string
}

/** What a node says of its code; `null` when there is too much to say. */
export function profileOf(jobs: Iterable<Pick<Job, 'id' | 'tasks'>>, handlers: Iterable<string>): NodeProfile | null {
  const ids = [...jobs].filter(hasOwnCode).map(({ id }) => mark(id))
  const names = [...handlers].sort()
  if (ids.length > mostJobs || names.join().length > mostHandlerCharacters) return null
  return { handlers: names, jobs: Buffer.from(ids.sort().join(''), 'hex').toString('base64') }
}

/** Tells nodes with the same code from others. */
export function digestOf(profile: NodeProfile | null, incarnation: string): string {
  return profile === null ? incarnation : fingerprintOf(profile).slice(0, 16)
}

/** What a profile says. */
export function readAbilities(profile: NodeProfile | null): Abilities {
  const { handlers = [], jobs = '' } = (profile ?? {}) as Partial<AbilitiesProfile>
  const names = new Set(handlers)
  const bytes = Buffer.from(jobs, 'base64')
  const ids = new Set<string>()
  for (let start = 0; start < bytes.length; start += bytesPerJob) {
    ids.add(bytes.toString('hex', start, start + bytesPerJob))
  }
  return {
    canRun: (job) =>
      hasOwnCode(job) ? ids.has(mark(job.id)) : job.tasks.every(({ handler }) => names.has(handler as string)),
  }
}

/** Whether some task has a function of its own, and no handler by name. */
function hasOwnCode({ tasks }: Pick<Job, 'tasks'>): boolean {
  return tasks.some(({ handler }) => handler === undefined)
}

function mark(id: JobId): string {
  return id
    .slice('job_'.length)
    .replaceAll('-', '')
    .slice(0, 2 * bytesPerJob)
}
