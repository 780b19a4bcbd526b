/** A clock that only work moves. */
export function workClock() {
  let now = 0
  const work = (milliseconds: number): void => {
    now += milliseconds
  }
  return { monotonic: () => now, work }
}
