import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'

/**
 * A faulty single-process storage: it declares durability, but writes the calls to its file only when it is closed.
 * @param {{ file: string }} options
 */
export function hoardingStorage({ file }) {
  const memory = memoryStorage()
  const calls = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
  const repeated = calls.reduce(
    (before, [method, request]) => before.then(() => memory[method](request)),
    Promise.resolve(),
  )
  return wrapStorage(memory, {
    capabilities: { ...memory.capabilities, durability: 'process' },
    subscribe: undefined,
    async around({ method, request, proceed }) {
      await repeated
      calls.push([method, request])
      return await proceed()
    },
    close: async () => writeFileSync(file, JSON.stringify(calls)),
  })
}
