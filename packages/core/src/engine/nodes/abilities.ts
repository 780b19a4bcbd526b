import { hash } from 'node:crypto'
import { fingerprintOf } from '../../job/fingerprint.ts'
import type { Job } from '../../job/define-job.ts'
import type { NodeProfile } from '../../storage/node-record.ts'

/** A profile is to stay below what storages hold: a node with more code than this says of says none of it. */
const mostFunctions = 8000
const mostHandlerCharacters = 30_000

const bytesPerMark = 8

/** What a node has code for. */
export interface Abilities {
  /** Whether it has the code of every task of this job. */
  canRun(job: Pick<Job, 'id' | 'tasks'>): boolean
}

interface AbilitiesProfile {
  /** Names of handlers. */
  readonly handlers: readonly string[]
  /** Marks of the tasks that have functions of their own, in base64: the same job may have others in another build. */
  readonly functions: string
}

/** What a node says of its code; `null` when there is too much to say. */
export function profileOf(jobs: Iterable<Pick<Job, 'id' | 'tasks'>>, handlers: Iterable<string>): NodeProfile | null {
  const marks = [...jobs].flatMap(marksOf)
  const names = [...handlers].sort()
  if (marks.length > mostFunctions || names.join().length > mostHandlerCharacters) return null
  return { handlers: names, functions: Buffer.from(marks.sort().join(''), 'hex').toString('base64') }
}

/** Tells nodes with the same code from others. */
export function digestOf(profile: NodeProfile | null, incarnation: string): string {
  return profile === null ? incarnation : fingerprintOf(profile).slice(0, 16)
}

/** What a profile says. */
export function readAbilities(profile: NodeProfile | null): Abilities {
  const { handlers = [], functions = '' } = (profile ?? {}) as Partial<AbilitiesProfile>
  const names = new Set(handlers)
  const bytes = Buffer.from(functions, 'base64')
  const marks = new Set<string>()
  for (let start = 0; start < bytes.length; start += bytesPerMark) {
    marks.add(bytes.toString('hex', start, start + bytesPerMark))
  }
  return {
    canRun: (job) =>
      marksOf(job).every((mark) => marks.has(mark)) &&
      job.tasks.every(({ handler }) => handler === undefined || names.has(handler)),
  }
}

/** Asked for each slot, where nodes have different code. */
const known = new WeakMap<object, readonly string[]>()

/** What stands for the tasks of a job that have functions of their own, and no handlers by name. */
function marksOf(job: Pick<Job, 'id' | 'tasks'>): readonly string[] {
  let marks = known.get(job)
  if (marks === undefined) {
    const own = job.tasks.filter(({ handler }) => handler === undefined)
    marks = own.map(({ name }) => hash('sha256', `${job.id} ${name}`, 'hex').slice(0, 2 * bytesPerMark))
    known.set(job, marks)
  }
  return marks
}
