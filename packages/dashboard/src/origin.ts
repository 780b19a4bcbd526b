import { Problem } from './problem.ts'

/**
 * The header that every action must carry. Before a page of another origin sends this header, the browser sends a CORS
 * preflight request. The dashboard never allows such a request, so pages of other origins can cause no action.
 */
const actingHeader = 'x-jobistemer'

/**
 * Refuses requests that come from a page of another origin. Exception: the dashboard always allows reads of HTML documents,
 * because other sites may link to them.
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
    throw new Problem(403, 'HEADER_MISSING', `An action requires the header ${actingHeader}: 1.`)
  }
  const type = (request.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new Problem(415, 'NOT_JSON', 'An action requires the header content-type: application/json.')
  }
}

/**
 * Returns whether an origin has this host. Ignores the scheme: if a proxy ends TLS, the request and the origin have different
 * schemes. Pass the `Host` header as `host`, because Next.js sets another host in the request's URL.
 */
function isOfHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

function foreign(): Problem {
  return new Problem(403, 'OTHER_ORIGIN', 'The request comes from a page of another origin.')
}
