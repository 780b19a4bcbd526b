import { describe, expect, it } from 'vitest'
import { attemptTransitions, executionTransitions } from '../src/engine/execution/lifecycles.ts'

interface Edge {
  readonly from: string
  readonly event: string
  readonly to: string
}

function edgesOf(table: Readonly<Record<string, Readonly<Record<string, string>>>>): readonly Edge[] {
  return Object.entries(table).flatMap(([from, row]) => Object.entries(row).map(([event, to]) => ({ from, event, to })))
}

function reachable(edges: readonly Edge[], start: string): ReadonlySet<string> {
  const found = new Set([start])
  for (const state of found) for (const { from, to } of edges) if (from === state) found.add(to)
  return found
}

describe('the transition table of an attempt', () => {
  const edges = edgesOf(attemptTransitions)
  const states = Object.keys(attemptTransitions)

  it('has a path from the first state `none` to every state, and from every state to `none`', () => {
    expect([...reachable(edges, 'none')].sort()).toEqual([...states].sort())
    for (const state of states) expect(reachable(edges, state), state).toContain('none')
  })

  it('calls a handler only after the storage has acknowledged the attempt and its retry interval has passed', () => {
    // All paths through the state diagram from the first state to `running`, the state of a called handler. Each path is a list
    // of events. No path visits a state twice.
    const paths: (readonly string[])[] = []
    const walk = (state: string, seen: readonly string[], events: readonly string[]): void => {
      if (state === 'running') paths.push(events)
      else {
        for (const { from, event, to } of edges) {
          if (from === state && !seen.includes(to)) walk(to, [...seen, to], [...events, event])
        }
      }
    }
    walk('none', ['none'], [])
    expect(paths.map((events) => events.join(' ')).sort()).toEqual([
      'announce acknowledge call',
      'announce_early acknowledge due call',
      'announce_early due acknowledge call',
      'begin call',
    ])
  })

  it('leads from `running`, `stopping` and `deciding` to `none` only by the event `end`, even after an abort', () => {
    for (const called of ['running', 'stopping', 'deciding']) {
      const back = edges.filter(({ from, to }) => from === called && to === 'none')
      expect(back.map(({ event }) => event)).toEqual(['end'])
    }
  })
})

describe('the transition table of an execution', () => {
  const edges = edgesOf(executionTransitions)

  it('has a path from every phase to the phase `closed`, and no path from `closed` to another phase', () => {
    for (const phase of Object.keys(executionTransitions)) expect(reachable(edges, phase)).toContain('closed')
    expect([...reachable(edges, 'closed')]).toEqual(['closed'])
    expect([...reachable(edges, 'closing')].sort()).toEqual(['closed', 'closing'])
  })

  it('moves from `closing` to `closed` by the event `acknowledge`, and accepts this event in no other phase', () => {
    expect(edges.filter(({ event }) => event === 'acknowledge')).toEqual([
      { from: 'closing', event: 'acknowledge', to: 'closed' },
    ])
  })
})
