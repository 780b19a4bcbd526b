import type { Client, Clock, Timer } from '@jobistemer/core'

/** Minimum time between two events, in ms. An event reports all changes since the last one, which limits the page's reads. */
const gapMs = 1000
/** Interval of comments, in ms: proxies close idle connections. */
const aliveMs = 15_000
/** Maximum duration of a stream, in ms. The page connects again, and the dashboard checks the rights again. */
const longestMs = 10 * 60_000

/**
 * Server-sent events about what to read again. They name kinds and no jobs, because the viewer may not see every job.
 */
export function changeStream(client: Client, clock: Clock, gone: AbortSignal): Response {
  const ended = new AbortController()
  const signal = AbortSignal.any([gone, ended.signal])
  const timers = new Set<Timer>()
  const end = (): void => {
    for (const timer of timers) timer.cancel()
    timers.clear()
    ended.abort()
  }
  const after = (delayMs: number, act: () => void): void => {
    const timer = clock.setTimer(delayMs, () => {
      timers.delete(timer)
      act()
    })
    timers.add(timer)
  }
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const send = (text: string): void => {
          // A reader that is too slow receives no more events. It reads everything again after it reconnects.
          if (!signal.aborted && (controller.desiredSize ?? 0) > -100)
            controller.enqueue(new TextEncoder().encode(text))
        }
        const sayAlive = (): void => {
          send(': alive\n\n')
          after(aliveMs, sayAlive)
        }
        const close = (): void => {
          end()
          try {
            controller.close()
          } catch {
            // The reader has disconnected, which has closed the stream.
          }
        }
        signal.addEventListener('abort', close, { once: true })
        if (signal.aborted) return close()
        after(longestMs, close)
        after(aliveMs, sayAlive)
        send('retry: 2000\n\n')
        // When the changes end, for example because the client was closed, the page reconnects.
        void follow(
          client,
          signal,
          (change) => send(`data: ${JSON.stringify(change)}\n\n`),
          (act) => after(gapMs, act),
        ).then(close, close)
      },
      cancel: end,
    },
    { highWaterMark: 16 },
  )
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' },
  })
}

/** Sends changes, those within one second in one event. */
async function follow(
  client: Client,
  signal: AbortSignal,
  send: (change: object) => void,
  later: (act: () => void) => void,
): Promise<void> {
  const waiting = new Set<string>()
  let isQuiet = true
  const flush = (): void => {
    isQuiet = true
    if (waiting.size === 0) return
    isQuiet = false
    send({ kinds: [...waiting] })
    waiting.clear()
    later(flush)
  }
  for await (const change of client.changes({ signal, interval: gapMs })) {
    if (change.kind === 'away') send({ kinds: ['away'] })
    else {
      waiting.add(change.kind)
      if (isQuiet) flush()
    }
  }
}
