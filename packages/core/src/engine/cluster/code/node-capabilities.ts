import { hash } from 'node:crypto'
import type { JobOverrides } from '../../../configuration/settings.ts'
import type { JobId } from '../../../ids.ts'
import type { Job } from '../../../job/define-job.ts'
import { fingerprintOfJob } from '../../../job/job-content.ts'
import type { NodeProfile } from '../../../storage/node-record.ts'

// Limits of a profile: storages hold 131,072 bytes. A node with more functions or handler names stores no profile, and a
// node with more definitions stores a profile without them.
const mostFunctions = 8000
const mostHandlerBytes = 20_000
const mostDefinitions = 8000

/**
 * Bytes of a mark, the beginning of a hash of a job's id and of a task's name or the definition's fingerprint. A mark equals
 * one of 8,000 others by chance once in 10^8 times.
 */
const bytesPerMark = 5

/** The part of a job that determines which code it needs. */
export interface JobCode {
  readonly id: JobId
  /** A task with a `handler` names code of the node and contains none. */
  readonly tasks: readonly { readonly name: string; readonly handler?: string | undefined }[]
}

/** Which jobs a node has code for, and which definitions it has. */
export interface NodeCapabilities {
  /** Whether the node has the code of every task of this job. */
  canRun(job: JobCode): boolean
  /** Whether the node has this definition; true if that is not known. */
  hasDefinition(id: JobId, fingerprint: string): boolean
}

/** The code of a node, as it tells other nodes. */
export interface NodeCode {
  /** `null` if it would be too large. */
  readonly profile: NodeProfile | null
  /** Equal on nodes with the same code and definitions. */
  readonly digest: string
  /** The capabilities of this node itself. Nodes with the same digest need no profile. */
  readonly capabilities: NodeCapabilities
}

interface CapabilitiesProfile {
  /** Names of handlers. */
  readonly handlers: readonly string[]
  /** Marks of the tasks with functions, in base64: another build may have other tasks in the same job. */
  readonly functions: string
  /** Marks of the definitions, in base64; left out if there are too many. */
  readonly definitions?: string
}

/** The code of a node with this build. */
export function codeOf(build: {
  /** Jobs that the build defines, as they are in force on the node. */
  readonly jobs: Iterable<JobCode>
  /** The same jobs, as the build defines them. */
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

/** Reads a profile, as `heartbeat` of a storage returns it. Without a profile (`null`), the node can run no job. */
export function readNodeCapabilities(profile: NodeProfile | null): NodeCapabilities {
  const { handlers = [], functions = '', definitions } = (profile ?? {}) as Partial<CapabilitiesProfile>
  return capabilitiesOf({
    names: handlers,
    functions: readMarks(functions),
    definitions: definitions === undefined ? null : readMarks(definitions),
  })
}

/** `definitions`: `null` if they are not known. */
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

/** Cache: the marks are needed for each slot, while nodes have different code. */
const known = new WeakMap<object, readonly string[]>()

/** Marks of the tasks of a job that have functions instead of handler names. */
function marksOf(job: JobCode): readonly string[] {
  let marks = known.get(job)
  if (marks === undefined) {
    const own = job.tasks.filter(({ handler }) => handler === undefined)
    marks = own.map(({ name }) => markOf(job.id, name))
    known.set(job, marks)
  }
  return marks
}

/** Cache: the marks of all definitions are needed whenever a definition is added. */
const knownDefinitions = new WeakMap<Job, { readonly defaults: JobOverrides; readonly mark: string }>()

function markOfDefinition(job: Job, defaults: JobOverrides): string {
  const found = knownDefinitions.get(job)
  if (found?.defaults === defaults) return found.mark
  const mark = markOf(job.id, fingerprintOfJob(job, defaults))
  knownDefinitions.set(job, { defaults, mark })
  return mark
}
