import type { ScheduleType } from './schedule.ts'

/** A global one: several copies of this package in one process know the same types. */
const key: unique symbol = Symbol.for('jobistemer.schedule-types')

type Holder = { [key]?: Map<string, ScheduleType> }

function registered(): Map<string, ScheduleType> {
  const holder = globalThis as Holder
  holder[key] ??= new Map()
  return holder[key]
}

/**
 * Makes a type of schedules known to all schedulers of this process, so that they revive stored schedules of it without
 * `scheduleTypes`. Call it where the type is defined: whoever imports the schedule has its type then. A later type of the
 * same name takes the place of the earlier one.
 */
export function registerScheduleType(type: ScheduleType): void {
  registered().set(type.name, type)
}

/** The type of this name that was registered. */
export function registeredScheduleType(name: string): ScheduleType | undefined {
  return registered().get(name)
}
