import ts from 'typescript-oldest'
import { hide, hideCodeSpans } from './hide.mjs'

/** @import { SourceFile, Node } from 'typescript-oldest' */

/**
 * Hides everything in a TypeScript or JavaScript source that is not prose. Prose is the text of comments, of JSX, and of
 * string and template literals with several words: test titles, messages, texts of the CLI and of the dashboard.
 * Successive `//` lines and the lines of a block comment form one text.
 * @param {string} path decides whether the source may hold JSX
 * @param {string} source
 * @returns {string} of the same length as the source, so that positions and lines are the same
 */
export function sourceProse(path, source) {
  let prose = ''
  for (const { start, end, text } of literalsOf(ts.createSourceFile(path, source, ts.ScriptTarget.Latest))) {
    prose += commentProse(source.slice(prose.length, start)) + literalProse(text)
    if (prose.length !== end) {
      throw new Error(`error of the prose linter: it found overlapping literals in ${path} at offset ${start}`)
    }
  }
  return prose + commentProse(source.slice(prose.length))
}

/**
 * Returns all literals of a source in its order. `//` and `/*` inside a literal begin no comment.
 * @param {SourceFile} tree
 */
export function literalsOf(tree) {
  /** @type {{ start: number, end: number, text: string }[]} */
  const found = []
  /** @param {Node} node */
  const visit = (node) => {
    // The parser creates empty nodes for syntax that it does not know.
    if (node.end === node.pos) return
    const start = ts.isJsxText(node) ? node.pos : node.getStart(tree)
    const text = tree.text.slice(start, node.end)
    if (ts.isRegularExpressionLiteral(node)) found.push({ start, end: node.end, text: hide(text) })
    else if (ts.isLiteralExpression(node) || ts.isJsxText(node) || isTemplatePart(node))
      found.push({ start, end: node.end, text })
    else ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

/**
 * Returns the comments of a source, including those of the Lua and SQL in its literals. Successive lines form one
 * comment.
 * @param {string} source
 * @param {readonly { start: number, end: number, text: string }[]} literals of the source, in its order
 * @returns {{ start: number, end: number, text: string }[]} with their text without decoration
 */
export function commentsIn(source, literals) {
  let code = source
  for (const { start, end, text } of literals) code = code.slice(0, start) + hide(text) + code.slice(end)
  const found = [...code.matchAll(/\/\/.*(?:\n[ \t]*\/\/.*)*|\/\*[\s\S]*?\*\//g)].map(({ 0: text, index }) => ({
    ...{ start: index, end: index + text.length, text: text.replace(/^\s*(\/\/+|\/\*+|\*(?!\/))|\*\/$/gm, '') },
  }))
  for (const { start, text } of literals.filter(({ text }) => text.includes('\n'))) {
    for (const { 0: comment, index } of text.matchAll(/^[ \t]*--(?![a-z]).*(?:\n[ \t]*--(?![a-z]).*)*/gm)) {
      const from = start + index
      found.push({ start: from, end: from + comment.length, text: comment.replace(/^[ \t]*--/gm, '') })
    }
  }
  return found
}

/** @param {Node} node */
function isTemplatePart(node) {
  return ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)
}

/**
 * Hides the parts of a literal that are not prose. A literal without white space is a name, a path or a key.
 * @param {string} literal with its delimiters
 */
function literalProse(literal) {
  const text = literal
    .replace(/\\[nrt]/g, '  ')
    .replace(/^(['"`}])/, hide)
    .replace(/(['"`]|\$\{)$/, hide)
  return /\S\s+\S/.test(text) ? text : hide(text)
}

/** Hides everything in a piece of code except the text of comments. @param {string} code a part of a source without literals */
function commentProse(code) {
  let prose = ''
  for (const { 0: comment, index } of code.matchAll(/\/\/.*|\/\*[\s\S]*?\*\//g)) {
    prose += hide(code.slice(prose.length, index)) + hideCodeSpans(undecorated(comment))
  }
  return prose + hide(code.slice(prose.length))
}

/** @param {string} comment */
function undecorated(comment) {
  if (comment.startsWith('//')) return comment.replace(/^\/\/+/, (marks) => ' '.repeat(marks.length))
  return comment.replace(/^\/\*+|\*\/$/g, hide).replace(/^(\s*)\*/gm, '$1 ')
}
