import type { Schedule, ScheduleType, SerializedSchedule } from '@jobistemer/core/schedule'
import { CliError } from '../cli-error.ts'
import { importPackage } from '../storage/import-package.ts'

const packages: Readonly<Record<string, string>> = {
  cron: '@jobistemer/ticker-cron',
  iso8601: '@jobistemer/ticker-iso8601',
  once: '@jobistemer/ticker-once',
}

/**
 * Converts a stored schedule to a `Schedule`, with the ticker package of the user's project.
 * @throws CliError, JobistemerError
 */
export async function scheduleOf(serialized: SerializedSchedule, cwd: string, field: string): Promise<Schedule> {
  const specifier = Object.hasOwn(packages, serialized.type) ? packages[serialized.type] : undefined
  if (specifier === undefined) {
    throw new CliError({
      code: 'UNKNOWN_SCHEDULE_TYPE',
      message: `${field} has an unknown schedule type: ${JSON.stringify(serialized.type)}.`,
      field,
      remedy: `Give one of ${Object.keys(packages).join(', ')}, or define the job in a TypeScript file.`,
    })
  }
  const exported = await importPackage<Readonly<Record<string, ScheduleType>>>(specifier, { cwd, field })
  return (exported[`${serialized.type}Type`] as ScheduleType).revive(serialized)
}
