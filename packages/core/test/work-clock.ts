/** Makes a clock whose time passes only in calls of `work`. */
export function workClock() {
  let now = 0
  const work = (milliseconds: number): void => {
    now += milliseconds
  }
  return { monotonic: () => now, work }
}
