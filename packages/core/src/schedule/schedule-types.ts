import type { ScheduleType } from './schedule.ts'

/** The registry is global, so that several copies of this package in one process share the types. */
const key: unique symbol = Symbol.for('jobistemer.schedule-types')

type Holder = { [key]?: Map<string, ScheduleType> }

function registered(): Map<string, ScheduleType> {
  const holder = globalThis as Holder
  holder[key] ??= new Map()
  return holder[key]
}

/**
 * Registers a schedule type for all schedulers of this process, which then revive stored schedules of the type without
 * `scheduleTypes`. Call it in the module that defines the type, so that an import of the schedule registers it. A later
 * type of the same name replaces the earlier one.
 */
export function registerScheduleType(type: ScheduleType): void {
  registered().set(type.name, type)
}

/** The registered type of this name. */
export function registeredScheduleType(name: string): ScheduleType | undefined {
  return registered().get(name)
}
