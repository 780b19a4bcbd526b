import { createHash } from 'node:crypto'
import ts from 'typescript-oldest'
import { isDocument } from '../prose/prose-files.mjs'
import { sentencesOf } from '../prose/sentences.mjs'
import { commentsIn, literalsOf } from '../prose/source-prose.mjs'

/** @import { ProseFile } from '../prose/find-phrases.mjs' */

/**
 * A text of the repository that a reader judges.
 * @typedef {object} Text
 * @property {'comment' | 'title' | 'message' | 'sentence'} kind
 * @property {string} path
 * @property {number} line counted from 1
 * @property {string} text on one line; a title follows the titles of its groups
 * @property {string} beneath the first line of code after a comment, the line of code that holds a message; else empty
 */

/** @type {Record<Text['kind'], number>} */
const sampleSizes = { comment: 40, title: 20, message: 20, sentence: 20 }
const shortestComment = 4

/**
 * Draws a sample of texts by a seed. The order of two texts depends only on the seed, and on the paths and words of these
 * two texts.
 * @param {readonly ProseFile[]} files
 * @param {string} seed
 * @returns {Text[]} comments first, then test titles, messages, and sentences of documents
 */
export function drawTexts(files, seed) {
  const ranked = files
    .flatMap((file) => (file.path.endsWith('.md') ? documentTexts(file) : sourceTexts(file)))
    .map((text) => ({ text, rank: createHash('sha256').update(`${seed} ${text.path} ${text.text}`).digest('hex') }))
    .sort((first, second) => (first.rank < second.rank ? -1 : 1))
  return Object.entries(sampleSizes).flatMap(([kind, size]) =>
    ranked
      .filter(({ text }) => text.kind === kind)
      .slice(0, size)
      .map(({ text }) => text),
  )
}

/** Formats a text for a reader, with its kind, its place and the next line. @param {Text} text @returns {string} */
export function describeText({ kind, path, line, text, beneath }) {
  return `${kind} ${path}:${line}\n  ${text}${beneath === '' ? '' : `\n  | ${beneath}`}`
}

/** @param {ProseFile} file @returns {Text[]} */
function documentTexts(file) {
  if (!isDocument(file)) return []
  return sentencesOf(file.text).map(({ start, text }) => ({
    ...{ kind: 'sentence', path: file.path, line: lineAt(file.text, start), text, beneath: '' },
  }))
}

/** @param {ProseFile} file @returns {Text[]} */
function sourceTexts({ path, text: source }) {
  const tree = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true)
  const lines = source.split('\n')
  /** @type {Text[]} */
  const texts = []
  /** @type {(kind: Text['kind'], start: number, text: string, beneath?: string) => void} */
  const add = (kind, start, text, beneath = '') =>
    texts.push({ kind, path, line: lineAt(source, start), text: text.replace(/\s+/g, ' ').trim(), beneath })
  for (const { start, end, text } of commentsIn(source, literalsOf(tree))) {
    const prose = text.replace(/@\w+ (\{.*\})?/g, '')
    if ((prose.match(/[\p{L}]{2,}/gu) ?? []).length < shortestComment) continue
    const [own = ''] = (lines[lineAt(source, start) - 1] ?? '').split(/\/\/|\/\*|--/)
    const below = lines.slice(lineAt(source, end)).find((line) => !/^\s*($|\/[/*]|--)/.test(line))
    add('comment', start, text, own.trim() || below?.trim())
  }
  /** @param {ts.Node} node @param {string} groups */
  const visit = (node, groups) => {
    const title = ts.isCallExpression(node) && /^(describe|it|test)\b/.test(node.expression.getText(tree))
    const first = title ? node.arguments[0] : undefined
    let inner = groups
    if (first !== undefined && ts.isStringLiteralLike(first)) {
      if (node.getText(tree).startsWith('describe')) inner = `${groups}${first.text} › `
      else add('title', first.getStart(tree), groups + first.text)
    }
    if (isMessage(node) && !/(^|\/)test\//.test(path))
      add('message', node.getStart(tree), node.getText(tree), lines[lineAt(source, node.getStart(tree)) - 1]?.trim())
    ts.forEachChild(node, (child) => visit(child, inner))
  }
  visit(tree, '')
  return texts
}

/**
 * Returns whether the node is a literal of several words in a log line or in an error.
 * @param {ts.Node} node
 * @returns {boolean}
 */
function isMessage(node) {
  if (!ts.isStringLiteralLike(node) && !ts.isTemplateExpression(node)) return false
  const { parent } = node
  if (!/\S\s\S/.test(node.getText())) return false
  if (ts.isNewExpression(parent)) return parent.expression.getText().endsWith('Error')
  return ts.isCallExpression(parent) && /\b(debug|info|warn|error)$/.test(parent.expression.getText())
}

/** @param {string} text @param {number} position */
function lineAt(text, position) {
  return text.slice(0, position).split('\n').length
}
