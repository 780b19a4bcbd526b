import { startRedisCluster } from '@jobistemer/test-servers'
import { redisConformance } from './redis-conformance.ts'

redisConformance(
  'redis cluster',
  async () => {
    const cluster = await startRedisCluster({ masters: 3 })
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }))
    return { argument: { nodes }, stop: () => cluster.stop() }
  },
  { isFurther: true, canDamage: false },
)
