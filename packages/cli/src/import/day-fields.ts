/** The day fields of a cron expression, which are its third last and its last field. */
function dayFields(expression: string): readonly [string, string] {
  const [days = '', , weekdays = ''] = expression.trim().split(/\s+/).slice(-3)
  return [days, weekdays]
}

const singleWithStep = /(?<![\w/~-])([0-7]|sun|mon|tue|wed|thu|fri|sat)\/(\d+)/gi

/**
 * Writes a weekday with a step, such as `1/2`, with its end. cron-parser counts such a step up to 7, which is Sunday.
 * Jobistemer counts it up to 6.
 */
export function withWeekdayEnd(expression: string): string {
  return expression.replace(/[^\s]+$/, (weekdays) => weekdays.replace(singleWithStep, '$1-7/$2'))
}

const weekdayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const everyDay = /^(\*\/1|(1|1-31)\/1|1-31)$/
const everyWeekday = /^(\*\/1|([01]|0-[67]|1-7)\/1|0-[67]|1-7)$/

/** Returns a sentence about the parts of a cron expression that cron-parser may treat differently; `null` if there are none. */
export function differenceOfCronParser(expression: string): string | null {
  if (/(?<![A-Z])H(?![A-Z])/.test(expression))
    return 'cron-parser draws a number for H by itself. Jobistemer derives it from the name of the job.'
  const [days, weekdays] = dayFields(expression)
  const isUncertain =
    (everyDay.test(days) && !/^[*?]$/.test(weekdays)) || (everyWeekday.test(weekdays) && !/^[*?]$/.test(days))
  // cron-parser 4 adds Sunday to each range that ends with 7, whatever its step.
  const isSundayUncertain = [...withWeekdayEnd(weekdays).matchAll(/(\w+)-7\/(\d+)/g)].some(([, from = '', step]) => {
    const first = weekdayNames.indexOf(from.toLowerCase())
    const rest = 7 - (first === -1 ? Number(from) : first)
    return rest < 7 && rest % Number(step) !== 0
  })
  if (isSundayUncertain)
    return `Versions of cron-parser differ on Sunday for a step of weekdays: ${weekdays}. Check the days with --compare.`
  return isUncertain
    ? `Versions of cron-parser differ on a day field that lists every day: ${days} and ${weekdays}. Check the days with --compare, or write * for that field.`
    : null
}
