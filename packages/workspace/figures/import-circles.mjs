/**
 * Returns the groups of files that import one another in a circle: the strongly connected components with several
 * files.
 * @param {ReadonlyMap<string, readonly string[]>} imports each file, with the files that it imports
 * @returns {string[][]} each circle's files, in the order of their names
 */
export function importCircles(imports) {
  /** @type {Map<string, number>} */
  const visited = new Map()
  /**
   * @type {Map<string, number>} For each visited file, the lowest visit number among the files that it reaches by
   * imports.
   */
  const reaches = new Map()
  /** @type {string[]} */
  const open = []
  /** @type {string[][]} */
  const circles = []
  /** @param {string} file */
  const visit = (file) => {
    const number = visited.size
    visited.set(file, number)
    reaches.set(file, number)
    open.push(file)
    for (const target of imports.get(file) ?? []) {
      if (!visited.has(target)) visit(target)
      if (open.includes(target)) reaches.set(file, Math.min(Number(reaches.get(file)), Number(reaches.get(target))))
    }
    if (reaches.get(file) !== number) return
    const group = open.splice(open.indexOf(file))
    if (group.length > 1) circles.push(group.sort())
  }
  for (const file of imports.keys()) if (!visited.has(file)) visit(file)
  return circles
}
