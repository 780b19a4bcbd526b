import { startPgBouncer } from '@jobistemer/test-servers'
import pg from 'pg'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { earOfPool } from '../src/ear.ts'
import { channelOf } from '../src/wake-ups.ts'
import { addJob, finishItem, owner, slotAt, slotItem, WakeUpListener } from '@jobistemer/test-kit'
import { useSchemas } from './schemas.ts'

const { connection, open, pool, proxy, query, schema: newSchema } = useSchemas()

const everyKind = ['due', 'cancel', 'jobs', 'nodes']

describe('wake-ups of a PostgreSQL storage', () => {
  it('report new work, cancel requests and changed jobs only to connections that did not cause them', async () => {
    const schema = newSchema()
    const [watched, other] = [open({ pool: pool(), schema }), open({ pool: pool(), schema })]
    const ears = new WakeUpListener(watched)
    expect(await ears.next('nodes')).toEqual(everyKind)
    const job = await addJob(other, 'alpha', 'queue')
    await ears.next('jobs')
    await other.createOccurrences({ now: slotAt(1), owner, items: [{ ...slotItem(job.id, 1), runs: null }] })
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
    // Notifications arrive in the order in which they were sent. The notification of the other storage has arrived. So no
    // earlier notification of this storage can still arrive.
    expect(ears.heard).toEqual([])
  })

  it('do not arrive for changes in another schema', async () => {
    const [mine, another] = [newSchema(), newSchema()]
    const ears = new WakeUpListener(open({ pool: pool(), schema: mine }))
    await ears.next('nodes')
    await addJob(open({ pool: pool(), schema: another }), 'alpha')
    await addJob(open({ pool: pool(), schema: mine }), 'beta')
    expect(await ears.next('jobs')).toEqual(['jobs'])
  })

  it('are not sent for a slot that starts when it is created, or for the end of this slot', async () => {
    const schema = newSchema()
    const storage = open({ pool: pool(), schema })
    const job = await addJob(storage, 'alpha')
    const client = await connection()
    const messages: (string | undefined)[] = []
    const told = new Promise<void>((resolve) => {
      client.on('notification', ({ payload }) => {
        messages.push(payload?.split(' ').slice(1).join(' '))
        if (payload?.endsWith('jobs')) resolve()
      })
    })
    await client.query(`LISTEN ${channelOf(schema)}`)
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
    await storage.settle({ now: slotAt(1) + 20, items: [finishItem(job.id, 1)] })
    await addJob(storage, 'beta')
    await told
    expect(messages).toEqual(['jobs'])
  })

  it('of all kinds are sent after a lost connection, because the storage cannot know which wake-ups it missed', async () => {
    const schema = newSchema()
    const far = await proxy()
    const ears = new WakeUpListener(open({ pool: pool({ connectionString: far.url }), schema }))
    await ears.next('nodes')
    far.cut()
    await addJob(open({ pool: pool(), schema }), 'alpha')
    expect(ears.heard).toEqual([])
    far.heal()
    expect(await ears.next('nodes')).toEqual(everyKind)
    await addJob(open({ pool: pool(), schema }), 'beta')
    expect(await ears.next('jobs')).toEqual(['jobs'])
  })

  it('resume after the server has terminated the listening connection', async () => {
    const schema = newSchema()
    const ears = new WakeUpListener(open({ pool: pool(), schema }))
    await ears.next('nodes')
    const ended = await query('SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity WHERE query = $1', [
      `LISTEN "${channelOf(schema)}"`,
    ])
    expect(ended).toEqual([{ ended: true }])
    expect(await ears.next('nodes')).toEqual(everyKind)
  })

  it('use a connection that the server’s idle_session_timeout does not end', async () => {
    const schema = newSchema()
    const hasty = pool({ options: '-c idle_session_timeout=1s', max: 1 })
    const ears = new WakeUpListener(open({ pool: hasty, schema }))
    await ears.next('nodes')
    // Proves that the idle timeout takes effect: the server ends an idle connection of another pool that has the same
    // timeout.
    const idle = pool({ options: '-c idle_session_timeout=1s', max: 1 })
    await idle.query('SELECT 1')
    await expect.poll(() => idle.totalCount, { timeout: 20_000 }).toBe(0)
    const listening = await query('SELECT FROM pg_stat_activity WHERE query = $1', [`LISTEN "${channelOf(schema)}"`])
    expect(listening).toHaveLength(1)
    await addJob(open({ pool: pool(), schema }), 'alpha')
    // After a reconnect, listeners would receive wake-ups of all kinds. Only the kind `jobs` arrives, so the storage still uses
    // the same listening connection.
    expect(await ears.next('jobs')).toEqual(['jobs'])
  })

  it('stop when the last listener is removed, and the listening connection is then closed', async () => {
    const schema = newSchema()
    const listening = async () =>
      await query('SELECT count(*)::int AS count FROM pg_stat_activity WHERE query = $1', [
        `LISTEN "${channelOf(schema)}"`,
      ])
    const ears = new WakeUpListener(open({ pool: pool(), schema }))
    await ears.next('nodes')
    expect(await listening()).toEqual([{ count: 1 }])
    ears.stop()
    await expect.poll(listening).toEqual([{ count: 0 }])
  })

  it('leave no LISTEN in a connection that PgBouncer shares, after the listening connection was closed', async () => {
    const bouncer = await startPgBouncer({ to: inject('postgres'), config: { default_pool_size: '1' } })
    onTestFinished(() => bouncer.stop())
    const through = new pg.Pool({ connectionString: bouncer.url })
    onTestFinished(() => through.end())
    const ear = await earOfPool(through)?.(
      'channel',
      () => {},
      () => {},
    )
    await ear?.close()
    const channels = async () => (await through.query('SELECT pg_listening_channels()')).rows
    await expect.poll(channels).toEqual([])
  })

  it('do not wait for the server when the listening connection is closed', async () => {
    const channel = newSchema()
    const ear = await earOfPool(pool())?.(
      channel,
      () => {},
      () => {},
    )
    const backends = await query('SELECT pid FROM pg_stat_activity WHERE query = $1', [`LISTEN "${channel}"`])
    const [backend] = backends as [{ readonly pid: number }]
    process.kill(backend.pid, 'SIGSTOP')
    onTestFinished(() => void process.kill(backend.pid, 'SIGCONT'))
    await expect(ear?.close()).resolves.toBeUndefined()
  })

  it('cause one warning if they do not arrive, and the calls of the storage still work', async () => {
    const bouncer = await startPgBouncer({ to: inject('postgres'), poolMode: 'transaction' })
    onTestFinished(() => bouncer.stop())
    const schema = newSchema()
    let warned: (message: string) => void = () => {}
    const warning = new Promise<string>((resolve) => {
      warned = resolve
    })
    const logger = { warn: (_: unknown, message?: string) => warned(String(message)) }
    const storage = open({ pool: pool({ connectionString: bouncer.url }), schema, logger })
    const ears = new WakeUpListener(storage)
    expect(await warning).toMatch(/wake-ups do not arrive/)
    const { id } = await addJob(storage, 'alpha')
    expect(await storage.get({ jobs: [id] })).toMatchObject({ jobs: [{ id }] })
    expect(ears.heard).toEqual([])
    // Closes the storage before the pooler stops, because the storage's pool is connected to the pooler.
    await storage.close()
  })

  it('resume if the connection is lost before its first notification has arrived', async () => {
    const { schema, deaf, listening } = await openDeaf()
    await expect.poll(listening).toHaveLength(1)
    deaf.isDeaf = false
    const [first] = await listening()
    await query('SELECT pg_terminate_backend($1)', [first?.pid])
    const other = open({ pool: pool(), schema })
    let added = 0
    await expect
      .poll(async () => {
        await addJob(other, `job-${added++}`)
        return deaf.heard
      })
      .toContain('jobs')
  })

  it('that do not arrive make the storage open a new listening connection at most once a minute', {
    timeout: 60_000,
  }, async () => {
    const { deaf, warnings } = await openDeaf()
    await expect.poll(() => warnings).toHaveLength(1)
    // The storage itself has closed the listening connection. If the storage treated this close as a lost connection,
    // it would connect and warn again within 5 s.
    await new Promise((resolve) => setTimeout(resolve, 6000))
    expect([deaf.connections, warnings.length]).toEqual([1, 1])
  })
})

/** Opens a storage that listens, but receives no notifications while `deaf` is set. */
async function openDeaf() {
  const schema = newSchema()
  const deaf = { isDeaf: true, connections: 0, heard: [] as string[] }
  class DeafClient extends pg.Client {
    override on(event: string, listener: (...given: never[]) => void): this {
      if (event !== 'notification') return super.on(event as 'end', listener as () => void)
      deaf.connections++
      return super.on('notification', (message) => {
        if (!deaf.isDeaf) listener(message as never)
      })
    }
  }
  const own = pool()
  Object.defineProperty(own, 'Client', { value: DeafClient })
  const warnings: unknown[] = []
  const storage = open({ pool: own, schema, logger: { warn: (fields: unknown) => warnings.push(fields) } })
  await storage.serverTime?.()
  storage.subscribe?.(({ kind }) => deaf.heard.push(kind))
  const listening = async () =>
    await query(`SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND query LIKE $1`, [
      `%${channelOf(schema)}%`,
    ])
  return { schema, deaf, warnings, listening }
}
