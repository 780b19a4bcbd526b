import { readFileSync } from 'node:fs'
import { packagesFolder } from './pages.ts'

const directive = /^<!-- members of (\w+) in (\S+) -->$/gm

/**
 * Replaces each line `<!-- members of NAME in FILE -->` with a section for each member of the interface NAME in the source
 * FILE.
 */
export function withMembers(markdown: string): string {
  return markdown.replaceAll(directive, (_, name: string, file: string) =>
    membersOf(readFileSync(packagesFolder + file, 'utf8'), name)
      .map(({ member, type, text }) => `### ${member}\n\n${text}\n\n\`\`\`typescript\n${type}\n\`\`\``)
      .join('\n\n'),
  )
}

interface Member {
  readonly member: string
  /** The declaration of the member, as source text. */
  readonly type: string
  /** The text of the member's documentation comment. */
  readonly text: string
}

/**
 * Reads the members of an interface from a source. Requires the repository's format: members are indented by two
 * spaces.
 */
export function membersOf(source: string, name: string): readonly Member[] {
  const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(source)?.[1]
  if (body === undefined) throw new Error(`The source exports no interface ${name}.`)
  const members = [
    ...body.matchAll(
      /(?:^ {2}\/\*\*([\s\S]*?)\*\/\n)?^ {2}(?:readonly )?'?([\w.]+)'?\??(?=[:(<])[^\n]*(?:\n(?! {2}[\w'/]).*)*/gm,
    ),
  ]
  return members.map(([whole, comment = '', member = '']) => ({
    member,
    type: whole
      .replace(/^ *\/\*\*[\s\S]*?\*\/\n/, '')
      .replaceAll(/^ {2}/gm, '')
      .trim(),
    text: comment
      .replaceAll(/^ *\* ?/gm, '')
      .replaceAll(/\{@link (.+?)\}/g, '`$1`')
      .trim(),
  }))
}
