import { simulate } from './simulate.ts'

// npm run simulate -- [options]

const report = await simulate({ seed: Number(process.argv[2] ?? 1) })
console.log(report.violations)
process.exitCode = report.violations.length > 0 ? 1 : 0
