import { isMainThread } from 'node:worker_threads'

interface Asked {
  readonly data?: { readonly kind?: string }
  readonly logger?: { info(fields: object, message: string): void }
}

const forever = (): Promise<never> => new Promise(() => setInterval(() => undefined, 60_000))

const misbehaviours: Readonly<Record<string, () => unknown>> = {
  'endless loops': () => {
    for (;;);
  },
  'memory bombs': () => {
    const kept: unknown[] = []
    for (;;) kept.push(new Array(10_000).fill(kept.length + 0.5))
  },
  'calls of process.exit(0)': () => process.exit(0),
  'unhandled rejections': () => {
    void Promise.reject(new Error('no code catches this rejection'))
    return forever()
  },
  'stopped processes': () => {
    if (isMainThread) process.kill(process.pid, 'SIGSTOP')
    return forever()
  },
}

/**
 * The function that isolated tasks, piscina and BullMQ's workers call. The function returns, or misbehaves in a way
 * that must not harm the node.
 */
function handler({ data }: Asked): unknown {
  const { kind } = data ?? {}
  return kind === undefined ? 1 : misbehaviours[kind]?.()
}

// biome-ignore lint/style/noDefaultExport: isolated tasks, piscina and BullMQ expect a default export
export default handler
