import { createClient } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { expressMiddleware } from '../src/express.ts'
import { fastifyPlugin } from '../src/fastify.ts'
import { honoHandler } from '../src/hono.ts'
import { createDashboard, type Dashboard } from '../src/index.ts'
import { nextHandlers } from '../src/next.ts'
import { nodeListener } from '../src/node.ts'

it.each([undefined, null, 5, 'http://localhost/jobs', {}, new URL('http://localhost/jobs')])(
  'a dashboard that is called with %s instead of a Request rejects with INVALID_ARGUMENT',
  async (wrong) => {
    const storage = sqliteStorage({ file: ':memory:' })
    onTestFinished(() => storage.close())
    const dashboard = createDashboard({ client: createClient({ storage }), authorize: () => true })
    await expect(dashboard(wrong as Request)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'request' })
  },
)

it.each([nodeListener, expressMiddleware, fastifyPlugin, honoHandler, nextHandlers])(
  'the function %o, which mounts a dashboard, throws INVALID_ARGUMENT if its argument is not a dashboard',
  (mount) => {
    for (const wrong of [undefined, null, {}]) {
      expect(() => mount(wrong as unknown as Dashboard)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'dashboard' }),
      )
    }
  },
)
