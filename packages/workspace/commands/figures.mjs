// npm run figures: counts the sizes of the sources, and prints them beside their targets.
import { countFigures } from '../figures/figures.mjs'
import { install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { root } from '../runner/repository.mjs'

await main(async () => {
  await install()
  for (const { name, value, target } of countFigures(root)) {
    const shown = [value, target].map((number) => number.toLocaleString('en').padStart(7))
    console.log(`${name.padEnd(42)}${shown[0]} of${shown[1]}${value > target ? '  too many' : ''}`)
  }
  return 0
})
