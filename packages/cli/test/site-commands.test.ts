import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { runCli } from './run-cli.ts'

const folder = new URL('../../site/docs/', import.meta.url)
const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'))

/** Collects each command line of the documentation pages, with its page. */
const shown = pages.flatMap((page) =>
  [...readFileSync(new URL(page, folder), 'utf8').matchAll(/(?:^|`|npx |&& )jobistemer ([a-z-]+[^`\n]*)/gm)].map(
    ([, line = '']) => ({ page, line: line.replace(/\s+[#|<>].*$/, '') }),
  ),
)

it('the documentation site shows only CLI commands and options that exist', async () => {
  expect(shown.length).toBeGreaterThan(40)
  const help = new Map<string, string>()
  const wrong: string[] = []
  for (const { page, line } of shown) {
    const [command = '', ...words] = line.split(/\s+/)
    if (!help.has(command)) help.set(command, (await runCli([command, '--help'])).out)
    const text = help.get(command) ?? ''
    const options = words.filter((word) => /^--?[a-z]/.test(word))
    const isKnown = text.startsWith(`Usage: jobistemer ${command} `)
    if (!isKnown || options.some((option) => !new RegExp(`[ ,]${option}[ ,\\n]`).test(text)))
      wrong.push(`${page}: ${line}`)
  }
  expect(wrong).toEqual([])
})
