/** Makes `count` calls, with up to `width` calls in progress at any time. */
export async function inFlight(
  { count, width }: { readonly count: number; readonly width: number },
  call: () => Promise<unknown>,
): Promise<void> {
  let left = count
  const callOn = async (): Promise<void> => {
    while (left-- > 0) await call()
  }
  await Promise.all(Array.from({ length: width }, callOn))
}

/** Returns the quantile of the values: `share` 0.5 for the median. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
