import type { Assets } from './assets.ts'
import type { Problem } from './problem.ts'
import type { Settings } from './read-options.ts'

/** The paths of the page: it shows by them what is wanted. */
export const pagePaths: readonly string[] = [
  '/',
  '/jobs',
  '/job',
  '/run',
  '/failures',
  '/late',
  '/queue',
  '/backfills',
  '/nodes',
  '/search',
]

/** The document that loads the page. */
export function pageDocument({ basePath, title }: Settings, { names }: Assets): Response {
  const at = (name: string): string => escaped(`${basePath}/assets/${name}`)
  return html(
    200,
    `<meta name="jobistemer-base" content="${escaped(basePath)}">
<meta name="jobistemer-title" content="${escaped(title)}">
<title>${escaped(title)}</title>
<link rel="icon" type="image/svg+xml" href="${at(names.icon)}">
<link rel="stylesheet" href="${at(names.style)}">
<script type="module" src="${at(names.script)}"></script>`,
    '<div id="app"></div><noscript><p>This dashboard needs JavaScript.</p></noscript>',
  )
}

/** What people see who are not let in. */
export function problemDocument({ status, code, message }: Problem, { title }: Settings): Response {
  const more: Readonly<Record<string, string>> = {
    CLOSED: 'Give createDashboard() an authorize function that says who may do what, or a token.',
    SIGN_IN: 'Whoever has started the dashboard has the link.',
    FORBIDDEN: 'Ask whoever looks after it.',
  }
  return html(
    status,
    `<title>${escaped(title)}</title>`,
    `<main><h1>${escaped(title)}</h1><p>${escaped(message)}</p><p>${escaped(more[code] ?? '')}</p></main>`,
  )
}

function html(status: number, head: string, body: string): Response {
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
${head}
</head>
<body>${body}</body>
</html>
`
  return new Response(text, { status, headers: { 'content-type': 'text/html; charset=utf-8' } })
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => entities[character] as string)
}
