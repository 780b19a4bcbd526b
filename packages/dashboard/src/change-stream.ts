import type { Client, Clock, Timer } from '@jobistemer/core'

/** What has changed meanwhile is told at once, so that a busy storage does not keep pages busy. */
const gapMs = 1000
/** Proxies end connections that say nothing. */
const aliveMs = 15_000
/** Rights may have been taken away: the page comes again, and they are looked at anew. */
const longestMs = 10 * 60_000

/**
 * Server-sent events of what to read again. They name kinds, and no jobs: whoever listens may not be allowed to see them.
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
          // Whoever reads nothing is told nothing more, and reads everything anew when it comes again.
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
            // Whoever read it has gone, which has closed it.
          }
        }
        signal.addEventListener('abort', close, { once: true })
        if (signal.aborted) return close()
        after(longestMs, close)
        after(aliveMs, sayAlive)
        send('retry: 2000\n\n')
        // When the changes end, also because the client was closed, the page comes again.
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

/** Tells of changes, those within a second together. */
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
