import { check } from '../runner/outcome.mjs'
import { proseFiles } from '../prose/prose-files.mjs'
import { readAccepted, readPhrases } from '../prose/tables.mjs'

/**
 * Maximum number of listed problems, because a longer list would hide the output of other checks. `npm run lint` lists
 * all problems.
 */
const mostListed = 100

export const prose = check('words of comments, documents, test titles and messages', async () => {
  const problems = await proseProblems()
  const rest = problems.length - mostListed
  if (rest > 0) problems.splice(mostListed, rest, `… and ${rest} more. \`npm run lint\` lists all of them.`)
  return problems.join('\n') || undefined
})

/**
 * Returns the uses of forbidden phrases, one line each. Without `paths`, also returns the rows of
 * `lint/accepted-phrases.tsv` that match no use.
 * @param {readonly string[]} [paths] files and folders, relative to the repository; default: all
 * @returns {Promise<string[]>}
 */
export async function proseProblems(paths = []) {
  // These modules need installed dependencies. The commands import all checks before the first install, so this
  // function loads the modules.
  const { describeFinding, findPhrases } = await import('../prose/find-phrases.mjs')
  const forbidden = readPhrases().filter(({ later }) => !later)
  const { findings, unused } = findPhrases(await proseFiles(paths), forbidden, readAccepted())
  const stale = unused.map(({ file, text }) => `lint/accepted-phrases.tsv: ${file} no longer holds "${text}".`)
  return [...findings.map(describeFinding), ...(paths.length > 0 ? [] : stale)]
}
