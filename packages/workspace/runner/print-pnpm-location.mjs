// Prints the location of pnpm's program file. npx starts this script with Node.js, and adds the requested pnpm to the PATH.
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const wanted = process.argv[2]

for (const folder of (process.env.PATH ?? '').split(delimiter)) {
  const pnpm = join(folder, '..', 'pnpm')
  if (!existsSync(join(pnpm, 'package.json'))) continue
  const { version, bin } = JSON.parse(readFileSync(join(pnpm, 'package.json'), 'utf8'))
  if (`pnpm@${version}` !== wanted) continue
  console.log(join(pnpm, bin.pnpm))
  process.exit(0)
}

console.error(`${wanted} is not on the PATH that npx has set.`)
process.exit(1)
