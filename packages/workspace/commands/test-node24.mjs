// npm run test:node24 [-- NAME…]: runs the tests of core, tickers and storages (or of the named packages) under Node
// 24. They run in a copy of the working tree with native addons for that version, so that the working tree stays
// unchanged.
import { main } from '../runner/command.mjs'
import { node24 } from '../runner/node24.mjs'
import { runInForeground } from '../runner/run-process.mjs'
import { withWorkspaceCopy } from '../runner/workspace-copy.mjs'

await main(async (names) => {
  const { program, env } = await node24()
  const chosen = names.length > 0 ? names : ['core', 'storage-', 'ticker-']
  return withWorkspaceCopy((folder) =>
    runInForeground(program, ['packages/workspace/commands/test.mjs', ...chosen], { cwd: folder, env }),
  )
})
