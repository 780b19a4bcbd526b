/**
 * Returns the largest number of successive lines that two groups of files have in common.
 * @param {readonly (readonly (readonly string[])[])[]} groups of files, each as its lines
 */
export function longestEqualRun(groups) {
  let shared = 0
  let unshared = 1
  while (shareRun(groups, unshared)) [shared, unshared] = [unshared, 2 * unshared]
  while (unshared - shared > 1) {
    const middle = Math.floor((shared + unshared) / 2)
    if (shareRun(groups, middle)) shared = middle
    else unshared = middle
  }
  return shared
}

/** @param {readonly (readonly (readonly string[])[])[]} groups @param {number} length */
function shareRun(groups, length) {
  /** @type {Map<string, number>} */
  const groupOfRun = new Map()
  return groups.some((files, group) =>
    files.some((lines) =>
      lines.slice(length - 1).some((_, start) => {
        const run = lines.slice(start, start + length).join('\n')
        const other = groupOfRun.get(run)
        groupOfRun.set(run, other ?? group)
        return other !== undefined && other !== group
      }),
    ),
  )
}
