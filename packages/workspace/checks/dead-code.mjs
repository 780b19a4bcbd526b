import { captureTool } from '../runner/pnpm.mjs'
import { check, complaint } from '../runner/outcome.mjs'

export const deadCode = check('dead exports and unused dependencies', async () =>
  complaint(
    await captureTool('knip', 'knip', [
      '--no-config-hints',
      ...['--directory', '../..', '--config', 'packages/workspace/knip.config.mjs'],
    ]),
  ),
)
