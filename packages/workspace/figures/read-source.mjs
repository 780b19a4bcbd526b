import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import ts from 'typescript-oldest'

/**
 * A TypeScript file, as far as the figures need it.
 * @typedef {object} Source
 * @property {string} file absolute
 * @property {readonly string[]} codeLines the trimmed lines of code, without blank lines and comments
 * @property {readonly string[]} imports the absolute paths of the files that it imports or re-exports, types included
 * @property {readonly string[]} numericConstants the names of its top-level constants whose value is a number
 * @property {(name: string) => readonly string[]} membersOf the names of an interface's members; empty if the file does
 * not declare the interface
 * @property {(word: string) => boolean} knows whether a word occurs in its code, in any case, as part of names too
 */

/** The read files by path. Several tests and figures read the same adapters. @type {Map<string, Source>} */
const known = new Map()

/**
 * Reads all TypeScript files of a folder, or one file, in the order of their paths.
 * @param {string} place absolute path
 * @returns {Source[]}
 */
export function readSources(place) {
  if (statSync(place).isFile()) return [readSource(place)]
  return readdirSync(place, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') || path.endsWith('.tsx'))
    .sort()
    .map((path) => readSource(join(place, path)))
}

/** @param {string} file @returns {Source} */
function readSource(file) {
  const source = known.get(file) ?? parseSource(file)
  known.set(file, source)
  return source
}

/** @param {string} file @returns {Source} */
function parseSource(file) {
  const text = readFileSync(file, 'utf8')
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const codeLines = linesOfCode(tree)
  const code = codeLines.join('\n').toLowerCase()
  return {
    file,
    codeLines,
    imports: ts
      .preProcessFile(text)
      .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
      .map(({ fileName }) => resolve(dirname(file), fileName)),
    numericConstants: numericConstantsOf(tree),
    membersOf: (name) =>
      tree.statements
        .filter(ts.isInterfaceDeclaration)
        .filter((statement) => statement.name.text === name)
        .flatMap(({ members }) => members.map((member) => member.name?.getText() ?? '')),
    knows: (word) => code.includes(word),
  }
}

/**
 * Returns the lines of code: lines that hold a token. Lua and SQL code is in template literals, in which a line that begins
 * with `--` is a comment.
 * @param {ts.SourceFile} tree
 */
function linesOfCode(tree) {
  /** @type {Set<number>} */
  const numbers = new Set()
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isJSDoc(node)) return
    const children = node.getChildren(tree)
    for (const child of children) visit(child)
    if (children.length > 0 || node.getWidth(tree) === 0) return
    const last = tree.getLineAndCharacterOfPosition(node.getEnd()).line
    for (let line = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line; line <= last; line++)
      numbers.add(line)
  }
  visit(tree)
  return tree.text
    .split('\n')
    .filter((_, line) => numbers.has(line))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('--'))
}

/** @param {ts.SourceFile} tree */
function numericConstantsOf(tree) {
  /** @type {string[]} */
  const names = []
  /** @param {ts.Expression | undefined} value @returns {boolean} */
  const isNumber = (value) => {
    if (value === undefined) return false
    if (ts.isNumericLiteral(value)) return true
    if (ts.isIdentifier(value)) return names.includes(value.text)
    if (ts.isParenthesizedExpression(value)) return isNumber(value.expression)
    if (ts.isPrefixUnaryExpression(value)) return isNumber(value.operand)
    return ts.isBinaryExpression(value) && (isNumber(value.left) || isNumber(value.right))
  }
  for (const statement of tree.statements) {
    if (!ts.isVariableStatement(statement) || !(statement.declarationList.flags & ts.NodeFlags.Const)) continue
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (isNumber(initializer)) names.push(name.getText(tree))
    }
  }
  return names
}
