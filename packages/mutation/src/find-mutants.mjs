import { parse } from 'acorn'
import { full } from 'acorn-walk'

/**
 * A mutant: one changed guard of a module.
 * @typedef {object} Mutant
 * @property {number} start the index at which the replaced text begins
 * @property {number} end
 * @property {string} replacement
 * @property {number} line the line in the given code, from 1
 */

const comparisons = new Map([
  ['<', ['<=', '>=']],
  ['<=', ['<', '>']],
  ['>', ['>=', '<=']],
  ['>=', ['>', '<']],
  ['===', ['!==']],
  ['!==', ['===']],
])

/**
 * Returns the mutants of a module's guards: conditions that always or never hold, comparisons with the bound included or
 * excluded, and removed operands of `&&`, `||` and `??`.
 * @param {string} code @returns {Mutant[]}
 */
export function findMutants(code) {
  /** @type {Mutant[]} */
  const mutants = []
  /** @param {any} node @param {string} replacement */
  const add = (node, replacement) => {
    const { line } = node.loc.start
    mutants.push({ start: node.start, end: node.end, replacement, line })
  }
  /** @param {any} node */
  const text = (node) => code.slice(node.start, node.end)
  full(parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true }), (/** @type {any} */ node) => {
    const { type, test, operator, left, right } = node
    const decides = type === 'IfStatement' || type === 'ConditionalExpression'
    // A comparison has mutants of its operator, so it needs no mutants `true` and `false`. A loop whose condition is always
    // `true` would run until the timeout, so the condition gets no mutant `true`.
    if (decides && !isComparison(test)) for (const value of ['true', 'false']) add(test, value)
    if ((type === 'WhileStatement' || type === 'DoWhileStatement') && test.type !== 'Literal') add(test, 'false')
    if (type === 'LogicalExpression') {
      add(node, `(${text(left)})`)
      add(node, `(${text(right)})`)
    }
    if (type === 'BinaryExpression') {
      for (const other of comparisons.get(operator) ?? []) add(node, `(${text(left)} ${other} ${text(right)})`)
    }
  })
  return mutants
}

/** @param {any} node */
function isComparison(node) {
  return node.type === 'BinaryExpression' && comparisons.has(node.operator)
}
