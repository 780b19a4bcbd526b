// The proleptic Gregorian calendar with integers, for the years 1 to 9999. Day 0 is 1970-01-01.

export const firstYear = 1
export const lastYear = 9999

// The number of days from 0000-03-01 to 1970-01-01. This module counts years from March, so that the leap day is the last day
// of a year.
const daysBeforeEpoch = 719_468
const daysPerEra = 146_097

/** Returns the number of days in a month. `month` is 1 to 12. */
export function monthLength(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Returns the day number of the first day of a month. */
export function firstDayOfMonth(year: number, month: number): number {
  const yearFromMarch = month > 2 ? year : year - 1
  const era = (yearFromMarch / 400) | 0
  const yearOfEra = yearFromMarch - era * 400
  const dayOfYear = ((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) | 0
  const dayOfEra = yearOfEra * 365 + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0) + dayOfYear
  return era * daysPerEra + dayOfEra - daysBeforeEpoch
}

/** Returns the month of a day as `year * 12 + month - 1`. A single number needs no allocation. */
export function monthOfDay(day: number): number {
  const shifted = day + daysBeforeEpoch
  const era = (shifted / daysPerEra) | 0
  const dayOfEra = shifted - era * daysPerEra
  const yearOfEra =
    ((dayOfEra - ((dayOfEra / 1460) | 0) + ((dayOfEra / 36_524) | 0) - ((dayOfEra / 146_096) | 0)) / 365) | 0
  const dayOfYear = dayOfEra - (365 * yearOfEra + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0))
  const monthFromMarch = ((5 * dayOfYear + 2) / 153) | 0
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0)) * 12 + month - 1
}

/** Returns the weekday of a day. 0 is Sunday. */
export function weekdayOf(day: number): number {
  return ((day % 7) + 11) % 7
}
