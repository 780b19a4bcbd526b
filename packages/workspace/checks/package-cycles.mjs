import { check } from '../runner/outcome.mjs'
import { workspaceDependencies, workspacePackages } from '../runner/packages.mjs'

export const packageCycles = check('dependency cycles between packages', async () => {
  const dependencies = new Map(workspacePackages().map(({ name, manifest }) => [name, workspaceDependencies(manifest)]))
  const cycle = findCycle(dependencies)
  return cycle && `${cycle.join(' → ')}\nDevelopment dependencies count: a package is built after them.`
})

/**
 * @param {ReadonlyMap<string, readonly string[]>} edges
 * @returns {string[] | undefined} one cycle, its first node again at the end
 */
export function findCycle(edges) {
  /** @type {Set<string>} */
  const finished = new Set()
  /** @type {string[]} */
  const path = []
  /**
   * @param {string} node
   * @returns {string[] | undefined}
   */
  const visit = (node) => {
    if (finished.has(node)) return undefined
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node]
    path.push(node)
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next)
      if (cycle) return cycle
    }
    path.pop()
    finished.add(node)
    return undefined
  }
  for (const node of edges.keys()) {
    const cycle = visit(node)
    if (cycle) return cycle
  }
  return undefined
}
