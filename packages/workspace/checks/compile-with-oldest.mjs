// node compile-with-oldest.mjs FILE: checks a file, and the declarations of this repository that it reaches, with the
// oldest supported TypeScript. Declarations of other projects are read but not checked, which halves the processor time.
import typescript from 'typescript-oldest'

const { ModuleKind, ModuleResolutionKind, ScriptTarget, createProgram, formatDiagnostics } = typescript
const file = String(process.argv[2])
const program = createProgram([file], {
  module: ModuleKind.CommonJS,
  moduleResolution: ModuleResolutionKind.Node10,
  target: ScriptTarget.ES2022,
  types: ['node'],
  strict: true,
  noEmit: true,
  skipLibCheck: false,
})
// The compiler resolves the links of the package manager, so only other projects have a path with `node_modules`.
const own = program.getSourceFiles().filter(({ fileName }) => fileName === file || !fileName.includes('/node_modules/'))
const problems = [
  ...program.getOptionsDiagnostics(),
  ...program.getGlobalDiagnostics(),
  ...own.flatMap((source) => [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]),
]
const host = { getCanonicalFileName: String, getCurrentDirectory: () => process.cwd(), getNewLine: () => '\n' }
if (own.length < 100) throw new Error(`Only ${own.length} declarations of this repository were found.`)
if (problems.length > 0) {
  console.error(formatDiagnostics(problems, host))
  process.exitCode = 1
}
