import type { ComponentChildren } from 'preact'
import { connection } from '../live.ts'
import { change } from '../location.tsx'
import type { RequestError } from '../request.ts'
import type { Resource } from '../resource.ts'
import { useStore } from '../store.ts'
import { Heading } from './section.tsx'

interface LoadedProps<T> {
  readonly of: Resource<T>
  readonly children: (data: T) => ComponentChildren
}

/** Shows loaded data, a loading text, or the error. After an error, the previous data stay visible. */
export function Loaded<T>({ of: { data, error, reload }, children }: LoadedProps<T>) {
  return (
    <>
      {error !== null && <ErrorBox error={error} reload={reload} isStale={data !== null} />}
      {data !== null ? children(data) : error === null && <Loading />}
    </>
  )
}

function Loading() {
  return (
    <div class="loading" role="status">
      <span class="loading-bar" />
      <span class="hidden-text">Loading</span>
    </div>
  )
}

interface ErrorBoxProps {
  readonly error: RequestError
  readonly reload: () => void
  readonly isStale: boolean
}

function ErrorBox({ error, reload, isStale }: ErrorBoxProps) {
  const isTransient = error.status === 0 || error.status >= 500
  const { state } = useStore(connection)
  // While the banner shows why the storage or the server is unavailable, `ErrorBox` omits the message of a transient error.
  const isSaid = isTransient && (state === 'away' || state === 'unreachable')
  return (
    <div class="error-box" role="alert">
      <p>
        <strong>{isStale ? 'This part of the page is out of date.' : headlineOf(error)}</strong>{' '}
        {!isSaid && error.message}
      </p>
      <p class="quiet">
        {isTransient && 'The page tries again every few seconds. '}
        <code>{error.code}</code>
      </p>
      <ErrorButton error={error} reload={reload} />
    </div>
  )
}

function ErrorButton({ error: { status, field }, reload }: Pick<ErrorBoxProps, 'error' | 'reload'>) {
  const [label, act] =
    status === 401
      ? ['Sign in', () => window.location.reload()]
      : field === 'cursor'
        ? ['First page', () => change({ cursor: null })]
        : ['Try again', reload]
  return (
    <button type="button" class="button" onClick={act as () => void}>
      {label as string}
    </button>
  )
}

function headlineOf({ status }: RequestError): string {
  if (status === 404) return 'Not found.'
  if (status === 401) return 'You are not signed in.'
  if (status === 403) return 'You may not see this.'
  if (status >= 400 && status < 500) return 'The request is not valid.'
  return 'This cannot be read now.'
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}

/** Shows that the address lacks the parameter `job` or `run`. */
export function NotNamed({ what }: { readonly what: 'job' | 'run' }) {
  return (
    <>
      <Heading title="Not found" />
      <Empty>No {what} is named in the address.</Empty>
    </>
  )
}
