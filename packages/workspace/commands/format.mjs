// npm run format [-- PATH…]: formats files, and applies the lint fixes that cannot change behavior.
import { biomeSettings } from '../checks/lint.mjs'
import { install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { runPnpm } from '../runner/pnpm.mjs'

await main(async (paths) => {
  await install()
  return runPnpm(['exec', 'biome', 'check', '--write', ...biomeSettings, ...(paths.length > 0 ? paths : ['.'])])
})
