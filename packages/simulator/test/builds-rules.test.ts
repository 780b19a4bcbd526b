import { jobId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'
import { expect, it } from 'vitest'
import { BuildModel } from '../src/checker/check-builds.ts'
import { History } from '../src/history/history.ts'

// Each test writes a history in which two builds define one job.

type Told = Parameters<History['add']>[1]

class Script {
  #seconds = 0
  readonly #history = new History(() => this.#seconds * 1000)

  wait(seconds: number): this {
    this.#seconds += seconds
    return this
  }

  add(life: string | null, event: Told): this {
    this.#history.add(life, event)
    return this
  }

  /** Records that a node of a build has started. */
  up(life: string, build: number, callEndsAt: number | null = null): this {
    return this.add(life, { kind: 'node.starting', node: life, build, heartbeatMs: 1000, deadAfterMs: 5000 })
      .add(life, { kind: 'heartbeat', incarnation: life, counter: 1, callEndsAt, leaving: false, ended: false })
      .add(life, { kind: 'node.up' })
  }

  beat(life: string): this {
    const counts = { counter: 2, callEndsAt: null, leaving: false, ended: false }
    return this.add(life, { kind: 'heartbeat', incarnation: life, ...counts })
  }

  /** Records that the storage has lost all node records. */
  lost(): this {
    return this.add(null, { kind: 'storage.forgot-nodes' })
  }

  saved(life: string, fingerprint: string, options: { updates?: string; setBackTo?: number } = {}): this {
    const { updates, setBackTo = null } = options
    const definition = updates === undefined ? {} : { updates }
    const head = { id: jobId('job'), fingerprint, definition } as unknown as JobRecord
    return this.add(life, { kind: 'job.saved', change: 'replace', head, canceled: [], starting: false, setBackTo })
  }

  removed(life: string): this {
    const head = { id: jobId('job'), fingerprint: 'any', definition: {} } as unknown as JobRecord
    return this.add(life, { kind: 'job.saved', change: 'delete', head, canceled: [], starting: false, setBackTo: null })
  }

  end(): string[] {
    this.add(null, { kind: 'phase', phase: 'shutdown' })
    const model = new BuildModel()
    for (const [index, event] of this.#history.events.entries()) model.follow(event, index)
    return model.violations.map(({ rule }) => rule)
  }
}

/** A history in which a newer build has replaced the definition of an older build. */
const deployed = () => new Script().up('old', 0).saved('old', 'v1').up('new', 1).saved('new', 'v2').up('other', 1)

it('the simulator accepts that the newer definition is in force while nodes of two builds live', () => {
  expect(deployed().end()).toEqual([])
})

it('the simulator reports the violation `flip back` if an older build restores its definition while a newer node lives', () => {
  expect(deployed().saved('old', 'v1').end()).toEqual(['flip back'])
})

it.each<[string, (script: Script) => Script]>([
  ['is shut down', (script) => script.add('new', { kind: 'node.stopping' })],
  ['died', (script) => script.add('new', { kind: 'node.crashed', where: 'here' })],
  ['was taken for dead', (script) => script.add('old', { kind: 'peer.lost', incarnation: 'new', silentForMs: 9 })],
])('the simulator accepts that an older build restores its definition when the newer build’s node %s', (_, go) => {
  expect(go(deployed()).saved('old', 'v1').end()).toEqual([])
})

// Seed 46 with `--calls` found this case: a `runDue` call was frozen until after the end of its budget. So other nodes had
// removed the node record of this call.
it('the simulator reports no `flip back` if the newer node is a runDue call without heartbeats for deadAfter', () => {
  const called = () => new Script().up('old', 0).saved('old', 'v1').up('call', 1, 3000).saved('call', 'v2')
  expect(called().wait(4).saved('old', 'v1').end()).toContain('flip back')
  expect(called().wait(6).saved('old', 'v1').end()).not.toContain('flip back')
})

it('the simulator assumes that a node knows a newer node only if the storage lost the newer node’s record after the node read it', () => {
  const lost = () => deployed().beat('old').lost()
  expect(lost().up('later', 0).saved('later', 'v1').end()).toEqual([])
  expect(lost().saved('old', 'v1').end()).toContain('flip back')
})

// Seed 1398 found this case: the storage lost the node records twice while one node was frozen.
it('the simulator does not expect a node to know a newer node whose record was missing at each of the node’s heartbeats', () => {
  const between = () => deployed().beat('old').lost().up('later', 0)
  expect(between().lost().saved('later', 'v1').end()).toEqual([])
  expect(between().beat('new').lost().saved('later', 'v1').end()).toEqual([])
  expect(between().lost().saved('old', 'v1').end()).toContain('flip back')
  expect(between().beat('new').beat('later').lost().saved('later', 'v1').end()).toContain('flip back')
  expect(between().beat('new').saved('later', 'v1').end()).toContain('flip back')
})

it('the simulator reports no `flip back` for an update by a user and for a realign', () => {
  expect(deployed().saved('old', 'v1', { updates: 'v2' }).end()).toEqual([])
  expect(deployed().saved('old', 'v2', { setBackTo: 7 }).end()).toEqual([])
})

it('the simulator reports a definition in force that is neither the only living build’s definition nor a user’s update of it', () => {
  const left = () => deployed().add('new', { kind: 'node.down' }).add('other', { kind: 'node.down' })
  expect(left().end()).toEqual(['in force'])
  expect(left().saved('old', 'v1').end()).toEqual([])
  expect(left().saved('old', 'v1').saved('old', 'mine', { updates: 'v1' }).end()).toEqual([])
  expect(left().saved('old', 'mine', { updates: 'v2' }).end()).toEqual(['in force'])
})

it('the simulator reports no `flip back` for the definition of a removed job', () => {
  expect(deployed().removed('old').saved('old', 'v1').end()).toEqual([])
})
