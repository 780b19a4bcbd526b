// Of the modules of the page, only this one reads the time and sets timers.

/** How far the server's clock is ahead of the browser's clock, in ms. */
let aheadMs = 0
const listeners = new Set<() => void>()

/** Returns the server's time in epoch milliseconds; the browser's time until the page knows the server's. */
export function now(): number {
  return Date.now() + aheadMs
}

export function learnServerTime(text: string): void {
  aheadMs = Date.parse(text) - Date.now()
  for (const listener of listeners) listener()
}

/** Calls the listener each time that the page receives the server's time. */
export function onServerTime(listener: () => void): void {
  listeners.add(listener)
}

/** Calls `act` once after `delayMs`. Returns a function that cancels the call. */
export function after(delayMs: number, act: () => void): () => void {
  const timer = setTimeout(act, delayMs)
  return () => clearTimeout(timer)
}

/** Calls `act` every `intervalMs`. Returns a function that stops the calls. */
export function every(intervalMs: number, act: () => void): () => void {
  const timer = setInterval(act, intervalMs)
  return () => clearInterval(timer)
}

/** Returns the monotonic time of the browser, in ms. */
export function steadyNow(): number {
  return performance.now()
}
