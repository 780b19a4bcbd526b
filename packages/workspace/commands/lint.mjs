// npm run lint [-- PATH…]: checks lint rules, format and forbidden phrases, and changes no files.
import { biomeSettings } from '../checks/lint.mjs'
import { proseProblems } from '../checks/prose.mjs'
import { install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { runPnpm } from '../runner/pnpm.mjs'

await main(async (paths) => {
  await install()
  const exitCode = await runPnpm(['exec', 'biome', 'check', ...biomeSettings, ...(paths.length > 0 ? paths : ['.'])])
  const problems = await proseProblems(paths)
  for (const problem of problems) console.log(problem)
  return problems.length > 0 ? 1 : exitCode
})
