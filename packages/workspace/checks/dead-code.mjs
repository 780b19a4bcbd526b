import { capturePnpm } from '../runner/pnpm.mjs'
import { check, complaint } from '../runner/outcome.mjs'

export const deadCode = check('dead exports and unused dependencies', async () =>
  complaint(
    await capturePnpm([
      '--dir',
      'packages/workspace',
      'exec',
      'knip',
      '--no-config-hints',
      '--directory',
      '../..',
      '--config',
      'packages/workspace/knip.config.mjs',
    ]),
  ),
)
