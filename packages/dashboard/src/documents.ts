import type { Assets } from './assets.ts'
import type { Problem } from './problem.ts'
import type { Settings } from './read-options.ts'

/** The paths of the dashboard's page. Each path shows one view. */
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

/** Returns the HTML document that loads the page's script and style sheet. */
export function pageDocument(settings: Settings, assets: Assets): Response {
  const { basePath, title } = settings
  return html(
    200,
    `<meta name="jobistemer-base" content="${escaped(basePath)}">
<meta name="jobistemer-title" content="${escaped(title)}">
${headOf(settings, assets)}
<script type="module" src="${escaped(`${basePath}/assets/${assets.names.script}`)}"></script>`,
    '<div id="app"></div><noscript><p>This dashboard needs JavaScript.</p></noscript>',
  )
}

/**
 * Returns the HTML document for a user without the right `open`. With the option `token`, the document contains the
 * sign-in form.
 */
export function problemDocument(problem: Problem, settings: Settings, assets: Assets): Response {
  const { status, code, message } = problem
  const { title } = settings
  const isSignIn = code === 'SIGN_IN' || code === 'WRONG_TOKEN'
  const more: Readonly<Record<string, string>> = {
    FORBIDDEN: 'Ask the administrator of this dashboard for the right.',
  }
  const text =
    code === 'SIGN_IN' ? '' : `<p${isSignIn ? ' class="form-error" role="alert"' : ''}>${escaped(message)}</p>`
  const note = more[code] === undefined ? '' : `<p class="quiet">${escaped(more[code])}</p>`
  return html(
    status,
    headOf(settings, assets),
    `<main class="gate card"><h1>${escaped(title)}</h1>${text}${note}${isSignIn ? signInForm : ''}</main>`,
  )
}

/** The form has no `action`, so that browsers send it to the address that the user has opened. */
const signInForm = `<form class="form" method="post">
<div class="field">
<label for="token">Token</label>
<input id="token" name="token" type="password" required autofocus autocomplete="current-password">
<p class="hint">The option <code>token</code> of this dashboard. Its administrator has it.</p>
</div>
<div class="form-foot"><button type="submit" class="button primary">Sign in</button></div>
</form>`

function headOf({ basePath, title }: Settings, { names }: Assets): string {
  const at = (name: string): string => escaped(`${basePath}/assets/${name}`)
  return `<title>${escaped(title)}</title>
<link rel="icon" type="image/svg+xml" href="${at(names.icon)}">
<link rel="stylesheet" href="${at(names.style)}">`
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
