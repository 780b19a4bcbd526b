// npm run build [-- NAME…]: install and build every package, or the named ones with all that they depend on.
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'

await main(async (names) => {
  await install()
  await build(names)
  return 0
})
