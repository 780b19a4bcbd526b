// npm run changeset [-- OPTIONS]: runs the changesets command, for example `npm run changeset -- status`.
import { install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { runPnpm } from '../runner/pnpm.mjs'

await main(async (args) => {
  await install()
  return runPnpm(['exec', 'changeset', ...args])
})
