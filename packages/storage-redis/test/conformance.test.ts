import { sharedRedis } from '@jobistemer/test-servers'
import { redisConformance } from './redis-conformance.ts'

redisConformance('redis', async () => {
  const server = await sharedRedis()
  return { argument: { url: server.url }, stop: () => server.stop() }
})
