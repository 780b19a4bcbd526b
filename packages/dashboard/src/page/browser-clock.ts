// The only place of the page that reads the time and sets timers.

/** How far the server's clock is ahead of the browser's, in milliseconds. */
let aheadMs = 0
const listeners = new Set<() => void>()

/** Epoch milliseconds, by the server's clock as far as it is known. */
export function now(): number {
  return Date.now() + aheadMs
}

export function learnServerTime(text: string): void {
  aheadMs = Date.parse(text) - Date.now()
  for (const listener of listeners) listener()
}

/** Calls the listener when the page has learned the time of the server. */
export function onServerTime(listener: () => void): void {
  listeners.add(listener)
}

/** Calls `act` once after a delay. Returns a function that cancels it. */
export function after(delayMs: number, act: () => void): () => void {
  const timer = setTimeout(act, delayMs)
  return () => clearTimeout(timer)
}

/** Calls `act` at an interval. Returns a function that ends it. */
export function every(intervalMs: number, act: () => void): () => void {
  const timer = setInterval(act, intervalMs)
  return () => clearInterval(timer)
}

/** Monotonic time, in ms. */
export function steadyNow(): number {
  return performance.now()
}
