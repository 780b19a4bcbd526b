import { readdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A member of an interface or a class, as its type declaration shows it. */
interface Member {
  readonly name: string
  readonly isMethod: boolean
  readonly isDocumented: boolean
}

/** An exported declaration. */
export interface Declaration {
  readonly name: string
  /** `value` if the export exists at run time, otherwise `type`. */
  readonly kind: 'value' | 'type'
  readonly isDocumented: boolean
  readonly members: readonly Member[]
  /** Names of the types that the declaration extends or implements. */
  readonly parents: readonly string[]
  /** Names of other types of the package that the public signature of the declaration mentions. */
  readonly mentions: readonly string[]
  /** The `mentions` that occur only in the constructor of a class. */
  readonly constructorMentions: readonly string[]
}

/** An entry point of a package: its import specifier and its exports. */
export interface EntryPoint {
  readonly specifier: string
  readonly exports: readonly Declaration[]
}

/** The names that a module re-exports from another module; `all` stands for `export *`. */
interface Reexport {
  readonly names: readonly { readonly name: string; readonly isType: boolean }[] | 'all'
  readonly from: string
}

interface Module {
  /** All declarations of the module, exported or not. */
  readonly declarations: ReadonlyMap<string, Declaration>
  readonly exported: ReadonlySet<string>
  readonly reexports: readonly Reexport[]
}

const packages = fileURLToPath(new URL('../../../', import.meta.url))

/** Returns the entry points of a package in `packages/`; none for a private package. */
export function entryPointsOf(folder: string): readonly EntryPoint[] {
  const manifest = JSON.parse(readFileSync(`${packages}${folder}/package.json`, 'utf8'))
  if (manifest.private === true) return []
  return Object.entries<{ types: string }>(manifest.exports).map(([path, { types }]) => ({
    specifier: path === '.' ? manifest.name : `${manifest.name}${path.slice(1)}`,
    exports: exportsOf(resolve(packages, folder, types)),
  }))
}

/** Returns the folders of all published packages. */
export function publicPackages(): readonly string[] {
  return readdirSync(packages).filter((folder) => entryPointsOf(folder).length > 0)
}

function exportsOf(file: string): readonly Declaration[] {
  const { declarations, exported, reexports } = readModule(file)
  const own = [...exported].map((name) => declarations.get(name)).filter((found) => found !== undefined)
  const others = reexports.flatMap(({ names, from }) => {
    const there = exportsOf(resolve(dirname(file), from.replace(/\.[jt]s$/, '.d.ts')))
    return names === 'all' ? there : names.map((one) => namedIn(there, one, file))
  })
  return [...own, ...others]
}

function namedIn(
  declarations: readonly Declaration[],
  { name, isType }: { readonly name: string; readonly isType: boolean },
  file: string,
): Declaration {
  const found = declarations.find((declaration) => declaration.name === name)
  if (found === undefined) throw new Error(`${file} exports ${name}, which is nowhere declared`)
  if (!isType) return found
  // A user cannot call the constructor of a class that is exported only as a type. So the check ignores types that only this
  // constructor mentions.
  const { mentions, constructorMentions } = found
  return { ...found, kind: 'type', mentions: mentions.filter((mentioned) => !constructorMentions.includes(mentioned)) }
}

const modules = new Map<string, Module>()

function readModule(file: string): Module {
  const known = modules.get(file)
  if (known !== undefined) return known
  const text = readFileSync(file, 'utf8')
  const module = parseModule(text.split('\n'), mentionsIn(text))
  modules.set(file, module)
  return module
}

/**
 * Parses declaration files of the TypeScript compiler. Declarations start at the margin, and members are indented by four
 * spaces.
 */
function parseModule(lines: readonly string[], mentions: ReadonlyMap<string, Mentions>): Module {
  const declarations = new Map<string, Declaration & { members: Member[] }>()
  const exported = new Set<string>()
  const reexports: Reexport[] = []
  let isInComment = false
  let isDocumented = false
  let open: Member[] | null = null
  for (const line of lines) {
    if (isInComment || /^\s*\/\*\*/.test(line)) {
      isInComment = !line.includes('*/')
      isDocumented = true
      continue
    }
    const reexport = /^export (type )?(?:\{(.*)\}|\*) from '(.+)'/.exec(line)
    const declaration = /^(export )?(?:declare )?(?:abstract )?(interface|class|function|const|type) (\w+)/.exec(line)
    const [, namespace] = /^export \* as (\w+) from/.exec(line) ?? []
    const member = open === null ? null : memberOf(line, isDocumented)
    if (namespace !== undefined) {
      exported.add(namespace)
      const nothing = { members: [], parents: [], mentions: [], constructorMentions: [] }
      declarations.set(namespace, { name: namespace, kind: 'value', isDocumented, ...nothing })
    } else if (reexport !== null) {
      const [, type, names, from] = reexport
      reexports.push({ names: namesIn(names, type !== undefined), from: String(from) })
    } else if (declaration !== null) {
      const [, isExported, keyword, name] = declaration as unknown as [string, string?, string?, string?]
      if (isExported !== undefined) exported.add(String(name))
      const earlier = declarations.get(String(name))
      const members = earlier?.members ?? []
      declarations.set(String(name), {
        name: String(name),
        kind: keyword === 'interface' || keyword === 'type' ? 'type' : 'value',
        // If one overload of a function has a comment, this check regards the function as documented.
        isDocumented: isDocumented || earlier?.isDocumented === true,
        members,
        parents: parentsIn(line),
        ...(mentions.get(String(name)) ?? { mentions: [], constructorMentions: [] }),
      })
      open = keyword === 'interface' || keyword === 'class' ? members : null
    } else if (member !== null) open?.push(member)
    if (line.trim() !== '') isDocumented = false
  }
  return { declarations, exported, reexports }
}

function namesIn(list: string | undefined, areTypes: boolean): Reexport['names'] {
  if (list === undefined) return 'all'
  const names = list.split(',').map((name) => name.trim())
  return names
    .filter((name) => name !== '')
    .map((name) => ({ name: name.replace(/^type /, ''), isType: areTypes || name.startsWith('type ') }))
}

function parentsIn(line: string): readonly string[] {
  return [...line.matchAll(/(?:extends|implements|,) (\w+)/g)].map(([, name]) => String(name))
}

/**
 * Reads a member from a line. Returns `null` for members that need no comment: constructors, and members that a user cannot
 * access.
 */
function memberOf(line: string, isDocumented: boolean): Member | null {
  const pattern = /^ {4}((?:(?:static|readonly|abstract|protected|private|get|set) )*)(\[?[\w.]+\]?)\??([(<:;])/
  const [, modifiers = '', name = '', next] = pattern.exec(line) ?? []
  const isHidden = modifiers.includes('private') || (modifiers.includes('protected') && !modifiers.includes('abstract'))
  if (name === '' || name === 'constructor' || isHidden) return null
  return { name, isMethod: next !== ':' && next !== ';', isDocumented }
}

const heading = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|class|function|const|type) (\w+)/

type Mentions = Pick<Declaration, 'mentions' | 'constructorMentions'>

/** Returns the types that each declaration mentions, from the module itself and from its imports of the same package. */
function mentionsIn(text: string): ReadonlyMap<string, Mentions> {
  const code = text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    // In type declarations, a quoted word is a value and not the name of a type.
    .replaceAll(/(?<!from )'[^'\n]*'/g, "''")
    .replaceAll(/^ {4}(?:private|protected (?!abstract)).*$/gm, '')
  const known = new Set<string>()
  for (const [, names = ''] of code.matchAll(/^import (?:type )?\{([^}]*)\} from '\./gm)) {
    for (const name of names.split(',')) known.add(name.trim().replace(/^type /, ''))
  }
  const parts = code.split(/^(?=\w)/m).map((part) => ({ part, name: heading.exec(part)?.[1] }))
  for (const { name } of parts) if (name !== undefined) known.add(name)
  const found = new Map<string, Mentions>()
  for (const { part, name } of parts) {
    if (name === undefined) continue
    const namesOf = (piece: string) => {
      const words = [...piece.matchAll(/(?<![.\w])[A-Z]\w*/g)].map(([word]) => word)
      return words.filter((word) => word !== name && known.has(word))
    }
    const withoutConstructor = namesOf(part.replaceAll(/^ {4}constructor\(.*$/gm, ''))
    // Merges the mentions of a function's overloads, which are declarations of one name.
    const mentions = [...new Set([...(found.get(name)?.mentions ?? []), ...namesOf(part)])]
    found.set(name, { mentions, constructorMentions: mentions.filter((word) => !withoutConstructor.includes(word)) })
  }
  return found
}
