// npm run demo [-- OPTIONS]: install, build what the demo needs, run it. With --ui it is the one that the dashboard shows.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) =>
  runPackageScript({
    path: args.includes('--ui') ? 'examples/busy-night' : 'examples/nightly-backup',
    script: 'demo',
    args,
  }),
)
