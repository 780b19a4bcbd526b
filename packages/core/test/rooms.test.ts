import { readdirSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const sources = fileURLToPath(new URL('../src', import.meta.url))
const engine = resolve(sources, 'engine')
const map = readFileSync(new URL('../docs/engine.md', import.meta.url), 'utf8')

/** The folder of a file below the engine's own; `engine` for those that put the rooms together. */
function roomOf(file: string): string {
  const [first = '', ...rest] = relative(engine, file).split(sep)
  return rest.length === 0 ? 'engine' : first
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, path]) => path as string)
}

/** Each source file of core, with the source files that it imports, those that it imports types from included. */
const imports: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => resolve(sources, path))
    .map((file) => [file, new Set(importsOf(readFileSync(file, 'utf8')).map((to) => resolve(dirname(file), to)))]),
)

/** Each room, with the rooms that its files import from. */
function arrows(): ReadonlyMap<string, ReadonlySet<string>> {
  const rooms = new Map<string, Set<string>>()
  for (const [file, imported] of imports) {
    if (!file.startsWith(engine + sep)) continue
    const room = roomOf(file)
    const targets = rooms.get(room) ?? new Set()
    rooms.set(room, targets)
    for (const target of imported) {
      if (target.startsWith(engine + sep) && roomOf(target) !== room) targets.add(roomOf(target))
    }
  }
  return rooms
}

/** A way from a node of the graph back to itself; `null` when there is none. */
function findCircle(graph: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | null {
  const onNoCircle = new Set<string>()
  const visit = (node: string, way: readonly string[]): readonly string[] | null => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node]
    if (onNoCircle.has(node)) return null
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...way, node])
      if (circle !== null) return circle
    }
    onNoCircle.add(node)
    return null
  }
  for (const node of graph.keys()) {
    const circle = visit(node, [])
    if (circle !== null) return circle
  }
  return null
}

describe('the source files of core', () => {
  it('import one another without a circle, types included', () => {
    expect(imports.size).toBeGreaterThan(100)
    expect(findCircle(imports)?.map((file) => relative(sources, file)) ?? null).toBeNull()
  })
})

describe('the rooms of the engine', () => {
  const rooms = arrows()

  it('import one another without a circle', () => {
    expect(rooms.size).toBeGreaterThan(5)
    expect(findCircle(rooms)).toBeNull()
  })

  it('know nothing of what puts them together', () => {
    expect([...rooms].filter(([, targets]) => targets.has('engine'))).toEqual([])
  })

  it('are drawn on the map, with their arrows', () => {
    const drawn = [...map.matchAll(/^\| `(\w+)\/` \|.*\|([^|]*)\|$/gm)].map(([, room, targets = '']) => [
      room,
      [...targets.matchAll(/`(\w+)`/g)].map(([, target]) => target).sort(),
    ])
    const built = [...rooms].filter(([room]) => room !== 'engine').map(([room, targets]) => [room, [...targets].sort()])
    expect(Object.fromEntries(drawn)).toEqual(Object.fromEntries(built))
  })

  it('would not pass with a circle', () => {
    const circle = new Map([
      ['a', new Set(['b'])],
      ['b', new Set(['c'])],
      ['c', new Set(['b'])],
    ])
    expect(findCircle(circle)).toEqual(['b', 'c', 'b'])
  })
})
