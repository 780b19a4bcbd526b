import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient, silentLogger } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { startCli, startShell } from './spawn-cli.ts'

const scratch = useScratch()
const sequence = '\u001b['

describe('the program as a process', () => {
  it('answers without colours in a pipe, with them where FORCE_COLOR asks for them', async () => {
    const { place } = await scratch.ledger()
    const plain = await startCli(['jobs', '-s', place]).ended
    expect(plain).toMatchObject({ code: 0, err: '' })
    expect(plain.out).not.toContain(sequence)
    const colored = await startCli(['jobs', '-s', place], { FORCE_COLOR: '1' }).ended
    expect(colored.out).toContain(`${sequence}33mpaused${sequence}39m`)
  })

  it('ends quietly when a pipe closes', async () => {
    const { place, storage } = await scratch.ledger()
    const client = createClient({ storage: storage(), logger: silentLogger })
    await client.triggerMany(Array.from({ length: 900 }, () => ({ job: 'import' })))
    await client.close()
    // More than a pipe holds.
    const { code, out, err } = await startShell(`jobistemer history import -n 1000 -s '${place}' | head -1`).ended
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^SCHEDULED .*\n$/)
  })

  it('loads the storage of the project that it is called in', async () => {
    const { folder, place } = await scratch.ledger()
    // A package of the same name in the project comes first.
    const own = join(folder, 'node_modules/@jobistemer/storage-sqlite')
    await startShell(`mkdir -p '${own}'`).ended
    writeFileSync(
      join(own, 'package.json'),
      '{ "name": "@jobistemer/storage-sqlite", "type": "module", "exports": "./index.js" }',
    )
    writeFileSync(
      join(own, 'index.js'),
      'export function sqliteStorage() { throw new Error("the one of the project") }',
    )
    const { err } = await startShell(`cd '${folder}' && jobistemer jobs -s '${place}'`).ended
    expect(err).toContain('the one of the project')
  })
})

// `script` of other systems takes other options; the code that it tests is the same there.
describe.runIf(process.platform === 'linux')('the program on a terminal', () => {
  it('has colours, and none with NO_COLOR; names from the storage do nothing', async () => {
    const { place } = await scratch.ledger()
    const colored = await startShell(`jobistemer jobs -s '${place}'`, { terminal: true }).ended
    expect(colored.out).toContain(`${sequence}33mpaused${sequence}39m`)
    expect(colored.out).toContain('evil\\x1b]0;owned\\x07\\x9b31m')
    const plain = await startShell(`jobistemer jobs -s '${place}'`, { terminal: true, env: { NO_COLOR: '1' } }).ended
    expect(plain.out).not.toContain(sequence)
  })

  it('asks before it cancels many, and exits with 130 when Ctrl-C answers', async () => {
    const { place } = await scratch.ledger()
    const line = `jobistemer cancel --job import -s '${place}'; echo "code $?"`
    const asked = startShell(line, { terminal: true })
    await shows(asked, '[y/N] ')
    asked.child.stdin?.write('y\n')
    await shows(asked, 'code ')
    expect((await asked.ended).out).toMatch(/3 canceled\r?\n.*code 0/)
    const { place: other } = await scratch.ledger()
    const stopped = startShell(line.replace(place, other), { terminal: true })
    await shows(stopped, '[y/N] ')
    stopped.child.stdin?.write('\u0003')
    expect((await stopped.ended).out).toContain('INTERRUPTED')
  })
})

async function shows(started: ReturnType<typeof startShell>, text: string): Promise<void> {
  if (started.out().includes(text)) return
  await new Promise<void>((resolve, reject) => {
    started.child.stdout?.on('data', () => {
      if (started.out().includes(text)) resolve()
    })
    started.child.on('close', () => reject(new Error(`It ended without ${JSON.stringify(text)}:\n${started.out()}`)))
  })
}
