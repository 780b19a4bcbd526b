import { sharedRedis } from '@jobistemer/test-servers'
import { redisConformance } from './redis-conformance.ts'

redisConformance(
  'valkey',
  async () => {
    const server = await sharedRedis('valkey')
    return { argument: { url: server.url }, stop: () => server.stop() }
  },
  { isFurther: true },
)
