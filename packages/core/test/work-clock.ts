/** Makes a clock that only calls of `work` move. */
export function workClock() {
  let now = 0
  const work = (milliseconds: number): void => {
    now += milliseconds
  }
  return { monotonic: () => now, work }
}
