import { existsSync } from 'node:fs'
import type { Job } from '@jobistemer/core'
import { CliError } from './cli-error.ts'
import { importModule } from './storage/import-module.ts'

/** The definitions that a module exports, one by one or in lists, each once. @throws CliError when there are none */
export async function definitionsOf(file: string): Promise<readonly Job[]> {
  if (!existsSync(file)) {
    throw new CliError({
      code: 'DEFINITIONS_MISSING',
      message: `There is no file ${file}.`,
      field: 'FILE',
      remedy: 'Give a module that exports what defineJob() makes.',
    })
  }
  const exported = Object.values(await importModule(file, 'FILE'))
  const jobs = exported.flatMap((value) => (Array.isArray(value) ? value : [value])).filter(isJob)
  if (jobs.length > 0) return [...new Set(jobs)]
  throw new CliError({
    code: 'DEFINITIONS_MISSING',
    message: `${file} exports no definitions of jobs.`,
    field: 'FILE',
    remedy: 'Export what defineJob() makes, one by one or in a list.',
  })
}

function isJob(value: unknown): value is Job {
  return typeof value === 'object' && value !== null && 'schedule' in value && 'tasks' in value && 'overrides' in value
}
