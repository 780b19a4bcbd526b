// npm run lint [-- PATH…]: checks lint rules and format, and writes nothing.
import { biomeSettings } from '../checks/lint.mjs'
import { install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { runPnpm } from '../runner/pnpm.mjs'

await main(async (paths) => {
  await install()
  return runPnpm(['exec', 'biome', 'check', ...biomeSettings, ...(paths.length > 0 ? paths : ['.'])])
})
