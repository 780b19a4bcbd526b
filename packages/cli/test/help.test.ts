import { expect, it } from 'vitest'
import { commandList } from '../src/command-list.ts'
import { exitCodeMeanings } from '../src/exit-codes.ts'
import { runCli } from './run-cli.ts'
import { startShell } from './spawn-cli.ts'

it.each(commandList)(
  'the help of $name has examples of the command, and the CLI accepts each of them',
  async ({ name, load }) => {
    const command = await load()
    const { code, out } = await runCli([name, '--help'])
    expect(code).toBe(0)
    expect(command.examples.length).toBeGreaterThan(0)
    for (const [line] of command.examples) {
      expect(line.split(' ')[0]).toBe(name)
      expect(out).toContain(`$ jobistemer ${line}`)
      for (const option of line.match(/(?<= )--[\w-]+/g) ?? []) expect(out, line).toContain(option)
    }
  },
)

it('jobistemer --help lists all commands and all exit codes', async () => {
  const { out } = await runCli(['--help'])
  for (const { name, summary } of commandList) expect(out).toMatch(new RegExp(`^  ${name} .*${summary}`, 'm'))
  for (const [code, meaning] of exitCodeMeanings) expect(out).toContain(`  ${String(code).padEnd(4)} ${meaning}`)
  expect((await runCli([], { isLocal: true })).out).toContain('Usage: jobistemer')
  expect((await runCli(['help', 'jobs'])).out).toContain('--owner')
})

it.each([
  [['jbos'], 'Did you mean jobs?'],
  [['jobs', '--onwer', 'a'], 'Did you mean --owner?'],
  [['--utc'], 'No command is given. (USAGE)'],
  [['job'], "Missing required argument 'name'"],
  [['job', 'a', 'b'], 'too many arguments'],
  [['jobs', '--limit', '0'], '--limit is not a whole number from 1 to 10000: "0"'],
  [['history', 'a', '--state', 'broken'], '--state is none: "broken"'],
  [['jobs', '--timeout', 'soon'], '--timeout is not a duration: "soon"'],
])('the invalid command line %j exits with 2, and the error says what to write instead', async (argv, hint) => {
  expect(await runCli(argv)).toEqual({
    code: 2,
    out: '',
    err: expect.stringMatching(new RegExp(hint.replace(/[?.()]/g, '\\$&'), 'i')),
  })
})

it('--json makes a command print its errors as JSON', async () => {
  const { code, err } = await runCli(['jobs', '--json', '-s', 'nowhere'])
  expect({ code, ...JSON.parse(err) }).toMatchObject({
    code: 2,
    error: { code: 'INVALID_STORAGE', field: '--storage', exitCode: 2 },
  })
})

/** Returns the script that `source <(jobistemer completion bash)` loads. */
const bashCompletion = async () => (await runCli(['completion', 'bash'])).out

it('bash completion offers commands, options and names of jobs', async () => {
  const complete = (...words: string[]) =>
    `COMP_WORDS=(jobistemer ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _jobistemer; echo "\${COMPREPLY[*]}"`
  const line = `${await bashCompletion()}
jobistemer() { printf 'nightly report\\nimport\\n'; }
${complete('ex')}
${complete('explain', '--deb')}
${complete('explain', 'im')}`
  expect(await startShell(line).ended).toEqual({ code: 0, out: 'explain\n--debug\nimport\n', err: '' })
})

it('bash completion quotes a job name that contains shell commands, and executes none of them', async () => {
  const line = `${await bashCompletion()}
jobistemer() { printf '%s\\n' '$(echo ran >&2)' "it's \\\`echo ran >&2\\\`" 'nightly report'; }
for word in '$' it nightly; do
  COMP_WORDS=(jobistemer job "$word"); COMP_CWORD=2; _jobistemer; printf '%s\\n' "\${COMPREPLY[@]}"
done`
  expect(await startShell(line).ended).toEqual({
    code: 0,
    out: "\\$\\(echo\\ ran\\ \\>\\&2\\)\nit\\'s\\ \\`echo\\ ran\\ \\>\\&2\\`\nnightly\\ report\n",
    err: '',
  })
})

it('bash completion puts -- before a job name that looks like an option', async () => {
  const complete = (...words: string[]) =>
    `COMP_WORDS=(jobistemer ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _jobistemer; printf '%s\\n' "\${COMPREPLY[@]}"`
  const line = `${await bashCompletion()}
jobistemer() { printf '%s\\n' --yes import; }
${complete('remove', '')}
${complete('remove', '--', '')}
${complete('remove', '--', '--y')}`
  expect(await startShell(line).ended).toEqual({ code: 0, out: '-- --yes\nimport\n--yes\nimport\n--yes\n', err: '' })
})

it.each([
  ['zsh', `compadd -Q -- "\${(@)\${(@q)dashed}/#/-- }"`],
  ['fish', `jobs --names --no-config --timeout 2s 2>/dev/null | string match -v -- '-*'`],
])('the completion for the shell %s offers a job name that looks like an option only after --', async (shell, line) => {
  expect((await runCli(['completion', shell])).out).toContain(line)
})

it('zsh completion works at its first use, which loads the completion function', async () => {
  const { out } = await runCli(['completion', 'zsh'])
  expect(out.trimEnd().split('\n').at(-1)).toMatch(
    /^if \[\[ "\$funcstack\[1\]" == _jobistemer \]\]; then _jobistemer "\$@"; /,
  )
})

it.each(['bash', 'zsh', 'fish'])('the completion for the shell %s contains all commands', async (shell) => {
  const { code, out } = await runCli(['completion', shell])
  expect(code).toBe(0)
  for (const { name } of commandList) expect(out).toContain(name)
  expect(await runCli(['completion', 'tcsh'])).toMatchObject({ code: 2 })
})
