import { storedForms, storedFormTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { useServers } from './servers.ts'

const folder = new URL('./fixtures/stored-forms/', import.meta.url)
const { start, client, open } = useServers()

it.each(storedForms(folder))('the jobs in Redis data of Jobistemer %s still run', async (version) => {
  const { url } = await start()
  const admin = client(url)
  /** Returns the command that stores the value of a key, as bytes: the name of the command and its arguments. */
  async function commandOf(key: Buffer): Promise<readonly Buffer[]> {
    const type = await admin.type(key)
    if (type === 'string') return [Buffer.from('SET'), key, (await admin.getBuffer(key)) as Buffer]
    if (type === 'set') return [Buffer.from('SADD'), key, ...(await admin.smembersBuffer(key))]
    if (type === 'hash') {
      return [Buffer.from('HSET'), key, ...((await admin.callBuffer('HGETALL', key)) as Buffer[])]
    }
    if (type !== 'zset') throw new Error(`No command stores a value of the type ${type}.`)
    const members = await admin.zrangeBuffer(key, '0', '-1')
    const scores = await Promise.all(members.map((member) => admin.zscoreBuffer(key, member)))
    const pairs = members.flatMap((member, index) => [scores[index] ?? Buffer.alloc(0), member])
    return [Buffer.from('ZADD'), key, ...pairs]
  }
  const newDatabase = () => ({
    connect: () => open({ url }),
    async save() {
      const commands = []
      for (const key of (await admin.keysBuffer('*')).sort(Buffer.compare)) commands.push(await commandOf(key))
      return JSON.stringify(commands.map((command) => command.map((part) => part.toString('latin1'))))
    },
    async load(data: string) {
      await admin.flushall()
      for (const command of JSON.parse(data) as string[][]) {
        const [name = '', ...parts] = command
        await admin.call(name, ...parts.map((part) => Buffer.from(part, 'latin1')))
      }
    },
  })
  await expect(storedFormTrial(folder, version, newDatabase)).resolves.toBeUndefined()
})
