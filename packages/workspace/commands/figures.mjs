// npm run figures [-- --phrases]: counts properties of the sources and their texts, and prints each figure beside its
// target. npm run figures -- --draw SEED: prints 100 texts for a reader who did not write them.
import { proseFiles } from '../prose/prose-files.mjs'
import { readPhrases } from '../prose/tables.mjs'
import { install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { root } from '../runner/repository.mjs'

await main(async (options) => {
  await install()
  // These modules are loaded here, because they need the dependencies that `install` has just installed.
  const { countFigures } = await import('../figures/figures.mjs')
  const { countProseFigures } = await import('../figures/prose-figures.mjs')
  const { describeFinding } = await import('../prose/find-phrases.mjs')
  const [option, seed] = options
  if (option === '--draw') {
    const { describeText, drawTexts } = await import('../figures/draw-texts.mjs')
    if (seed === undefined) throw new Error('Name a seed: npm run figures -- --draw SEED')
    for (const text of drawTexts(await proseFiles(), seed)) console.log(describeText(text))
    return 0
  }
  const prose = countProseFigures(await proseFiles(), readPhrases())
  for (const { name, value, target } of [...countFigures(root), ...prose.figures]) {
    const shown = [value, target].map((number) => number.toLocaleString('en').padStart(7))
    console.log(`${name.padEnd(42)}${shown[0]} of${shown[1]}${value > target ? '  too many' : ''}`)
  }
  if (options.includes('--phrases')) for (const finding of prose.findings) console.log(describeFinding(finding))
  return 0
})
