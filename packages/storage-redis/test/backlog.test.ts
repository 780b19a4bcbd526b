import { backlogTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { connect } from './fixtures/connect.mjs'
import { newPrefix } from './prefixes.ts'
import { useServers } from './servers.ts'

const { start } = useServers()

it('a node runs all requests of one job’s backlog, and runs a later request of another job before the backlog ends', async () => {
  const { url } = await start()
  const argument = { url, prefix: newPrefix() }
  await expect(backlogTrial(() => connect(argument), byEffort(1000))).resolves.toBeDefined()
})
