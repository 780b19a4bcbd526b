// npm run bench [-- OPTIONS]: installs, builds what the benchmarks need, and runs them.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/benchmarks', script: 'bench', args }))
