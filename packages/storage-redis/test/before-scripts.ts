import { scriptsOf } from '../src/client.ts'
import type { RedisClient } from '../src/index.ts'

/** Does something before each script that a client sends by its digest. */
export function beforeScripts(client: RedisClient, action: () => unknown): void {
  const scripts = scriptsOf(client)
  const send = scripts.evalshaBuffer.bind(client)
  scripts.evalshaBuffer = async (...values) => {
    await action()
    return await send(...values)
  }
}
