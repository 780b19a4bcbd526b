import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const sources = fileURLToPath(new URL('../src', import.meta.url))
const engine = resolve(sources, 'engine')
const map = readFileSync(new URL('../docs/engine.md', import.meta.url), 'utf8')

/**
 * Returns the name of the folder below `engine` that contains a file. Returns `engine` for a file that lies directly in
 * `engine`, such as the files that assemble the layers.
 */
function roomOf(file: string): string {
  const [first = '', ...rest] = relative(engine, file).split(sep)
  return rest.length === 0 ? 'engine' : first
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, path]) => path as string)
}

/** The layers of core. A file imports from its own layer and from earlier layers. */
const layers = [
  'protocol',
  'runtime',
  'storage-access',
  'time',
  'cluster',
  'definitions',
  'execution',
  'scheduling',
  'maintenance',
  'api',
] as const

/** The layer of each file or folder below `src`. The entry of a file takes precedence over that of its folder. */
const layerOfPath: Readonly<Record<string, (typeof layers)[number]>> = {
  // Files and folders without an entry belong to `protocol`, such as definitions of jobs, records and rules.
  '': 'protocol',
  isolated: 'execution',
  'isolated/programs.ts': 'protocol',
  'create-client.ts': 'api',
  'create-scheduler.ts': 'api',
  'index.ts': 'api',
  'job-operations.ts': 'api',
  'occurrence.ts': 'api',
  'run-due.ts': 'api',
  'scheduler-options.ts': 'api',
  'scheduler.ts': 'api',
  testing: 'api',
  'ticker.ts': 'api',
  engine: 'api',
  'engine/runtime': 'runtime',
  'engine/storage-access': 'storage-access',
  'engine/time': 'time',
  'engine/cluster': 'cluster',
  'engine/definitions': 'definitions',
  'engine/execution': 'execution',
  'engine/scheduling': 'scheduling',
  'engine/maintenance': 'maintenance',
  'engine/api': 'api',
}

/** Returns the layer of a file. `path` is relative to `src`, with forward slashes. */
function layerOf(path: string): (typeof layers)[number] {
  return layerOfPath[path] ?? layerOf(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
}

function pathOf(file: string): string {
  return relative(sources, file).replaceAll(sep, '/')
}

/** Returns the imports that lead from a layer to a later layer. */
function importsOfLaterLayers(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  return [...graph].flatMap(([from, targets]) =>
    [...targets]
      .filter((to) => layers.indexOf(layerOf(to)) > layers.indexOf(layerOf(from)))
      .map((to) => `${layerOf(from)} imports ${layerOf(to)}: ${from} -> ${to}`),
  )
}

/** The imports between the source files of core, by the importing file. Imports of types are included. */
const imports: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => resolve(sources, path))
    .map((file) => [file, new Set(importsOf(readFileSync(file, 'utf8')).map((to) => resolve(dirname(file), to)))]),
)

/** Returns for each folder below `engine` the other folders below `engine` from which its files import. */
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

/** Returns a path from a vertex of the graph back to the same vertex; `null` if the graph has no cycle. */
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
  it('have no cyclic imports, not even imports of types', () => {
    expect(imports.size).toBeGreaterThan(100)
    expect(findCircle(imports)?.map(pathOf) ?? null).toBeNull()
  })

  it('import nothing from a later layer, not even types', () => {
    const paths = [...imports].map(([file, targets]) => [pathOf(file), new Set([...targets].map(pathOf))] as const)
    expect(importsOfLaterLayers(new Map(paths))).toEqual([])
  })

  it('make this check fail if one of them imports from a later layer', () => {
    const graph = new Map([
      ['engine/time/now.ts', new Set(['engine/cluster/peers.ts', 'engine/runtime/agenda.ts', 'ids.ts'])],
    ])
    expect(importsOfLaterLayers(graph)).toEqual(['time imports cluster: engine/time/now.ts -> engine/cluster/peers.ts'])
  })

  it('include each folder that the table of layers names', () => {
    expect(Object.keys(layerOfPath).filter((path) => !existsSync(resolve(sources, path)))).toEqual([])
  })
})

describe('the layers of the engine', () => {
  const rooms = arrows()

  it('have no cyclic imports', () => {
    expect(rooms.size).toBeGreaterThan(5)
    expect(findCircle(rooms)).toBeNull()
  })

  it('do not import the files that assemble them', () => {
    expect([...rooms].filter(([, targets]) => targets.has('engine'))).toEqual([])
  })

  it('are listed in the table of engine.md, with their imports', () => {
    const drawn = [...map.matchAll(/^\| `([\w-]+)\/` \|.*\|([^|]*)\|$/gm)].map(([, room, targets = '']) => [
      room,
      [...targets.matchAll(/`([\w-]+)`/g)].map(([, target]) => target).sort(),
    ])
    const built = [...rooms].filter(([room]) => room !== 'engine').map(([room, targets]) => [room, [...targets].sort()])
    expect(Object.fromEntries(drawn)).toEqual(Object.fromEntries(built))
  })

  it('make this check fail if they have cyclic imports', () => {
    const circle = new Map([
      ['a', new Set(['b'])],
      ['b', new Set(['c'])],
      ['c', new Set(['b'])],
    ])
    expect(findCircle(circle)).toEqual(['b', 'c', 'b'])
  })
})
