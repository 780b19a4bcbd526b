/** Stands for a hidden character. No phrase extends over it. */
const hidden = '\0'

/** @param {string} text @returns {string} the text with each character hidden, except white space */
export function hide(text) {
  return text.replace(/\S/g, hidden)
}

/**
 * Hides quoted code: names and quotations in backticks.
 * @param {string} text
 */
export function hideCodeSpans(text) {
  return text.replace(/(`+)[^`\n]+\1/g, (span) => hidden.repeat(span.length))
}
