import { storageConformance } from '@jobistemer/storage-conformance'
import { sharedRedis } from '@jobistemer/test-servers'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { redisStorage } from '../src/index.ts'
import { newPrefix, quiet } from './prefixes.ts'

let server: Awaited<ReturnType<typeof sharedRedis>>

beforeAll(async () => {
  server = await sharedRedis()
})

afterAll(async () => {
  await server.stop()
})

storageConformance({
  describe,
  it,
  name: 'redis',
  capabilities: { multiProcess: true, durability: 'process', serverTime: true, subscribe: true },
  open() {
    const { url } = server
    const prefix = newPrefix()
    return {
      connect: async () => redisStorage({ url, prefix, logger: quiet }),
      dispose: async () => {},
      processes: { module: new URL('./fixtures/connect.mjs', import.meta.url), argument: { url, prefix } },
    }
  },
})
