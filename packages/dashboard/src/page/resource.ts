import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { after, steadyNow } from './browser-clock.ts'
import { type ChangeKind, onChange } from './live.ts'
import { read, RequestError } from './request.ts'

/** Data that the page reads from the server, and reads again after changes. */
export interface Resource<T> {
  /** The data of the last successful read; `null` before the first read. These data stay visible while the page reads again. */
  readonly data: T | null
  /** The error of the last read; `null` after success. */
  readonly error: RequestError | null
  reload(): void
}

/**
 * The parameter that `useResource` passes to the function in the option `by`. For one read, this function may send several
 * requests. After each answer, it may call `show` with the data received so far.
 */
export interface Reading<T> {
  readonly signal: AbortSignal
  /** The data of the previous read; `null` before the first read. */
  readonly before: T | null
  /** Shows the data that this read has received so far. */
  show(part: T): void
}

interface ResourceOptions<T> {
  /** The kinds of changes after which the page reads the data again. */
  readonly on?: readonly ChangeKind[]
  /**
   * Interval in ms at which the page reads the data again, even if the change stream reports no change. Needed for data such as
   * progress, whose changes the change stream does not report.
   */
  readonly everyMs?: number | ((data: T) => number | undefined) | undefined
  /** A function that reads the data. Default: one request of `path`. With `by`, `path` only identifies the data. */
  readonly by?: (reading: Reading<T>) => Promise<T>
}

const gapMs = 1000
const retryMs = 3000

/**
 * Reads data of the server, and reads them again after changes.
 * @param path `null`: read nothing yet
 */
export function useResource<T>(path: string | null, { on = [], everyMs, by }: ResourceOptions<T> = {}): Resource<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; error: RequestError | null }>({
    path: null,
    data: null,
    error: null,
  })
  const reloads = useRef<() => void>(() => undefined)
  const kinds = on.join()
  useEffect(() => {
    if (path === null) return
    const gone = new AbortController()
    const wanted = new Set(kinds.split(','))
    let isReading = false
    let isWanted = false
    let begunAt = 0
    let giveUp = (): void => undefined
    let before: T | null = null
    const show = (data: T): void => {
      if (!gone.signal.aborted) setState({ path, data, error: null })
    }
    const plan = (delayMs: number | undefined): void => {
      giveUp()
      if (delayMs !== undefined && !gone.signal.aborted) giveUp = after(delayMs, load)
    }
    const load = async (): Promise<void> => {
      if (isReading) {
        isWanted = true
        return
      }
      // A hidden page does not read again. When the page becomes visible, the change stream restarts, which causes a read.
      if (document.hidden && begunAt > 0) return
      giveUp()
      isReading = true
      begunAt = steadyNow()
      let wait: number | undefined
      try {
        const { signal } = gone
        const data = await (by === undefined ? read<T>(path, signal) : by({ signal, before, show }))
        wait = typeof everyMs === 'function' ? everyMs(data) : everyMs
        before = data
        show(data)
      } catch (error) {
        if (gone.signal.aborted) return
        const problem = error instanceof RequestError ? error : faultOf(error)
        setState((before) => ({ path, data: before.path === path ? before.data : null, error: problem }))
        // Retries only after network and server errors: the server would refuse a bad request again.
        wait = problem.status === 0 || problem.status >= 500 ? retryMs : undefined
      }
      isReading = false
      plan(isWanted ? gapMs : wait)
      isWanted = false
    }
    reloads.current = () => void load()
    const stop = onChange((told) => {
      const isMeant = [...told].some((kind) => wanted.has(kind) || kind === 'back' || kind === 'start')
      if (!isMeant) return
      if (isReading) isWanted = true
      else plan(Math.max(0, begunAt + gapMs - steadyNow()))
    })
    void load()
    return () => {
      stop()
      giveUp()
      gone.abort()
    }
  }, [path, kinds, typeof everyMs === 'number' ? everyMs : null])
  const reload = useCallback(() => reloads.current(), [])
  // Returns no data of the previous path while the page reads the new path.
  if (state.path !== path) return { data: null, error: null, reload }
  return { data: state.data, error: state.error, reload }
}

function faultOf(error: unknown): RequestError {
  return new RequestError(-1, { code: 'PAGE_FAULT', message: String(error), field: null })
}
