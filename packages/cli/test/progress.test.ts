import { createClient, defineJob, silentLogger } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { expect, it } from 'vitest'
import { Printer } from '../src/output/printer.ts'
import { stylesOf } from '../src/output/styles.ts'
import { progressOf } from '../src/progress.ts'
import { useScratch } from './ledger.ts'
import { type RunOptions, runCli } from './run-cli.ts'

const scratch = useScratch()

/** Creates twenty jobs with the same owner tag, each with one ended run. */
async function twenty() {
  const { place, folder, storage } = scratch.empty()
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const client = createClient({ storage: storage(), clock, logger: silentLogger })
  const names = Array.from({ length: 20 }, (_, index) => `job-${index}`)
  await client.add(names.map((name) => defineJob({ name, owner: 'many', tasks: [{ name: 'a', handler: 'h' }] })))
  await Promise.all(names.map(async (name) => client.cancel((await client.trigger(name)).id)))
  await client.remove('job-19')
  await client.close()
  const ask = (argv: readonly string[], options: RunOptions = {}) =>
    runCli([...argv, '-s', place, '--yes'], { cwd: folder, ...options })
  return { ask }
}

it('prune shows a progress bar on a terminal and then removes the bar; prune also removes the history of deleted jobs', async () => {
  const { ask } = await twenty()
  const { code, out, err } = await ask(['prune', '--older-than', '1h'], { terminal: 80 })
  expect({ code, out }).toEqual({ code: 0, out: 'Removed 20 runs.\n' })
  expect(err).toContain('[##########----------] Pruned the history of jobs: 10 of 19')
  expect(err.endsWith('\r\u001b[K')).toBe(true)
})

it('pause shows its progress on a terminal and in a pipe, but shows none with the option --json', async () => {
  const { ask } = await twenty()
  expect((await ask(['pause', '--owner', 'many'], { terminal: 80 })).err).toBe('Pausing 19 jobs …\r\u001b[K')
  expect((await ask(['resume', '--owner', 'many'])).err).toBe('Resuming 19 jobs …\n')
  expect((await ask(['pause', '--owner', 'many', '--json'], { terminal: 80 })).err).toBe('')
  expect((await ask(['prune', '--older-than', '1h', '--json'], { terminal: 80 })).err).toBe('')
})

it('without a terminal, a command prints progress each 5 s for 20 items in 20 s, and prints none for 8 items in 8 s', () => {
  let written = ''
  let time = 0
  const stderr = { write: (text: string) => (written += text) }
  const err = new Printer(stderr, { isJson: false, styles: stylesOf(false) })
  const teller = { io: { stderr } as never, err, now: () => time }
  for (const total of [8, 20]) {
    const progress = progressOf(teller, { verb: 'Canceled', total })
    for (let done = 1; done <= total; done++) {
      time += 1000
      progress.show(done)
    }
    progress.end()
  }
  expect(written).toBe('Canceled 5 of 20\nCanceled 10 of 20\nCanceled 15 of 20\nCanceled 20 of 20\n')
})
