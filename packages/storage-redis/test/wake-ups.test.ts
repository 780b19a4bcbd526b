import { type Clock, systemClock } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { addJob, finishItem, owner, slotAt, slotItem, WakeUpListener } from '@jobistemer/test-kit'
import { WakeUps } from '../src/wake-ups.ts'
import { useServers } from './servers.ts'

const { start, client: admin, proxy: through, open, onClose } = useServers()

/** Returns a clock whose timers fire when the test calls `next`. */
function handClock(): { readonly clock: Clock; next(): void } {
  const waiting: (() => void)[] = []
  return {
    clock: {
      ...systemClock,
      setTimer(_delayMs, callback) {
        waiting.push(callback)
        return { cancel: () => waiting.splice(0, waiting.length, ...waiting.filter((other) => other !== callback)) }
      },
    },
    next: () => waiting.shift()?.(),
  }
}

describe('wake-ups of a Redis storage', () => {
  it('report new work, cancel requests and changed jobs only to connections that did not cause them', async () => {
    const { url } = await start()
    const [watched, other] = [open({ url }), open({ url })]
    const ears = new WakeUpListener(watched)
    await ears.next('jobs')
    const job = await addJob(other, 'alpha', 'queue')
    await ears.next('jobs')
    const waiting = [{ ...slotItem(job.id, 1), runs: null }]
    await other.createOccurrences({ now: slotAt(1), owner, items: waiting })
    await ears.next('due')
    await other.claim({ now: slotAt(1), owner, limit: 1, exceptHandlerKeys: [], sweep: false })
    const { id, jobId, scheduledAt } = slotItem(job.id, 1)
    const cancel = { id, jobId, scheduledAt, reason: 'stop', actor: null, mode: 'request' } as const
    await other.cancel({ now: slotAt(1), items: [cancel] })
    await ears.next('cancel')
    await addJob(watched, 'beta')
    await watched.createOccurrences({ now: slotAt(2), owner, items: [{ ...slotItem(job.id, 2), runs: null }] })
    await addJob(other, 'gamma')
    await ears.next('jobs')
    // Messages arrive in order. So a message about this storage's own changes would have arrived before the message `jobs`.
    expect(ears.heard).toEqual([])
  })

  it('are not sent for a slot that starts when it is created, or for the end of this slot', async () => {
    const { url } = await start()
    const storage = open({ url })
    const job = await addJob(storage, 'alpha')
    const messages: string[] = []
    const subscriber = admin(url)
    await subscriber.subscribe('{jobistemer}:wake-ups')
    const told = new Promise<void>((resolve) => {
      subscriber.on('message', (_channel: string, message: string) => {
        messages.push(message.split(' ')[0] as string)
        if (message.startsWith('jobs')) resolve()
      })
    })
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
    await storage.settle({ now: slotAt(1) + 20, items: [finishItem(job.id, 1)] })
    await addJob(storage, 'beta')
    await told
    expect(messages).toEqual(['jobs'])
  })

  it('of all kinds are sent after a lost connection, because the storage cannot know which wake-ups it missed', async () => {
    const server = await start()
    const proxy = await through(server)
    const ears = new WakeUpListener(open({ url: `redis://${proxy.host}:${proxy.port}` }))
    await ears.next('jobs')
    proxy.cut()
    await addJob(open({ url: server.url }), 'alpha')
    expect(ears.heard).toEqual([])
    proxy.heal()
    expect(await ears.next('jobs')).toEqual(['due', 'cancel', 'jobs', 'nodes'])
    await addJob(open({ url: server.url }), 'beta')
    expect(await ears.next('jobs')).toEqual(['jobs'])
  })

  it('stop when the last listener is removed, and start again when a listener is added', async () => {
    const { url } = await start()
    const storage = open({ url })
    const first = new WakeUpListener(storage)
    await first.next('jobs')
    first.stop()
    const second = new WakeUpListener(storage)
    await second.next('jobs')
    await addJob(open({ url }), 'alpha')
    await second.next('jobs')
    expect(first.heard).toEqual([])
  })

  it('resume after the listening connection silently stopped transferring data', async () => {
    const server = await start()
    const proxy = await through(server)
    const client = admin(`redis://${proxy.host}:${proxy.port}`)
    const { clock, next } = handClock()
    const wakeUps = new WakeUps(client, 'channel', 'me', clock)
    onClose(() => wakeUps.close())
    const ears = new WakeUpListener(wakeUps)
    await ears.next('nodes')
    proxy.freezeConnections()
    const direct = admin(server.url)
    await direct.publish('channel', 'due another')
    next()
    expect(ears.heard).toEqual([])
    next()
    expect(await ears.next('nodes')).toEqual(['due', 'cancel', 'jobs', 'nodes'])
    await direct.publish('channel', 'due another')
    expect(await ears.next('due')).toEqual(['due'])
  })

  it('keep their connection open while Redis answers on this connection', async () => {
    const { url } = await start()
    const { clock, next } = handClock()
    const wakeUps = new WakeUps(admin(url), 'channel', 'me', clock)
    onClose(() => wakeUps.close())
    const ears = new WakeUpListener(wakeUps)
    await ears.next('nodes')
    const other = admin(url)
    const listening = async () => /^id=\d+/.exec(String(await other.call('CLIENT', 'LIST', 'TYPE', 'pubsub')))?.[0]
    const before = await listening()
    for (let asked = 2; asked < 5; asked++) {
      next()
      const calls = new RegExp(`cmdstat_subscribe:calls=${asked},`)
      while (!calls.test(await other.info('commandstats')));
      // The server sends the answer to SUBSCRIBE before this message, over the listening connection. So after this
      // message, the answer has arrived.
      await other.publish('channel', 'due another')
      expect(await ears.next('due')).toEqual(['due'])
    }
    expect(await listening()).toBe(before)
  })
})
