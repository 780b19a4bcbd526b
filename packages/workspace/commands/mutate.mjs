// npm run mutate [-- OPTIONS]: installs, builds what the tests need, and measures which mutants the tests detect.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/mutation', script: 'mutate', args }))
