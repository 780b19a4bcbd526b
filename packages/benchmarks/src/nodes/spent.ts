import type { Fleet } from './fleet.ts'
import type { NodeReport } from './node-order.ts'

/** Returns the CPU time of the storage's server so far, in ms; `null` for a storage without a server. */
export type ServerCpu = (() => Promise<number>) | null

/**
 * The storage calls, CPU time and lateness of a fleet during one measurement. Includes the CPU time of the storage's
 * server.
 */
export interface Spent {
  /** Number of storage calls, by method. */
  readonly calls: ReadonlyMap<string, number>
  readonly nodeCpuMs: number
  readonly serverCpuMs: number | null
  readonly runs: number
  readonly asked: number
  readonly lastRunAt: number
  /** Lateness of all runs in milliseconds, in ascending order. */
  readonly lateness: readonly number[]
}

/**
 * Measures the cost of a fleet and of the storage's server. Calls and awaits `prepare`, and then `done`. The cost of the
 * nodes includes the time of both calls. The cost of the server includes only the time of `done`, because `prepare` may use
 * the server.
 */
export async function spentUntil(
  fleet: Fleet,
  options: {
    readonly serverCpu: ServerCpu
    readonly prepare?: () => Promise<void>
    readonly done: () => Promise<void>
  },
): Promise<Spent> {
  const { serverCpu, prepare, done } = options
  const before = await fleet.reports()
  await prepare?.()
  const serverBefore = await serverCpu?.()
  await done()
  const serverAfter = await serverCpu?.()
  const after = await fleet.reports()
  const sum = (of: (report: NodeReport) => number) =>
    after.reduce((total, report) => total + of(report), 0) - before.reduce((total, report) => total + of(report), 0)
  const methods = new Set(after.flatMap(({ calls }) => Object.keys(calls)))
  return {
    calls: new Map([...methods].map((method) => [method, sum(({ calls }) => calls[method] ?? 0)])),
    nodeCpuMs: sum(({ cpuMs }) => cpuMs),
    serverCpuMs: serverBefore === undefined || serverAfter === undefined ? null : serverAfter - serverBefore,
    runs: sum(({ runs }) => runs),
    asked: sum(({ asked }) => asked),
    lastRunAt: Math.max(...after.map(({ lastRunAt }) => lastRunAt)),
    lateness: after
      .flatMap(({ lateness }, index) => lateness.slice(before[index]?.lateness.length))
      .sort((left, right) => left - right),
  }
}

export function callsOf({ calls }: Spent): number {
  return [...calls.values()].reduce((sum, count) => sum + count, 0)
}

/**
 * Formats the number of storage calls of each method per unit, for example per 1,000 runs. `unit` is the number of units in
 * the measurement. The most frequent method comes first.
 */
export function printCalls({ calls }: Spent, unit: number): string {
  return [...calls]
    .filter(([, count]) => count > 0)
    .sort(([, left], [, right]) => right - left)
    .map(([method, count]) => `${method} ${(count / unit).toFixed(1)}`)
    .join(', ')
}
