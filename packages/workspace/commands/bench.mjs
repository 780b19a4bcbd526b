// npm run bench [-- OPTIONS]: install, build what the benchmarks need, run them.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/benchmarks', script: 'bench', args }))
