/** Makes so many calls, of which so many are under way at any time. */
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

/** The share of values that lie below: 0.5 for the middle one. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
