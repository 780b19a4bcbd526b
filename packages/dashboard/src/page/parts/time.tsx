import { createContext } from 'preact'
import { useContext, useEffect } from 'preact/hooks'
import { every, now, onServerTime } from '../browser-clock.ts'
import { zonePreference } from '../preferences.ts'
import { Store, useStore } from '../store.ts'
import { distance, duration, localTime } from '../times.ts'

/** The zone of the job that is shown, if one is. */
export const JobZone = createContext<string | null>(null)

/** The zone that instants are shown in: `undefined` is the browser's. */
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

/** The present time, every few seconds. */
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
  /** The text without an instant. */
  readonly none?: string
}

/** The distance of an instant. The tooltip contains the instant. */
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

/** An instant in the zone that was chosen. */
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

/** An instant, and how far away it is. */
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

/** The duration of a run or task, so far if it still runs. */
export function Took({ from, to }: { readonly from: string | null; readonly to: string | null }) {
  const present = useNow()
  if (from === null) return <span class="quiet">–</span>
  const end = to === null ? present : Date.parse(to)
  return <span class="number">{duration(Math.max(0, end - Date.parse(from)))}</span>
}
