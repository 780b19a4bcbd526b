import type { ComponentChildren } from 'preact'
import type { RequestError } from '../request.ts'
import type { Resource } from '../resource.ts'
import { Heading } from './section.tsx'

interface LoadedProps<T> {
  readonly of: Resource<T>
  readonly children: (data: T) => ComponentChildren
}

/** What was read; that it is being read; or why it cannot be. What was read before stays when it cannot be read again. */
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
  return (
    <div class="error-box" role="alert">
      <p>
        <strong>{isStale ? 'This is not up to date.' : headlineOf(error)}</strong> {error.message}
      </p>
      <p class="quiet">
        {isTransient && 'It is tried again every few seconds. '}
        <code>{error.code}</code>
      </p>
      <button type="button" class="button" onClick={reload}>
        Try again
      </button>
    </div>
  )
}

function headlineOf({ status }: RequestError): string {
  if (status === 404) return 'Not found.'
  if (status === 401) return 'You are not signed in.'
  if (status === 403) return 'You may not see this.'
  if (status >= 400 && status < 500) return 'This cannot be asked for.'
  return 'This cannot be read now.'
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}

/** A page whose address does not say what it is about. */
export function NotNamed({ what }: { readonly what: 'job' | 'run' }) {
  return (
    <>
      <Heading title="Not found" />
      <Empty>No {what} is named in the address.</Empty>
    </>
  )
}
