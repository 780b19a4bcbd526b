import { scriptsOf } from '../src/client.ts'
import type { RedisClient } from '../src/index.ts'

/** Calls `action` before each script that the client sends by its digest. */
export function beforeScripts(client: RedisClient, action: () => unknown): void {
  const scripts = scriptsOf(client)
  const send = scripts.evalshaBuffer.bind(client)
  scripts.evalshaBuffer = async (...values) => {
    await action()
    return await send(...values)
  }
}
