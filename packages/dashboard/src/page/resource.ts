import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { after, steadyNow } from './browser-clock.ts'
import { type ChangeKind, onChange } from './live.ts'
import { read, RequestError } from './request.ts'

/** Something that is read from the server, and read again when it changes. */
export interface Resource<T> {
  /** What was read last; `null` before. It stays while it is read again. */
  readonly data: T | null
  /** Why it could not be read; `null` when it was. */
  readonly error: RequestError | null
  reload(): void
}

/** How something is read that one request does not answer. */
export interface Reading<T> {
  readonly signal: AbortSignal
  /** What was read before; `null`: nothing. */
  readonly before: T | null
  /** Shows a part, before the rest is there. */
  show(part: T): void
}

interface ResourceOptions<T> {
  /** What it is read again for. */
  readonly on?: readonly ChangeKind[]
  /** It is also read again so often: what no change tells of. */
  readonly everyMs?: number | ((data: T) => number | undefined) | undefined
  /** Reads it. Default: by one request of its path, which is only its name otherwise. */
  readonly by?: (reading: Reading<T>) => Promise<T>
}

const gapMs = 1000
const retryMs = 3000

/** @param path `null`: there is nothing to read yet. */
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
      // Nobody sees it. When somebody does again, the changes begin anew, and it is read.
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
        // What is away comes back; what is refused stays refused.
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
  // What was read of another path is not shown for this one.
  if (state.path !== path) return { data: null, error: null, reload }
  return { data: state.data, error: state.error, reload }
}

function faultOf(error: unknown): RequestError {
  return new RequestError(-1, { code: 'PAGE_FAULT', message: String(error), field: null })
}
