import { Problem } from './problem.ts'

/** A header that no page of another origin can send without asking first, and nobody is ever told that it may. */
const actingHeader = 'x-jobistemer'

/**
 * Refuses what a page of another origin sends, or makes a browser send. Documents may be opened from anywhere: links are
 * shared.
 * @throws Problem 403
 */
export function refuseOtherOrigins(
  request: Request,
  url: URL,
  { origins, isDocument }: { readonly origins: ReadonlySet<string>; readonly isDocument: boolean },
): void {
  const site = request.headers.get('sec-fetch-site')
  const origin = request.headers.get('origin')
  if (isDocument && (request.method === 'GET' || request.method === 'HEAD')) return
  const isKnown = origin !== null && origins.has(origin)
  if (origin !== null && !isKnown && !isOfHost(origin, request.headers.get('host') ?? url.host)) throw foreign()
  if (site !== null && site !== 'same-origin' && site !== 'none' && !isKnown) throw foreign()
}

/** @throws Problem 403, 415 */
export function refuseForms(request: Request): void {
  if (request.headers.get(actingHeader) === null) {
    throw new Problem(403, 'HEADER_MISSING', `An action comes with the header ${actingHeader}: 1.`)
  }
  const type = (request.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new Problem(415, 'NOT_JSON', 'An action comes with content-type: application/json.')
  }
}

/**
 * A proxy may have taken TLS away, so the scheme is not compared. The host is what a page cannot choose; servers such as
 * Next.js have another one in the URL of a request.
 */
function isOfHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

function foreign(): Problem {
  return new Problem(403, 'OTHER_ORIGIN', 'The request comes from a page of another origin.')
}
