import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { defineJob, type Job, type JobOptions, type SerializedSchedule } from '@jobistemer/core'
import { CliError } from './cli-error.ts'
import { scheduleOf } from './import/schedule-of.ts'
import { importModule } from './storage/import-module.ts'

/**
 * Imports a module and returns the jobs that it exports, alone or in lists, without duplicates.
 * @throws CliError if the module exports no jobs
 */
export async function definitionsOf(file: string): Promise<readonly Job[]> {
  if (!existsSync(file)) {
    throw new CliError({
      code: 'DEFINITIONS_MISSING',
      message: `There is no file ${file}.`,
      field: 'FILE',
      remedy: 'Give a module that exports what defineJob() makes, or a JSON file that import has written.',
    })
  }
  const loaded = await importModule(file, 'FILE')
  const exported = file.endsWith('.json') ? await definedBy(loaded.default, file) : Object.values(loaded)
  const jobs = exported.flatMap((value) => (Array.isArray(value) ? value : [value])).filter(isJob)
  if (jobs.length > 0) return [...new Set(jobs)]
  throw new CliError({
    code: 'DEFINITIONS_MISSING',
    message: `${file} exports no definitions of jobs.`,
    field: 'FILE',
    remedy: 'Export what defineJob() makes, one by one or in a list.',
  })
}

/** Reads the jobs of a JSON file: `{ "jobs": [options of defineJob, with the stored form of the schedule] }`. */
async function definedBy(document: unknown, file: string): Promise<readonly Job[]> {
  const { jobs } = (document ?? {}) as { readonly jobs?: unknown }
  if (!Array.isArray(jobs)) return []
  const entries = jobs as readonly (Omit<JobOptions, 'schedule' | 'payload'> & {
    readonly schedule?: SerializedSchedule
  })[]
  return await Promise.all(
    entries.map(async ({ schedule, ...options }, index) => {
      if (schedule === undefined) return defineJob(options as never)
      const field = `jobs[${index}].schedule`
      return defineJob({ ...options, schedule: await scheduleOf(schedule, dirname(file), field) } as never)
    }),
  )
}

function isJob(value: unknown): value is Job {
  return typeof value === 'object' && value !== null && 'schedule' in value && 'tasks' in value && 'settings' in value
}
