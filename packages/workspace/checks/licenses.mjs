import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { capturePnpm } from '../runner/pnpm.mjs'

/** Licenses of dependencies that an MIT package may have, because they require nothing beyond a notice. */
const accepted = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
])

export const licenses = check('licenses of published dependencies', async () => {
  const filters = workspacePackages()
    .filter(({ publishable }) => publishable)
    .flatMap(({ name }) => ['--filter', name])
  const listed = await capturePnpm([...filters, 'licenses', 'list', '--prod', '--json'])
  return complaint(listed) ?? unacceptable(JSON.parse(listed.output))
})

/**
 * @param {Record<string, readonly { name: string }[]>} byLicense
 * @returns {string | undefined}
 */
export function unacceptable(byLicense) {
  const lines = Object.entries(byLicense)
    .filter(([license]) => !license.split(/ OR |[()]/).some((one) => accepted.has(one)))
    .map(([license, packages]) => `${license}: ${packages.map(({ name }) => name).join(', ')}`)
  return lines.join('\n') || undefined
}
