import { describe, expect, it } from 'vitest'
import { EventHub, type SchedulerEvents } from '../src/events.ts'
import { silentLogger } from '../src/logger.ts'

const started: SchedulerEvents['scheduler.started'] = { node: 'a', jobs: 2 }

describe('an event of a scheduler', () => {
  it('reaches every listener of its name, in the order in which the listeners were added', () => {
    const hub = new EventHub(silentLogger)
    const heard: unknown[] = []
    hub.on('scheduler.started', (event) => heard.push(['first', event]))
    hub.on('scheduler.started', (event) => heard.push(['second', event]))
    hub.on('scheduler.stopped', (event) => heard.push(['other', event]))
    hub.emit('scheduler.started', started)
    expect(heard).toEqual([
      ['first', started],
      ['second', started],
    ])
  })

  it('does not reach a removed listener, and a second removal of the same listener has no effect', () => {
    const hub = new EventHub(silentLogger)
    const heard: string[] = []
    const off = hub.on('scheduler.started', () => heard.push('gone'))
    hub.on('scheduler.started', () => heard.push('there'))
    off()
    off()
    hub.emit('scheduler.started', started)
    expect(heard).toEqual(['there'])
  })

  it('makes `hears` return true only while a listener of its name exists', () => {
    const hub = new EventHub(silentLogger)
    expect(hub.hears('scheduler.started')).toBe(false)
    const off = hub.on('scheduler.started', () => undefined)
    expect(hub.hears('scheduler.started')).toBe(true)
    expect(hub.hears('scheduler.stopped')).toBe(false)
    off()
    expect(hub.hears('scheduler.started')).toBe(false)
  })

  it('reaches the listeners that existed when it was emitted, even if a listener adds or removes listeners', () => {
    const hub = new EventHub(silentLogger)
    const heard: string[] = []
    const off = hub.on('scheduler.started', () => {
      heard.push('first')
      off()
      hub.on('scheduler.started', () => heard.push('late'))
    })
    hub.on('scheduler.started', () => heard.push('second'))
    hub.emit('scheduler.started', started)
    expect(heard).toEqual(['first', 'second'])
  })
})

/** Returns how many array elements spreads, `for` loops and `filter` visit while `work` runs. This is the cost of `work`. */
function visitedElements(work: () => void): number {
  let visited = 0
  const { filter, values } = Array.prototype
  const replace = (replaced: { filter: unknown; iterator: unknown }): void => {
    Object.defineProperty(Array.prototype, 'filter', { value: replaced.filter, configurable: true, writable: true })
    const iterator = { value: replaced.iterator, configurable: true, writable: true }
    Object.defineProperty(Array.prototype, Symbol.iterator, iterator)
  }
  replace({
    filter(this: unknown[], ...args: Parameters<typeof filter>) {
      visited += this.length
      return filter.apply(this, args)
    },
    iterator(this: unknown[]) {
      visited += this.length
      return values.call(this)
    },
  })
  try {
    work()
  } finally {
    replace({ filter, iterator: values })
  }
  return visited
}

describe('20,000 listeners of one event', () => {
  it('are added, called and removed without copying the list of listeners each time', () => {
    const hub = new EventHub(silentLogger)
    let calls = 0
    const visited = visitedElements(() => {
      const removals = Array.from({ length: 20_000 }, () => hub.on('scheduler.started', () => calls++))
      hub.emit('scheduler.started', started)
      for (const remove of removals) remove()
    })
    expect(calls).toBe(20_000)
    expect(hub.hears('scheduler.started')).toBe(false)
    // The emission visits each of the 20,000 listeners once, and the removal of a listener visits it once more.
    expect(visited).toBeLessThanOrEqual(40_000)
  })

  it('are removed one by one, even if they are the same function', () => {
    const hub = new EventHub(silentLogger)
    let calls = 0
    const listener = () => calls++
    const remove = hub.on('scheduler.started', listener)
    hub.on('scheduler.started', listener)
    remove()
    remove()
    hub.emit('scheduler.started', started)
    expect(calls).toBe(1)
  })
})

describe('an event listener that throws', () => {
  it('is reported as hook.failed, and affects neither the emitter nor other listeners', () => {
    const hub = new EventHub(silentLogger)
    const error = new Error('no')
    const heard: unknown[] = []
    hub.on('hook.failed', (event) => heard.push(event))
    hub.on('scheduler.started', () => {
      throw error
    })
    hub.on('scheduler.started', () => heard.push('second'))
    hub.emit('scheduler.started', started)
    expect(heard).toEqual([{ hook: 'listener of scheduler.started', error, jobName: null }, 'second'])
  })

  it('is not reported if it is a listener of hook.failed itself', () => {
    const hub = new EventHub(silentLogger)
    let calls = 0
    hub.on('hook.failed', () => {
      calls++
      throw new Error('no')
    })
    hub.emit('hook.failed', { hook: 'onStart', error: null, jobName: null })
    expect(calls).toBe(1)
  })

  it('is reported as hook.failed also if it rejects asynchronously', async () => {
    const hub = new EventHub(silentLogger)
    const error = new Error('no')
    const heard = new Promise((resolve) => hub.on('hook.failed', resolve))
    hub.on('scheduler.started', async () => {
      throw error
    })
    hub.emit('scheduler.started', started)
    expect(await heard).toEqual({ hook: 'listener of scheduler.started', error, jobName: null })
  })
})
