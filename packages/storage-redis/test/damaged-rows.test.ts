import { damageTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { damage } from './damage.ts'
import { connect } from './fixtures/connect.mjs'
import { newPrefix } from './prefixes.ts'
import { useServers } from './servers.ts'

const { start } = useServers()

it.each(['garbage', 'null', '[]'])(
  'a node runs all readable jobs although other records in Redis contain %s',
  async (text) => {
    const { url } = await start()
    const argument = { url, prefix: newPrefix() }
    const place = { connect: () => connect(argument), damage: damage.bind(null, argument) }
    await expect(damageTrial(place, text)).resolves.toBeUndefined()
  },
)
