import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { JobistemerError, printValue } from '../../errors.ts'
import { orElse } from '../../or-else.ts'
import { noSchedule } from '../../schedule/no-schedule.ts'
import type { Schedule, ScheduleType, SerializedSchedule } from '../../schedule/schedule.ts'
import { registeredScheduleType } from '../../schedule/schedule-options.ts'
import { WindowedSchedule } from '../../schedule/windowed-schedule.ts'

/** The package to import for each schedule type of this project. */
const packages: ReadonlyMap<string, string> = new Map(
  ['cron', 'iso8601', 'once'].map((type) => [type, `@jobistemer/ticker-${type}`]),
)

/** The error of each ticker package that this process could not import, by schedule type. */
const failures = new Map<string, unknown>()
let importing: Promise<unknown> | null = null

/** Imports the ticker packages that the program has not imported itself. Imports them once per process. */
export function importTickers(): Promise<unknown> {
  importing ??= Promise.all(
    Array.from(packages, async ([type, specifier]) => {
      const failure = registeredScheduleType(type) === undefined ? await importTicker(specifier) : null
      if (failure !== null) failures.set(type, failure)
    }),
  )
  return importing
}

/**
 * Imports the package of a ticker. Looks for the package first from this module, then from the program's main file, then from
 * the working directory. If the package manager isolates dependencies, this module cannot see the program's packages, but the
 * main file or the working directory can. Resolves to `null`, or to the error if no import succeeded.
 */
async function importTicker(specifier: string): Promise<unknown> {
  try {
    await importModule(specifier)
    return null
  } catch (error) {
    // `process.cwd()` throws if the working directory was deleted.
    for (const from of [() => process.argv[1], () => join(process.cwd(), 'package.json')]) {
      const file = orElse(() => createRequire(pathToFileURL(from() as string)).resolve(specifier), null)
      if (file === null) continue
      try {
        await importModule(pathToFileURL(file).href)
        return null
      } catch (other) {
        return other
      }
    }
    return error
  }
}

// Imports a module whose specifier is known only at run time. The comments in the import prevent bundlers from
// resolving the specifier.
function importModule(specifier: string): Promise<unknown> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)
}

/**
 * Revives stored schedules of the types that this node knows. Known types are:
 * - types that the user passed to the node
 * - types that are registered in this process
 * - types of this project's ticker packages, see {@link importTickers}
 */
export class ScheduleReviver {
  readonly #types = new Map<string, ScheduleType>([[noSchedule.type.name, noSchedule.type]])

  add(type: ScheduleType): void {
    this.#types.set(type.name, type)
  }

  /** Returns the schedule type of this name; `undefined`: this node does not know it. */
  find(name: string): ScheduleType | undefined {
    return this.#types.get(name) ?? registeredScheduleType(name)
  }

  /**
   * Returns a stored schedule as an object that computes slots. @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE`, and errors
   * of the type's `revive`
   */
  revive(serialized: SerializedSchedule, jobName?: string): Schedule {
    const { type } = serialized
    const known = this.find(type)
    if (known !== undefined) return known.revive(serialized)
    const ofJob = jobName === undefined ? '' : ` of job ${printValue(jobName)}`
    const specifier = packages.get(type)
    const pass = 'its type to createScheduler({ scheduleTypes: [...] }).'
    throw new JobistemerError('UNKNOWN_SCHEDULE_TYPE', {
      message: `A stored schedule${ofJob} is of a type that this node does not know: ${printValue(type)}.`,
      field: 'scheduleTypes',
      value: type,
      remedy:
        specifier === undefined
          ? `Pass ${pass}`
          : `Install ${specifier} where this node can import it, or pass ${pass}`,
      ...(failures.has(type) && { cause: failures.get(type) }),
    })
  }
}

/**
 * Stands for a stored schedule that this node could not load. The object keeps the stored form. If a caller asks for a slot,
 * the object throws the error with which the load failed.
 */
export class UnrevivedSchedule extends WindowedSchedule {
  readonly #serialized: SerializedSchedule
  readonly #error: unknown

  constructor(serialized: SerializedSchedule, error: unknown) {
    super()
    this.#serialized = serialized
    this.#error = error
  }

  get type(): ScheduleType {
    return {
      name: this.#serialized.type,
      revive: (serialized): Schedule => new UnrevivedSchedule(serialized, this.#error),
    }
  }

  protected nextAfter(): never {
    throw this.#error
  }

  protected previousBefore(): never {
    throw this.#error
  }

  describe(): string {
    return `a schedule of the type ${this.#serialized.type}`
  }

  toJSON(): SerializedSchedule {
    return this.#serialized
  }
}
