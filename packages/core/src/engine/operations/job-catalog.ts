import { orDefault, readBoolean, readInteger, readName, readObject, readTag } from '../../configuration/read-value.ts'
import { resolveJobSettings } from '../../configuration/resolve-settings.ts'
import type { JobSettings } from '../../configuration/settings.ts'
import { type JobId, jobId } from '../../ids.ts'
import { type JobDocument, labelsOf, readJobDocument } from '../../job/job-document.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { JsonValue } from '../../json.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { jobNotFound } from '../jobs/job-not-found.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import { type CallOptions, callOptionNames } from '../loop/asked-calls.ts'
import type { StorageCalls } from '../loop/storage-caller.ts'

const pageSize = 500
const mostPerPage = 10_000

/** Which stored jobs to read. */
export interface JobsFilter {
  /** Only those with this owner tag. */
  readonly owner?: string
  /** Only those with this tag. All jobs are read for it, or all of the owner. */
  readonly tag?: string
  /** Only those whose name has this text, whatever its case. All names are read for it. */
  readonly text?: string
  /** Only those that are paused, or only the others. */
  readonly paused?: boolean
  /** At most so many, 1 to 10,000. Default 100. */
  readonly limit?: number
  /** Of the page before. Default: from the first job. */
  readonly cursor?: string | null
}

/** Some of the stored jobs, in the order of the storage. */
export interface JobsPage {
  readonly items: readonly JobInfo[]
  /** Where the next page begins; `null` when there is none. */
  readonly cursor: string | null
}

/** A stored job, for people and programs to look at. */
export interface JobInfo {
  readonly id: JobId
  readonly name: string
  /** The tag of whoever declared it. */
  readonly owner: string | null
  /** The version in force: 1, 2, 3 … */
  readonly version: number
  readonly tags: readonly string[]
  /** What it is for; `null` when nobody said. */
  readonly description: string | null
  /** As plain data; `null` of a job that runs on request alone. */
  readonly schedule: SerializedSchedule | null
  /** In words, `on request` where there is none; `null` where this process cannot revive it. */
  readonly scheduleDescription: string | null
  /** The next slot as the storage has it; `null` when there is none. */
  readonly nextAt: Date | null
  /** Since when, why, and by whom; `null` while it is not paused. */
  readonly paused: { readonly at: Date; readonly reason: string | null; readonly actor: string | null } | null
  /** The effective settings. */
  readonly settings: JobSettings
  /** Its tasks in their order. */
  readonly tasks: readonly JobTaskInfo[]
  readonly createdAt: Date
  /** When its definition or its pause last changed. */
  readonly changedAt: Date
}

/** A task of a stored job. */
export interface JobTaskInfo {
  readonly name: string
  /** `null`: it has code of its own. */
  readonly handler: string | null
  /** What it is given with each run. */
  readonly data: JsonValue | undefined
}

/** The tasks of a stored definition. */
export function taskInfosOf({ tasks }: JobDocument): readonly JobTaskInfo[] {
  return tasks.map(({ name, handler = null, data }) => ({ name, handler, data }))
}

/** The stored jobs, whether this process has their code or not. */
export class JobCatalog {
  readonly #registry: JobRegistry

  constructor(registry: JobRegistry) {
    this.#registry = registry
  }

  async jobs(filter: JobsFilter, options: CallOptions, storage: StorageCalls): Promise<JobsPage> {
    readObject(filter, 'filter', ['owner', 'tag', 'text', 'paused', 'limit', 'cursor'])
    readObject(options, 'options', callOptionNames)
    const owner = filter.owner === undefined ? undefined : readName(filter.owner, 'filter.owner')
    const tag = filter.tag === undefined ? undefined : readTag(filter.tag, 'filter.tag')
    const text = filter.text === undefined ? undefined : readName(filter.text, 'filter.text').toLowerCase()
    const paused = filter.paused === undefined ? undefined : readBoolean(filter.paused, 'filter.paused')
    const limit = readInteger(orDefault(filter.limit, 100), 'filter.limit', 1, mostPerPage)
    const items: JobInfo[] = []
    let cursor = orDefault(filter.cursor, null)
    do {
      const from = cursor
      const some = Math.min(limit - items.length, pageSize)
      const page = await storage.once((calls) =>
        calls.listJobs({ limit: some, cursor: from, ...(owner !== undefined && { owner }) }),
      )
      for (const record of page.items) {
        const isNamed = text === undefined || record.name.toLowerCase().includes(text)
        const isTagged = tag === undefined || labelsOf(readJobDocument(record.definition)).tags.includes(tag)
        if (isNamed && isTagged && (paused === undefined || (record.paused !== null) === paused))
          items.push(await this.#infoOf(record))
      }
      cursor = page.cursor
    } while (cursor !== null && items.length < limit)
    return { items, cursor }
  }

  /** @throws JobistemerError `JOB_NOT_FOUND` */
  async job(name: string, options: CallOptions, storage: StorageCalls): Promise<JobInfo> {
    const id = jobId(readJobName(name))
    readObject(options, 'options', callOptionNames)
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [id] }))
    const record = jobs[0] ?? null
    if (record === null || record.deletedAt !== null) throw jobNotFound(name)
    return this.#infoOf(record)
  }

  async #infoOf(record: JobRecord): Promise<JobInfo> {
    const document = readJobDocument(record.definition)
    const { defaults, settings } = document
    const { id, name, owner, version, paused, nextAt, createdAt, changedAt } = record
    const schedule = record.timeline.at(-1)?.schedule ?? null
    return {
      id,
      name,
      owner,
      version,
      ...labelsOf(document),
      schedule: schedule === null || isNoSchedule(schedule) ? null : schedule,
      scheduleDescription: schedule === null ? null : await this.#describe(record, schedule),
      nextAt: nextAt === null ? null : new Date(nextAt),
      paused: paused === null ? null : { ...paused, at: new Date(paused.at) },
      settings: resolveJobSettings(defaults, settings),
      tasks: taskInfosOf(document),
      createdAt: new Date(createdAt),
      changedAt: new Date(changedAt),
    }
  }

  async #describe(record: JobRecord, schedule: SerializedSchedule): Promise<string | null> {
    const learning = this.#registry.learn([record])
    if (learning !== null) await learning
    try {
      return this.#registry.revive(schedule).describe()
    } catch {
      // A process without the ticker can still show everything else.
      return null
    }
  }
}
