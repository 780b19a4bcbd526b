import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Child } from '../support/child-process.ts'
import { behaves, modules } from '../support/isolated-scene.ts'
import { gone, parentOf, stateOf } from '../support/living-process.ts'

const program = new URL('../fixtures/isolating-node.mjs', import.meta.url)

function node(argument: object): Child {
  return new Child(program, argument)
}

describe('a child process of an isolated task', () => {
  it('ends together with its subprocess when its node is killed while the handler loops', async () => {
    const killed = node({ module: behaves.href, data: { kind: 'starts' } })
    expect(await killed.next()).toBe('started')
    const [pid, grandchild] = String(await killed.next())
      .split(' ')
      .map(Number) as [number, number]
    expect([stateOf(pid), stateOf(grandchild)]).not.toContain(null)
    const starter = parentOf(pid)
    killed.kill('SIGKILL')
    await gone(pid)
    await gone(grandchild)
    await gone(starter)
  })

  it('ends when its node is killed while its module loops during the import', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-orphans-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const mark = join(folder, 'pid')
    const killed = node({ module: modules['loops-when-imported.mjs'].href, env: { MARK: mark } })
    while (!existsSync(mark) || readFileSync(mark, 'utf8') === '') await delay(10)
    const pid = Number(readFileSync(mark, 'utf8'))
    killed.kill('SIGKILL')
    await gone(pid)
  })

  it('ends when its node is killed while SIGSTOP has stopped the child process', async () => {
    const killed = node({ module: behaves.href, data: { kind: 'stopsItself' } })
    await killed.next()
    const pid = Number(await killed.next())
    while (!stateOf(pid)?.startsWith('T')) await delay(10)
    killed.kill('SIGKILL')
    await gone(pid)
  })

  it('ends together with its subprocess when its node and the starter process are killed', async () => {
    const killed = node({ module: behaves.href, data: { kind: 'starts' } })
    await killed.next()
    const [pid, grandchild] = String(await killed.next())
      .split(' ')
      .map(Number) as [number, number]
    // The starter is killed first, because a living starter would kill the child processes.
    process.kill(parentOf(pid), 'SIGKILL')
    killed.kill('SIGKILL')
    await gone(pid)
    await gone(grandchild)
  })

  it('ends when its node exits without a shutdown', async () => {
    const exiting = node({ module: behaves.href, data: { kind: 'starts' } })
    await exiting.next()
    const [pid] = String(await exiting.next())
      .split(' ')
      .map(Number) as [number]
    exiting.send('exit')
    await gone(pid)
  })
})
