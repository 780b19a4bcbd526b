import { JobistemerError, printValue } from '../../errors.ts'
import { noSchedule } from '../../schedule/no-schedule.ts'
import type { Schedule, ScheduleType, SerializedSchedule } from '../../schedule/schedule.ts'
import { registeredScheduleType } from '../../schedule/schedule-types.ts'
import { importTicker, tickerPackageOf } from './ticker-packages.ts'

/**
 * Revives stored schedules whose types this node knows. Known types are:
 * - types that the user passed to the node
 * - types that are registered in this process
 * - types of this project's ticker packages that the node can import
 */
export class ScheduleReviver {
  readonly #types = new Map<string, ScheduleType>([[noSchedule.type.name, noSchedule.type]])
  /** Ticker imports in progress, by schedule type. */
  readonly #imports = new Map<string, Promise<void>>()
  /** The error of each ticker import, or `null` after a success. Each import is tried once. */
  readonly #tried = new Map<string, unknown>()

  add(type: ScheduleType): void {
    this.#types.set(type.name, type)
  }

  knows(serialized: SerializedSchedule): boolean {
    return this.#find(serialized.type) !== undefined
  }

  #find(name: string): ScheduleType | undefined {
    return this.#types.get(name) ?? registeredScheduleType(name)
  }

  /** Imports the missing ticker packages of these schedules. Returns `null` if no import is necessary. */
  learn(schedules: readonly SerializedSchedule[]): Promise<unknown> | null {
    const imports: Promise<void>[] = []
    for (const { type } of schedules) {
      const specifier = tickerPackageOf(type)
      if (specifier === undefined || this.#tried.has(type) || this.#find(type) !== undefined) continue
      imports.push(this.#imports.get(type) ?? this.#import(type, specifier))
    }
    return imports.length === 0 ? null : Promise.all(imports)
  }

  #import(type: string, specifier: string): Promise<void> {
    const importing = importTicker(specifier).then((failure) => {
      this.#tried.set(type, failure)
      this.#imports.delete(type)
    })
    this.#imports.set(type, importing)
    return importing
  }

  /** @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE`, and errors of the type's `revive` */
  revive(serialized: SerializedSchedule, jobName?: string): Schedule {
    const { type } = serialized
    const known = this.#find(type)
    if (known !== undefined) return known.revive(serialized)
    const ofJob = jobName === undefined ? '' : ` of job ${printValue(jobName)}`
    const specifier = tickerPackageOf(type)
    const pass = 'its type to createScheduler({ scheduleTypes: [...] }).'
    throw new JobistemerError('UNKNOWN_SCHEDULE_TYPE', {
      message: `A stored schedule${ofJob} is of a type that this node does not know: ${printValue(type)}.`,
      field: 'scheduleTypes',
      value: type,
      remedy:
        specifier === undefined
          ? `Pass ${pass}`
          : `Install ${specifier} where this node can import it, or pass ${pass}`,
      ...(this.#tried.get(type) != null && { cause: this.#tried.get(type) }),
    })
  }
}
