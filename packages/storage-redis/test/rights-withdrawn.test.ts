import { assertLedger } from '@jobistemer/storage-conformance'
import { expect, it } from 'vitest'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: admin, open } = useServers()

it.each(['hget', 'hset', 'publish', 'zadd', 'zrange', 'zrem'])(
  'a call whose Redis user has lost the right to %s changes nothing, and succeeds once the user has that right again',
  async (right) => {
    const server = await start()
    const client = admin(server.url)
    await client.call('ACL', 'SETUSER', 'scheduler', 'on', '>secret', '~*', '&*', '+@all')
    const storage = open({ url: server.url.replace('redis://', 'redis://scheduler:secret@') })
    const { id } = await addJob(storage, 'alpha', 'queue')
    const slot = slotItem(id, 2)
    const create = () => storage.createOccurrences({ now: slotAt(2), owner, items: [slot] })
    const settle = () => storage.settle({ now: slotAt(2), items: [finishItem(id, 1)] })
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })

    await client.call('ACL', 'SETUSER', 'scheduler', `-${right}`)
    expect((await refusal(create())).code).toBe('STORAGE_UNREADABLE')
    await client.call('ACL', 'SETUSER', 'scheduler', `+${right}`)
    expect(await create()).toMatchObject([{ outcome: 'created', state: 'queued' }])

    await client.call('ACL', 'SETUSER', 'scheduler', `-${right}`)
    expect((await refusal(settle())).code).toBe('STORAGE_UNREADABLE')
    await client.call('ACL', 'SETUSER', 'scheduler', `+${right}`)
    expect(await settle()).toMatchObject([{ outcome: 'ok', woken: { id: slot.id } }])
    await assertLedger(storage, { atRest: false })
  },
)
