import { createContext } from 'preact'
import { useContext, useEffect } from 'preact/hooks'
import { every, now, onServerTime } from '../browser-clock.ts'
import { zonePreference } from '../preferences.ts'
import { Store, useStore } from '../store.ts'
import { distance, duration, localTime } from '../times.ts'

/** The time zone of the job that the page shows; `null` on pages without a job. */
export const JobZone = createContext<string | null>(null)

/** Returns the time zone in which the page shows instants; `undefined` for the browser's time zone. */
export function useZone(): string | undefined {
  const preference = useStore(zonePreference)
  const job = useContext(JobZone)
  if (preference === 'utc') return 'UTC'
  return preference === 'job' ? (job ?? 'UTC') : undefined
}

const minute = new Store(now())
onServerTime(() => {
  minute.value = now()
})
let readers = 0
let stop = (): void => undefined

/** Returns the present time, updated every few seconds. */
export function useNow(): number {
  useEffect(() => {
    if (readers++ === 0) {
      stop = every(2000, () => {
        minute.value = now()
      })
    }
    return () => {
      if (--readers === 0) stop()
    }
  }, [])
  return Math.max(useStore(minute), 0)
}

interface TimeProps {
  readonly at: string | null
  /** The text to show if there is no instant. */
  readonly none?: string
}

/** Shows the time between an instant and now. The tooltip contains the instant. */
export function Ago({ at, none = '–' }: TimeProps) {
  const present = useNow()
  const zone = useZone()
  if (at === null) return <span class="quiet">{none}</span>
  const { date, time, offset } = localTime(Date.parse(at), zone)
  return (
    <time dateTime={at} title={`${date} ${time} ${offset}`} class="number">
      {distance(Date.parse(at), present)}
    </time>
  )
}

/** Shows an instant in the time zone that the user has chosen. */
export function At({ at, none = '–' }: TimeProps) {
  const zone = useZone()
  if (at === null) return <span class="quiet">{none}</span>
  const { date, time, weekday, offset } = localTime(Date.parse(at), zone)
  return (
    <time dateTime={at} title={`${weekday} ${at}`} class="number instant">
      <span>{date}</span> <span>{time}</span> <small>{offset}</small>
    </time>
  )
}

/** Shows an instant and its distance from now. */
export function AtAndAgo({ at, none = '–' }: TimeProps) {
  if (at === null) return <span class="quiet">{none}</span>
  return (
    <span class="at-and-ago">
      <At at={at} />{' '}
      <span class="quiet">
        <Ago at={at} />
      </span>
    </span>
  )
}

/** Shows the duration of a run or task. Until the run or task has ended, shows the time since its start. */
export function Took({ from, to }: { readonly from: string | null; readonly to: string | null }) {
  const present = useNow()
  if (from === null) return <span class="quiet">–</span>
  const end = to === null ? present : Date.parse(to)
  return <span class="number">{duration(Math.max(0, end - Date.parse(from)))}</span>
}
