// npm run mutate [-- OPTIONS]: install, build everything that tests need, measure the tests.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/mutation', script: 'mutate', args }))
