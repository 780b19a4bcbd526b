import type { Client, Clock, Timer } from '@jobistemer/core'

/** Minimum time between two events of a stream, in ms. Limits how often the page reads. */
const gapMs = 1000
/** Interval of comments in an idle stream, in ms. Without these comments, proxies would close the connection. */
const aliveMs = 15_000
/** Maximum duration of a stream, in ms. Then the page reconnects, and the dashboard checks the user's rights again. */
const longestMs = 10 * 60_000

/**
 * Answers with server-sent events about changed data. An event names the kinds of the changed data. An event never names a
 * job, because the user may not have the right to see that job.
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
          // While a reader has about 100 unread events, drop further events. The stream ends after `longestMs` at the latest.
          // The reader then reconnects and reads everything again.
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
            // The stream is already closed, because the reader has disconnected.
          }
        }
        signal.addEventListener('abort', close, { once: true })
        if (signal.aborted) return close()
        after(longestMs, close)
        after(aliveMs, sayAlive)
        send('retry: 2000\n\n')
        // If the iteration over the changes ends or fails, end the stream, so that the page reconnects.
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
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      // A compressor would hold the events back.
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    },
  })
}

/** Sends the client's changes to a reader. Combines changes within one second to one event. */
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
