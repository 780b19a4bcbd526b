// npm run build [-- NAME…]: install and build every package, or the named ones with all that they depend on.
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { runSteps } from '../runner/run-steps.mjs'

await main(async (names) => {
  await install()
  const [outcome] = await runSteps([build(names)], { concurrency: 1 })
  return outcome?.failed === 0 ? 0 : 1
})
