import { Info } from 'luxon'
import { readObject } from '../configuration/read-value.ts'
import { invalidValue, printValue } from '../errors.ts'
import { hasOffset, toInstantMs, toInstantText } from '../instant.ts'
import type { InstantInput, ScheduleType, ScheduleWindow } from './schedule.ts'
import { openWindow } from './windowed-schedule.ts'
import { dayMs, longestReadable } from '../tuning.ts'

/** Options that every schedule of Jobistemer accepts. */
export interface ScheduleOptions {
  /**
   * IANA time zone in which the schedule is read. Default: the `timezone` of the job that has the schedule, else the
   * `timezone` in the scheduler's `defaults`, else `UTC`.
   */
  readonly timezone?: string
  /**
   * Earliest instant at which the schedule can fire. The schedule fires at `start` itself only if `start` is one of its
   * instants. Default: none. A string without an offset is read in the schedule's time zone.
   */
  readonly start?: InstantInput
  /** Latest instant of the schedule. An instant that equals the end still fires. Default: none. */
  readonly end?: InstantInput
}

/**
 * Checks that the options of a schedule are an object without unknown members.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function readScheduleOptions<T extends ScheduleOptions>(options: T, known: readonly string[]): T {
  return readObject(options, '', known)
}

/**
 * Converts an instant to epoch milliseconds. A string without an offset is a local time in `timezone`. If the clocks of the
 * zone skip that local time, it is moved forward by the length of the gap. If the local time occurs twice, the first of the two
 * instants applies.
 *
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function toZonedInstantMs(input: InstantInput, timezone: string, field: string): number {
  const readMs = toInstantMs(input, field)
  if (!isLocalTime(input)) return readMs
  const zone = Info.normalizeZone(timezone)
  return zone.isValid ? instantOf(readMs, (at) => zone.offset(at) * 60_000) : readMs
}

/**
 * Converts a local time to an instant. Tries the zone's offsets one day before and one day after the local time. If both fit,
 * the earlier instant applies. If neither fits, the local time lies in a gap, and the offset of the day before applies.
 *
 * This function does not use luxon's conversion, which starts from the zone's present offset. If this offset differs much from
 * the offset at the local time, luxon wrongly finds a gap. An example is Samoa, which crossed the date line.
 */
function instantOf(localMs: number, offsetAt: (at: number) => number): number {
  const earlier = offsetAt(localMs - dayMs)
  const later = offsetAt(localMs + dayMs)
  const instants = [localMs - earlier, localMs - later].filter((at) => at + offsetAt(at) === localMs)
  return instants.length === 0 ? localMs - earlier : Math.min(...instants)
}

/**
 * Returns the serialized form of an instant. A local time stays a local time, because it means different instants in different
 * time zones.
 *
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function toZonedInstantText(input: InstantInput, field: string): string {
  if (!isLocalTime(input)) return toInstantText(toInstantMs(input, field))
  toZonedInstantMs(input, 'UTC', field)
  return input
}

/**
 * Reads the window from the options `start` and `end` of a schedule.
 *
 * @throws JobistemerError `INVALID_INSTANT`; `INVALID_SCHEDULE` when the end lies before the start
 */
export function readScheduleWindow(options: ScheduleOptions, timezone: string): ScheduleWindow {
  const { start, end } = options
  if (start === undefined && end === undefined) return openWindow
  const startMs = start === undefined ? openWindow.startMs : toZonedInstantMs(start, timezone, 'start')
  const endMs = end === undefined ? openWindow.endMs : toZonedInstantMs(end, timezone, 'end')
  if (startMs <= endMs) return { startMs, endMs }
  const remedy = 'Give an end that is not before the start.'
  throw invalidValue('end', `lies before start, ${printValue(start)}`, end, remedy, 'INVALID_SCHEDULE')
}

/**
 * Returns true for a local time: a string with neither `Z` nor an offset after its time of day. The instant of a local time
 * depends on a time zone. Returns false for two kinds of strings that are no instants:
 * - a string of more than 100 characters
 * - a string with a time zone in brackets and no offset
 */
export function isLocalTime(input: InstantInput): input is string {
  if (typeof input !== 'string' || input.length > longestReadable) return false
  return !input.endsWith(']') && !hasOffset(input)
}

/**
 * The key under which `globalThis` holds the registry of schedule types. The key is global, so that several copies of this
 * package in one process share the registered types.
 */
const key: unique symbol = Symbol.for('jobistemer.schedule-types')

const holder = globalThis as { [key]?: Map<string, ScheduleType> }
holder[key] ??= new Map()
const registered = holder[key]

/**
 * Registers a schedule type for all schedulers of this process, which then revive stored schedules of the type without
 * `scheduleTypes`. Call `registerScheduleType` in the module that defines the type, so that an import of that module
 * registers the type. A later type of the same name replaces the earlier one.
 */
export function registerScheduleType(type: ScheduleType): void {
  registered.set(type.name, type)
}

/** Returns the registered schedule type of this name; `undefined`: no type of this name is registered. */
export function registeredScheduleType(name: string): ScheduleType | undefined {
  return registered.get(name)
}
