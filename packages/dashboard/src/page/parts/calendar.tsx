import { now } from '../browser-clock.ts'
import { localTime } from '../times.ts'
import { useZone } from './time.tsx'

const dayMs = 86_400_000
const weeks = 5
const named = 3
const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const

interface CalendarProps {
  readonly slots: readonly string[]
  /** `true` if the job may have later slots, because `slots` has the maximum number of slots that the page reads. */
  readonly isPart: boolean
}

/** Shows the slots of the coming weeks in a calendar, by day. */
export function Calendar({ slots, isPart }: CalendarProps) {
  const zone = useZone()
  const times = new Map<string, string[]>()
  for (const at of slots) {
    const { date, time } = localTime(Date.parse(at), zone)
    times.set(date, [...(times.get(date) ?? []), time.slice(0, 5)])
  }
  const today = localTime(now(), zone).date
  // Counts days in UTC, where every day has 24 hours.
  const first = mondayOf(Date.parse(`${today}T00:00:00Z`))
  const lastDay = localTime(Date.parse(slots.at(-1) as string), zone)
  return (
    <>
      <table class="calendar">
        <caption class="hidden-text">Slots by day</caption>
        <thead>
          <tr>
            {weekdays.map((day) => (
              <th key={day} scope="col">
                {day}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: weeks }, (_, week) => (
            <tr key={week}>
              {weekdays.map((day, index) => {
                const date = new Date(first + (week * 7 + index) * dayMs).toISOString().slice(0, 10)
                return (
                  <Day
                    key={day}
                    date={date}
                    isToday={date === today}
                    isPast={date < today}
                    isPart={isPart && date >= lastDay.date}
                    times={times.get(date) ?? []}
                  />
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {isPart && (
        <p class="quiet note">
          The calendar shows the next {slots.length} slots, up to {lastDay.date} {lastDay.time.slice(0, 5)}. The days
          marked with … may have more.
        </p>
      )}
    </>
  )
}

interface DayProps {
  readonly date: string
  readonly isToday: boolean
  readonly isPast: boolean
  /** `true` if the day may have more slots than the page has read. */
  readonly isPart: boolean
  readonly times: readonly string[]
}

function Day({ date, isToday, isPast, isPart, times }: DayProps) {
  const kind = `day${isToday ? ' today' : ''}${isPast ? ' past' : ''}`
  const more = Math.max(0, times.length - named)
  return (
    <td class={kind} aria-current={isToday ? 'date' : undefined}>
      <span class="day-date">
        {date.slice(8)}
        <span class="hidden-text">{` ${date}, ${times.length}${isPart ? ' or more' : ''} slots`}</span>
      </span>
      {times.slice(0, named).map((time, index) => (
        <span key={`${index} ${time}`} class="day-time">
          {time}
        </span>
      ))}
      {(more > 0 || isPart) && (
        <span class="day-more" aria-hidden="true">
          {more > 0 && `+${more}`}
          {isPart && '…'}
        </span>
      )}
    </td>
  )
}

function mondayOf(at: number): number {
  const weekday = (new Date(at).getUTCDay() + 6) % 7
  return at - weekday * dayMs
}
