/** The character that replaces hidden text. A phrase never matches across this character. */
const hidden = '\0'

/**
 * Replaces each character of a text, except white space, by the character that stands for hidden text. @param {string} text
 * @returns {string}
 */
export function hide(text) {
  return text.replace(/\S/g, hidden)
}

/**
 * Hides code spans: names and quotations in backticks.
 * @param {string} text
 */
export function hideCodeSpans(text) {
  return text.replace(/(`+)[^`\n]+\1/g, (span) => hidden.repeat(span.length))
}
