import { capturePnpm } from '../runner/pnpm.mjs'
import { check, complaint } from '../runner/outcome.mjs'

/** The arguments that make biome use the settings of this repository. */
export const biomeSettings = ['--config-path=packages/workspace', '--error-on-warnings']

export const lint = check('lint and format', async () =>
  complaint(await capturePnpm(['exec', 'biome', 'check', ...biomeSettings, '--max-diagnostics=100', '.'])),
)
