import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importModule } from '../../src/storage/import-module.ts'
import { useScratch } from '../ledger.ts'

const scratch = useScratch()

interface HandlerContext {
  readonly data: object
  readonly input?: unknown
  readonly signal: AbortSignal
}

/** The handler `crontab` of the document discards the output of its commands. The handler `mails` returns its job. */
type Handlers = Record<'crontab' | 'mails', (context: HandlerContext) => Promise<unknown>>

/** The documents that show the handlers of imported jobs, each with the heading above its example. */
const documents = [
  ['cli/docs/import.md', /^## Handlers$/],
  ['site/docs/move-from/import.md', /^## 3\. Register the handlers$/],
] as const

const { signal } = new AbortController()

describe.each(documents)('the handlers in %s', (path, heading) => {
  /** Returns the handlers of the document. */
  async function handlersOfDocument(): Promise<Handlers> {
    const document = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
    const example = new RegExp(`${heading.source}.*?^\`\`\`\\w+\\n(.*?)^\`\`\`$`, 'ms').exec(document)?.[1] as string
    const code = example
      .replace(/^import .* from '@jobistemer\/.*'$/gm, '')
      .replace("'inherit', 'inherit'", "'ignore', 'ignore'")
      .replace('console.log(job)', 'job')
    const stubs = 'const memoryStorage = () => null\nexport const createScheduler = (options) => options\n'
    const file = join(scratch.folder(), 'handlers.ts')
    writeFileSync(file, `${stubs}${code}\nexport const handlers = scheduler.handlers\n`)
    return (await importModule(file, 'FILE')).handlers as Handlers
  }

  it('the crontab handler passes standard input and environment to the command, and rejects if the command fails', async () => {
    const { crontab: handler } = await handlersOfDocument()
    const run = (command: string, data: object = {}) => handler({ data: { command, ...data }, signal })
    await run('test "$PLACE" = here && grep -q word', { stdin: 'a word\n', env: { PLACE: 'here' } })
    await run('true', { stdin: 'x'.repeat(1_000_000) })
    await expect(run('exit 3')).rejects.toThrow('exit code 3')
    await expect(run('kill -9 $$')).rejects.toThrow('SIGKILL')
    await expect(run('true', { env: { SHELL: '/none/sh' } })).rejects.toThrow('ENOENT')
  })

  it('the crontab handler runs a command with 2 MB of output, and does not block the event loop', async () => {
    const { crontab: handler } = await handlersOfDocument()
    let ticks = 0
    const timer = setInterval(() => (ticks += 1), 10)
    await handler({ data: { command: 'head -c 2000000 /dev/zero; sleep 0.3' }, signal })
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(5)
  })

  it('the crontab handler ends its command if the signal of the run is aborted', async () => {
    const { crontab: handler } = await handlersOfDocument()
    const controller = new AbortController()
    const running = handler({ data: { command: 'exec sleep 60' }, signal: controller.signal })
    controller.abort()
    await expect(running).rejects.toThrow('aborted')
  })

  it('the handler of a queue gets the data of a schedule for a slot, and never for a request', async () => {
    const { mails } = await handlersOfDocument()
    const data = { to: 'all' }
    expect(await mails({ data, signal })).toEqual(data)
    expect(await mails({ data, input: { to: 'joe' }, signal })).toEqual({ to: 'joe' })
    expect(await mails({ data, input: null, signal })).toEqual({})
  })
})
