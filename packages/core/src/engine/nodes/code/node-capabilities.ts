import { hash } from 'node:crypto'
import type { JobOverrides } from '../../../configuration/settings.ts'
import type { JobId } from '../../../ids.ts'
import type { Job } from '../../../job/define-job.ts'
import { fingerprintOfJob } from '../../../job/job-content.ts'
import type { NodeProfile } from '../../../storage/node-record.ts'

// A profile is to stay below what storages hold, 131,072 bytes. A node with more code than this says of says none of it,
// and one with more definitions none of these.
const mostFunctions = 8000
const mostHandlerBytes = 20_000
const mostDefinitions = 8000

/** With so many, a mark is found by chance among 8,000 others once in a hundred million times. */
const bytesPerMark = 5

/** What of a job says which code it needs. */
export interface JobCode {
  readonly id: JobId
  /** Those with a `handler` have no code of their own. */
  readonly tasks: readonly { readonly name: string; readonly handler?: string | undefined }[]
}

/** What a node has code for, and which definitions it has. */
export interface NodeCapabilities {
  /** Whether it has the code of every task of this job. */
  canRun(job: JobCode): boolean
  /** Whether it has this definition; true where that is not known. */
  hasDefinition(id: JobId, fingerprint: string): boolean
}

/** What a node says of its code. */
export interface NodeCode {
  /** `null` when there is too much to say. */
  readonly profile: NodeProfile | null
  /** Tells nodes with the same code and the same definitions from others. */
  readonly digest: string
  /** The same for this node itself, however much there is: nodes of the same digest know it without a profile. */
  readonly capabilities: NodeCapabilities
}

interface CapabilitiesProfile {
  /** Names of handlers. */
  readonly handlers: readonly string[]
  /** Marks of the tasks that have functions of their own, in base64: the same job may have others in another build. */
  readonly functions: string
  /** Marks of the definitions, in base64; left out when there are too many. */
  readonly definitions?: string
}

/** What a node of this build says. */
export function codeOf(build: {
  /** Those that it defines itself, as they are on it. */
  readonly jobs: Iterable<JobCode>
  /** The same, as it defines them. */
  readonly definitions: Iterable<Job>
  readonly handlers: Iterable<string>
  readonly defaults: JobOverrides
}): NodeCode {
  const functions = Array.from(build.jobs, marksOf).flat().sort()
  const definitions = Array.from(build.definitions, (job) => markOfDefinition(job, build.defaults)).sort()
  const names = [...build.handlers].sort()
  const parts = [names, functions, definitions]
  const digest = hash('sha256', JSON.stringify(parts), 'hex').slice(0, 16)
  const capabilities = capabilitiesOf({ names, functions, definitions })
  const isTooMuch = functions.length > mostFunctions || Buffer.byteLength(JSON.stringify(names)) > mostHandlerBytes
  if (isTooMuch) return { profile: null, digest, capabilities }
  const profile: NodeProfile = {
    handlers: names,
    functions: printMarks(functions),
    ...(definitions.length <= mostDefinitions && { definitions: printMarks(definitions) }),
  }
  return { profile, digest, capabilities }
}

/** What the profile of a node says, as `heartbeat` of a storage gives it; of `null`: that it can run nothing. */
export function readNodeCapabilities(profile: NodeProfile | null): NodeCapabilities {
  const { handlers = [], functions = '', definitions } = (profile ?? {}) as Partial<CapabilitiesProfile>
  return capabilitiesOf({
    names: handlers,
    functions: readMarks(functions),
    definitions: definitions === undefined ? null : readMarks(definitions),
  })
}

/** `definitions`: `null` where they are not known. */
function capabilitiesOf(code: {
  readonly names: readonly string[]
  readonly functions: readonly string[]
  readonly definitions: readonly string[] | null
}): NodeCapabilities {
  const names = new Set(code.names)
  const marks = new Set(code.functions)
  const defined = code.definitions === null ? null : new Set(code.definitions)
  return {
    canRun: (job) =>
      marksOf(job).every((mark) => marks.has(mark)) &&
      job.tasks.every(({ handler }) => handler === undefined || names.has(handler)),
    hasDefinition: (id, fingerprint) => defined === null || defined.has(markOf(id, fingerprint)),
  }
}

function printMarks(marks: readonly string[]): string {
  return Buffer.from(marks.join(''), 'hex').toString('base64')
}

function readMarks(text: string): readonly string[] {
  const bytes = Buffer.from(text, 'base64')
  const marks: string[] = []
  for (let start = 0; start < bytes.length; start += bytesPerMark) {
    marks.push(bytes.toString('hex', start, start + bytesPerMark))
  }
  return marks
}

function markOf(id: JobId, text: string): string {
  return hash('sha256', `${id} ${text}`, 'hex').slice(0, 2 * bytesPerMark)
}

/** Asked for each slot, where nodes have different code. */
const known = new WeakMap<object, readonly string[]>()

/** What stands for the tasks of a job that have functions of their own, and no handlers by name. */
function marksOf(job: JobCode): readonly string[] {
  let marks = known.get(job)
  if (marks === undefined) {
    const own = job.tasks.filter(({ handler }) => handler === undefined)
    marks = own.map(({ name }) => markOf(job.id, name))
    known.set(job, marks)
  }
  return marks
}

/** Asked for all definitions of a node whenever one is added. */
const knownDefinitions = new WeakMap<Job, { readonly defaults: JobOverrides; readonly mark: string }>()

function markOfDefinition(job: Job, defaults: JobOverrides): string {
  const found = knownDefinitions.get(job)
  if (found?.defaults === defaults) return found.mark
  const mark = markOf(job.id, fingerprintOfJob(job, defaults))
  knownDefinitions.set(job, { defaults, mark })
  return mark
}
